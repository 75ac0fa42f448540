"""The first sheet: what this is, its key figures, the frontier as a chart, what to pick, and where to read on."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from reports.columns import LEADERBOARD, Column
from reports.excel import styles
from reports.excel.about import write_text
from reports.excel.board import COST, MODEL, Board
from reports.excel.chart import FrontierCells, accuracy_chart, size_chart
from reports.excel.sheet import MAX_ROWS, Book, write_link
from reports.excel.text import clean_text
from reports.excel.writer import Worksheet
from zoo.units import format_amount

_TIERS = tuple(mantissa * 10**power for power in range(6, 13) for mantissa in (1, 2, 5))
_MOST_TIERS = 12
_MOST_WARNINGS = 5
_CHART_ROWS = 25
_LINE = {"bottom": 4, "bottom_color": styles.RULE}
_LAST = 7  # the last column in use
_SHOWN = [c for c in LEADERBOARD if c.key in {"input", "params", COST.key, "peak_activation_bytes"}]


def write_summary(book: Book, sheet: Worksheet, boards: list[Board], cells: FrontierCells | None) -> None:
    """Fill the sheet that was made first, now that all others are known."""
    sheet.set_column(0, 0, 1.5)
    sheet.set_column(1, 1, 54)
    sheet.set_column(2, _LAST, 12.5)
    row = _write_title(book, sheet)
    row = _write_key_figures(book, sheet, row, boards)
    row = _write_warnings(book, sheet, row, boards[0] if boards else None)
    if boards:
        row = _write_chart(book, sheet, row, boards[0], cells)
        row = _write_top_picks(book, sheet, row, boards[0])
    row = _write_contents(book, sheet, row)
    sheet.set_portrait()
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 1)
    sheet.print_area(0, 0, row, _LAST)
    sheet.center_horizontally()
    sheet.activate()


def _write_title(book: Book, sheet: Worksheet) -> int:
    report = book.report
    sheet.set_row(0, 32)
    write_text(book, sheet, 0, 1, report.title, bold=True, font_size=20, text_wrap=False, valign="vcenter")
    counted = "Costs are counted from the models' operations, without downloading weights; accuracy is as published."
    sheet.write_string(1, 1, counted, book.formats.get())
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    write_text(
        book,
        sheet,
        2,
        1,
        f"Made {report.created_at:%d %B %Y} with {versions}. MACs: convention {report.convention}.",
        font_color=styles.GREY,
        text_wrap=False,
    )
    return 4


def _write_key_figures(book: Book, sheet: Worksheet, row: int, boards: list[Board]) -> int:
    """One figure a column, its name above it."""
    totals = book.report.totals
    on_frontier = len(boards[0].frontier) if boards else 0
    figures = [
        ("Architectures", totals.architectures), ("Weights", totals.weights), ("Cost rows", totals.rows), ("On frontier", on_frontier),
        ("Exact", totals.exact), ("Bound", totals.bound), ("Failed", totals.failed),
    ]  # fmt: skip
    sheet.set_row(row + 1, 27)
    for place, (name, value) in enumerate(figures, start=1):
        colour = styles.BAD if name == "Failed" and value > totals.unfit else styles.INK
        align = "left" if place == 1 else "right"
        sheet.write_string(
            row, place, name, book.formats.get(font_color=styles.GREY, font_size=9, bg_color=styles.PALE, align=align)
        )
        sheet.write_number(
            row + 1,
            place,
            value,
            book.formats.get(bold=True, font_size=16, bg_color=styles.PALE, num_format="#,##0", align=align, font_color=colour),
        )
    return row + 3


def _write_warnings(book: Book, sheet: Worksheet, row: int, board: Board | None) -> int:
    texts = [*book.report.warnings, *book.notices]
    if board is None:
        texts.insert(0, "The report has no rows: nothing was counted, or nothing was selected.")
    elif board.quality is None:
        texts.insert(
            0,
            "Accuracy is not available: no published result was found for these models, so there is no ranking by quality and no frontier.",
        )
    more = len(texts) - _MOST_WARNINGS
    shown = texts if more <= 0 else [*texts[:_MOST_WARNINGS], f"{more} more: see About."]
    for text in shown:
        form = book.formats.get(
            bg_color=styles.WARNING_FILL, font_color=styles.WARNING_INK, text_wrap=True, quote_prefix=True, indent=1
        )
        sheet.merge_range(row, 1, row, _LAST, "", form)
        sheet.write_string(row, 1, clean_text(text)[:600], form)
        sheet.set_row(row, 15 * math.ceil(min(len(text), 600) / 115) + 4)
        row += 1
    return row + 1 if shown else row


def _write_chart(book: Book, sheet: Worksheet, row: int, board: Board, cells: FrontierCells | None) -> int:
    chart = size_chart(book, board) if board.quality is None else accuracy_chart(book, board, board.quality, cells)
    chart.set_size({"width": 932, "height": 20 * _CHART_ROWS - 8})
    sheet.insert_chart(
        row, 1, chart, {"object_position": 2, "description": "Every model of the report by MACs, with the frontier"}
    )
    return row + _CHART_ROWS + 1


def _write_top_picks(book: Book, sheet: Worksheet, row: int, board: Board) -> int:
    """The most accurate model up to each amount of work, where allowing more work gives another one."""
    if board.quality is None:
        return row
    picks = top_picks(board)
    _heading(book, sheet, row, f"Top picks: the most accurate model within so many MACs, by {board.quality.title}")
    columns = [MODEL, board.quality, *_SHOWN]
    sheet.set_row(row + 1, 31)
    heads = [MODEL.header, "Up to (MACs)", *(c.header for c in columns[1:])]
    forms = [book.formats.header(MODEL), book.formats.header(COST), *(book.formats.header(c) for c in columns[1:])]
    for place, (text, form) in enumerate(zip(heads, forms, strict=True), start=1):
        sheet.write_string(row + 1, place, text, form)
    row += 2
    for tier, index in picks:
        _write_pick_name(book, sheet, row, board, index)
        upto = book.formats.get(align="right", font_color=styles.GREY, **_LINE)
        sheet.write_string(row, 2, format_amount(tier, digits=0), upto)
        for place, column in enumerate(columns[1:], start=3):
            _write_pick_value(book, sheet, row, place, column, board.frame.loc[index, column.key])
        row += 1
    return row + 1


def top_picks(board: Board) -> list[tuple[int, int]]:
    """Pairs of a limit on MACs and the position in the board's frame of the best row within it, from little work to much."""
    if board.quality is None:
        return []
    ranked = board.frame[board.frame[board.rank.key].notna()]
    picks: list[tuple[int, int]] = []
    for tier in _TIERS:
        within = ranked.index[(ranked[COST.key] <= tier).to_numpy(dtype=bool)]
        if len(within) and (not picks or picks[-1][1] != within[0]):
            picks.append((tier, int(within[0])))
    return picks[-_MOST_TIERS:]


def _write_pick_name(book: Book, sheet: Worksheet, row: int, board: Board, index: int) -> None:
    """The model's name, which leads to its row of the leaderboard."""
    target = min(index, MAX_ROWS - 1) + 2
    write_link(
        book, sheet, row, 1, f"internal:'{board.sheet}'!A{target}", str(board.frame.loc[index, MODEL.key]), indent=1, **_LINE
    )


def _write_pick_value(book: Book, sheet: Worksheet, row: int, place: int, column: Column, value: Any) -> None:
    if pd.isna(value):
        sheet.write_blank(row, place, None, book.formats.get(**_LINE))
    elif column.is_figure:
        sheet.write_number(row, place, value, book.formats.get(num_format=styles.number_format(column), **_LINE))
    else:
        sheet.write_string(row, place, clean_text(str(value)), book.formats.get(indent=1, **_LINE))


def _write_contents(book: Book, sheet: Worksheet, row: int) -> int:
    _heading(book, sheet, row, "In this workbook")
    for name, description in book.contents[1:]:
        row += 1
        write_link(book, sheet, row, 1, f"internal:'{name}'!A1", name, indent=1)
        sheet.write_string(row, 2, description, book.formats.get(font_color=styles.GREY))
    return row


def _heading(book: Book, sheet: Worksheet, row: int, text: str) -> None:
    form = book.formats.get(bold=True, font_size=12, font_color=styles.ACCENT, bottom=1, bottom_color=styles.RULE)
    for place in range(1, _LAST + 1):
        sheet.write_string(row, place, text if place == 1 else "", form)
