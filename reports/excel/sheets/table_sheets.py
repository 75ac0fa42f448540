"""Sheets with one table: leaderboards, speeds, coverage and unmatched results."""

from __future__ import annotations

import dataclasses
import functools

from reports.columns.column import Column
from reports.columns.leaderboard_columns import COVERAGE, UNMATCHED
from reports.columns.section_columns import PUBLISHED_SPEEDS, SPEEDS
from reports.excel.budgets import limits_and_formulas
from reports.excel.sheets.board import CARD, Board
from reports.excel.writer import styles
from reports.excel.writer.sheet import Book, TableSpec, as_cells, write_table
from reports.excel.writer.text import sheet_name
from reports.exports.safe_text import is_web_address


def write_leaderboard(book: Book, board: Board) -> None:
    """One row per weights and input size, best first; models are links to their cards, with how they fit the budget."""
    order = f"best {board.quality.title} first" if board.quality else "most MACs first: no accuracy is known"
    cards = [card if isinstance(card, str) and is_web_address(card) else None for card in as_cells(board.frame[CARD.key])]
    write_table(book, TableSpec(
        board.sheet, board.table, f"{len(board.frame):,} rows, {order}", board.columns,
        board.frame, formulas=functools.partial(limits_and_formulas.formulas, columns=board.limited), links=cards, colour=styles.ACCENT,
    ))  # fmt: skip


def write_speeds(book: Book) -> None:
    """Write the speeds of each architecture in each configured run configuration, with the interval of estimates."""
    if speeds := book.report.device_speeds:
        description = f"Speed on {', '.join(dict.fromkeys(speed.device.id for speed in speeds))}"
        write_table(book, TableSpec(sheet_name("Speed", book.taken), "Speed", description, SPEEDS, book.report.speeds))


def write_published_speeds(book: Book) -> None:
    """Write published speeds of these architectures on phones, accelerators, boards and computers."""
    if len(rows := book.report.published_speeds):
        name = sheet_name("Published speed", book.taken)
        description = f"{len(rows):,} speeds that others published, on {rows['device'].nunique()} devices"
        write_table(book, TableSpec(name, "PublishedSpeed", description, PUBLISHED_SPEEDS, rows))


def write_coverage(book: Book) -> None:
    """Write what is missing or assumed: failed and bounded architectures, and published results that match no model."""
    missing = book.report.coverage
    table = missing.sort_values(["status", "zoo", "arch"], ascending=[False, True, True], na_position="last", kind="stable")
    by_status = ", ".join(f"{count:,} {status}" for status, count in missing["status"].value_counts().items()) or "nothing"
    columns = [_unfold(column) for column in sorted(COVERAGE, key=lambda column: column.key != "arch")]
    description = f"Not counted, or counted with an assumption: {by_status}"
    empty = "Every architecture was counted exactly."
    write_table(book, TableSpec(sheet_name("Coverage", book.taken), "Coverage", description, columns, table, empty=empty))
    if len(unmatched := book.report.unmatched):
        columns = sorted(UNMATCHED, key=lambda column: column.key != "name")
        description = f"{len(unmatched):,} published results that match no row of the leaderboards"
        write_table(book, TableSpec(sheet_name("Unmatched", book.taken), "Unmatched", description, columns, unmatched))


def _unfold(column: Column) -> Column:
    """The column as the sheet shows it: unfolded, and wide enough for prose if it is the reason."""
    return dataclasses.replace(column, shown=True, width=95 if column.key == "reason" else column.width)
