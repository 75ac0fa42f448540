"""The sheets that are tables: leaderboards, frontiers, architectures, resolutions and what is missing from them."""

from __future__ import annotations

import dataclasses
import functools

import pandas as pd

from reports.columns.column import Column
from reports.columns.leaderboard_columns import COVERAGE, UNMATCHED
from reports.columns.section_columns import PUBLISHED_SPEEDS, SPEEDS
from reports.excel.budgets import limits_and_formulas
from reports.excel.charts.chart import FrontierCells, accuracy_chart
from reports.excel.sheets import derived_tables
from reports.excel.sheets.board import CARD, COST, Board
from reports.excel.writer import styles
from reports.excel.writer.sheet import MAX_ROWS, Book, TableSpec, as_cells, write_table
from reports.excel.writer.text import sheet_name
from reports.exports.safe_text import is_web_address

_CHART_ROWS, _CHART_COLUMNS = 26, 13  # of the usual size


def write_leaderboard(book: Book, board: Board) -> None:
    """One row per weights and input size, best first; models lead to their cards, and say how they fit the budget."""
    order = f"best {board.quality.title} first" if board.quality else "most MACs first (no accuracy is known)"
    details = "" if board.suffix else " [+] above the table unfolds details."
    cards = [card if isinstance(card, str) and is_web_address(card) else None for card in as_cells(board.frame[CARD.key])]
    write_table(book, TableSpec(
        board.sheet, board.table, f"{len(board.frame):,} rows of task {board.task}, {order}.{details}", board.columns,
        board.frame, formulas=functools.partial(limits_and_formulas.formulas, columns=board.limited), links=cards, colour=styles.ACCENT,
    ))  # fmt: skip


def write_frontier(book: Book, board: Board) -> FrontierCells | None:
    """The frontier of a task with its chart; nothing where no row is on it. Models lead to their rows of the leaderboard."""
    table = derived_tables.frontier_table(board)
    if board.quality is None or table.empty:
        return None
    columns = derived_tables.frontier_columns(board)
    name = sheet_name(f"Frontier{board.suffix}", book.taken)
    rows = [f"#'{board.sheet}'!A{row + 2}" if row < MAX_ROWS else None for row in table.index]
    page = write_table(book, TableSpec(
        name, board.table.replace("Leaderboard", "Frontier"), f"The {len(table)} models that no other beats in both {board.quality.title} and MACs.", columns,
        table, links=rows, colour=styles.FRONTIER,
    ))  # fmt: skip
    keys = [column.key for column in columns]
    cells = FrontierCells(name, keys.index(COST.key), keys.index(board.quality.key))
    chart = accuracy_chart(board, board.quality, cells)
    place = len(columns) + 1
    page.add_chart(chart, (1, place), (1 + _CHART_ROWS, place + _CHART_COLUMNS), "Accuracy against MACs, with the frontier")
    page.print_on(max(len(table), 1 + _CHART_ROWS), place + _CHART_COLUMNS)
    return cells


def write_architectures(book: Book) -> None:
    """What each architecture costs, whatever its weights."""
    table = derived_tables.architectures(book.report.leaderboard)
    description = f"{len(table):,} architectures and input sizes: cost without accuracy."
    write_table(
        book,
        TableSpec(
            sheet_name("Architectures", book.taken),
            "Architectures",
            description,
            derived_tables.architecture_columns(table),
            table,
        ),
    )


def write_resolutions(book: Book) -> None:
    """Cost by input size, where an architecture was counted at more than one."""
    columns, table, left_out = derived_tables.resolutions(book.report.leaderboard)
    if table.empty:
        return
    description = f"{len(table):,} architectures at several input sizes, side by side.{left_out}"
    write_table(book, TableSpec(sheet_name("Resolutions", book.taken), "Resolutions", description, columns, table))


def write_speeds(book: Book) -> None:
    """How fast each architecture is in each run configuration that was asked for, with the interval of estimates."""
    speeds = book.report.device_speeds
    if not speeds:
        return
    devices = ", ".join(dict.fromkeys(speed.device.id for speed in speeds))
    description = f"How fast each architecture is on {devices}; what is assumed is in About."
    write_table(book, TableSpec(sheet_name("Speed", book.taken), "Speed", description, SPEEDS, book.report.speeds))


def write_published_speeds(book: Book) -> None:
    """What others published of these architectures on phones, accelerators, boards and computers."""
    rows = book.report.published_speeds
    if rows.empty:
        return
    description = f"{len(rows):,} speeds that others published, on {rows['device'].nunique()} devices; sources are in About."
    name = sheet_name("Published speed", book.taken)
    write_table(book, TableSpec(name, "PublishedSpeed", description, PUBLISHED_SPEEDS, rows))


def write_coverage(book: Book) -> None:
    """What is missing or assumed: failed and bounded architectures, and published results that found no model."""
    missing = book.report.coverage
    table = missing.sort_values(["status", "zoo", "arch"], ascending=[False, True, True], na_position="last", kind="stable")
    by_status = ", ".join(f"{count:,} {status}" for status, count in missing["status"].value_counts().items()) or "nothing"
    columns = [_unfolded(c) for c in (*[c for c in COVERAGE if c.key == "arch"], *[c for c in COVERAGE if c.key != "arch"])]
    empty = "Every architecture was counted exactly."
    unsupported = book.report.totals.unsupported
    of_inputs = f", {unsupported:,} of them at an input or in a form they cannot take" if unsupported else ""
    description = f"Not counted, or only under an assumption, and why: {by_status}{of_inputs}."
    write_table(book, TableSpec(sheet_name("Coverage", book.taken), "Coverage", description, columns, table, empty=empty))
    if len(book.report.unmatched):
        _write_unmatched(book, book.report.unmatched)


def _write_unmatched(book: Book, table: pd.DataFrame) -> None:
    description = f"{len(table):,} published results that belong to no row of the leaderboards, with the reason."
    columns = [*[c for c in UNMATCHED if c.key == "name"], *[c for c in UNMATCHED if c.key != "name"]]
    write_table(book, TableSpec(sheet_name("Unmatched", book.taken), "Unmatched", description, columns, table))


def _unfolded(column: Column) -> Column:
    """Nothing is folded away here, and the reason, which comes last, is prose."""
    return dataclasses.replace(column, shown=True, width=95 if column.key == COVERAGE[-1].key else column.width)
