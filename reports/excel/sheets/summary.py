"""The first sheet: what this is, its key figures, the frontier as a chart, what to pick, and where to read on."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from reports.columns.column import Column
from reports.columns.leaderboard_columns import LEADERBOARD
from reports.excel.charts.chart import FrontierCells, accuracy_chart, size_chart
from reports.excel.sheets.about import write_text
from reports.excel.sheets.board import COST, MODEL, Board
from reports.excel.writer import styles
from reports.excel.writer.page import Page
from reports.excel.writer.sheet import MAX_ROWS, Book
from reports.exports.safe_text import MAX_ADDRESS
from zoo.units import format_amount

_TIERS = tuple(mantissa * 10**power for power in range(6, 13) for mantissa in (1, 2, 5))
_MOST_TIERS = 12
_MOST_WARNINGS = 5
_CHART_ROWS = 25
_LINE: dict[str, Any] = {"bottom": "dotted"}
_LAST = 7  # the last column in use
_SHOWN = [c for c in LEADERBOARD if c.key in {"input", "params", COST.key, "peak_activation_bytes"}]


def write_summary(book: Book, page: Page, boards: list[Board], cells: FrontierCells | None) -> None:
    """Fill the sheet that was made first, now that all others are known."""
    page.set_width(0, 0, 1.5)
    page.set_width(1, 1, 54)
    page.set_width(2, _LAST, 12.5)
    row = _write_title(book, page)
    row = _write_key_figures(book, page, row, boards)
    row = _write_warnings(book, page, row, boards[0] if boards else None)
    if boards:
        row = _write_chart(page, row, boards[0], cells)
        row = _write_top_picks(book, page, row, boards[0])
    row = _write_budget_picks(book, page, row)
    row = _write_contents(book, page, row)
    page.print_on(row, _LAST, orientation="portrait", pages_high=1)
    page.sheet.print_options.horizontalCentered = True
    page.sheet.sheet_view.tabSelected = True


def _write_title(book: Book, page: Page) -> int:
    report = book.report
    page.heights[0] = 32
    write_text(book, page, 0, 1, report.title, bold=True, size=20, wrap=False, valign="center")
    counted = "Costs are counted from the models' operations, without downloading weights; accuracy is as published."
    page.put(1, 1, counted, book.looks.get())
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    write_text(
        book,
        page,
        2,
        1,
        f"Made {report.created_at:%d %B %Y} with {versions}. MACs: convention {report.convention}.",
        colour=styles.GREY,
        wrap=False,
    )
    return 4


def _write_key_figures(book: Book, page: Page, row: int, boards: list[Board]) -> int:
    """One figure a column, its name above it."""
    totals = book.report.totals
    on_frontier = len(boards[0].frontier) if boards else 0
    figures = [
        ("Architectures", totals.architectures), ("Weights", totals.weights), ("Cost rows", totals.rows), ("On frontier", on_frontier),
        ("Exact", totals.exact), ("Bound", totals.bound), ("Failed", totals.failed),
    ]  # fmt: skip
    page.heights[row + 1] = 27
    for place, (name, value) in enumerate(figures, start=1):
        colour = styles.BAD if name == "Failed" and value > totals.unsupported else styles.INK
        align = "left" if place == 1 else "right"
        page.put(row, place, name, book.looks.get(colour=styles.GREY, size=9, fill=styles.PALE, align=align))
        page.put(
            row + 1,
            place,
            value,
            book.looks.get(bold=True, size=16, fill=styles.PALE, number_format="#,##0", align=align, colour=colour),
        )
    return row + 3


def _write_warnings(book: Book, page: Page, row: int, board: Board | None) -> int:
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
        form = book.looks.get(fill=styles.WARNING_FILL, colour=styles.WARNING_INK, wrap=True, quoted=True, indent=1)
        for place in range(1, _LAST + 1):
            page.put(row, place, text[:600] if place == 1 else None, form)
        page.sheet.merge_cells(start_row=row + 1, end_row=row + 1, start_column=2, end_column=_LAST + 1)
        page.heights[row] = 15 * math.ceil(min(len(text), 600) / 115) + 4
        row += 1
    return row + 1 if shown else row


def _write_chart(page: Page, row: int, board: Board, cells: FrontierCells | None) -> int:
    chart = size_chart(board) if board.quality is None else accuracy_chart(board, board.quality, cells)
    page.add_chart(chart, (row, 1), (row + _CHART_ROWS, _LAST + 1), "Every model of the report by MACs, with the frontier")
    return row + _CHART_ROWS + 1


def _write_top_picks(book: Book, page: Page, row: int, board: Board) -> int:
    """The most accurate model up to each amount of work, where allowing more work gives another one."""
    if board.quality is None:
        return row
    picks = top_picks(board)
    _heading(book, page, row, f"Top picks: the most accurate model within so many MACs, by {board.quality.title}")
    columns = [MODEL, board.quality, *_SHOWN]
    page.heights[row + 1] = 31
    heads = [MODEL.header, "Up to (MACs)", *(c.header for c in columns[1:])]
    forms = [book.looks.header(MODEL), book.looks.header(COST), *(book.looks.header(c) for c in columns[1:])]
    for place, (text, form) in enumerate(zip(heads, forms, strict=True), start=1):
        page.put(row + 1, place, text, form)
    row += 2
    for tier, index in picks:
        _write_pick_name(book, page, row, board, index)
        upto = book.looks.get(align="right", colour=styles.GREY, **_LINE)
        page.put(row, 2, format_amount(tier, digits=0), upto)
        for place, column in enumerate(columns[1:], start=3):
            _write_pick_value(book, page, row, place, column, board.frame.loc[index, column.key])
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


def _write_budget_picks(book: Book, page: Page, row: int) -> int:
    """What to pick for each budget of the configuration; the rest of the answer is where its name leads."""
    answers = book.report.budgets
    if not answers:
        return row
    _heading(book, page, row, "Picks for the budgets of the configuration")
    page.heights[row + 1] = 31
    columns = [*dict.fromkeys(answer.selection.objectives[0] for answer in answers), *_SHOWN][: _LAST - 2]
    heads = [(MODEL.header, book.looks.header(MODEL)), ("Budget", book.looks.header(MODEL))]
    for place, (text, form) in enumerate([*heads, *((c.header, book.looks.header(c)) for c in columns)], start=1):
        page.put(row + 1, place, text, form)
    row += 2
    for answer in answers:
        sheet, target = book.budget_rows.get(answer.name, ("", 0))
        link = f"#'{sheet}'!A{target + 1}" if sheet and len(answer.name) <= MAX_ADDRESS else None
        page.put(row, 2, answer.name, book.looks.link(answer.name, indent=1, **_LINE), link=link)
        if answer.selection.pick is None:
            write_text(book, page, row, 1, "nothing fits", indent=1, colour=styles.GREY, **_LINE)
        else:
            record = answer.selection.table.iloc[answer.selection.pick]
            write_text(book, page, row, 1, str(record[MODEL.key]), indent=1, wrap=False, **_LINE)
            for place, column in enumerate(columns, start=3):
                _write_pick_value(book, page, row, place, column, record[column.key])
        row += 1
    return row + 1


def _write_pick_name(book: Book, page: Page, row: int, board: Board, index: int) -> None:
    """The model's name, which leads to its row of the leaderboard."""
    target = min(index, MAX_ROWS - 1) + 2
    name = str(board.frame.loc[index, MODEL.key])
    link = f"#'{board.sheet}'!A{target}" if len(name) <= MAX_ADDRESS else None
    page.put(row, 1, name, book.looks.link(name, indent=1, **_LINE), link=link)


def _write_pick_value(book: Book, page: Page, row: int, place: int, column: Column, value: Any) -> None:
    if pd.isna(value):
        page.put(row, place, None, book.looks.get(**_LINE))
    elif column.is_figure:
        page.put(row, place, value, book.looks.get(number_format=styles.number_format(column), **_LINE))
    else:
        page.put(row, place, str(value), book.looks.get(indent=1, **_LINE))


def _write_contents(book: Book, page: Page, row: int) -> int:
    _heading(book, page, row, "In this workbook")
    for name, description in book.contents[1:]:
        row += 1
        page.put(row, 1, name, book.looks.link(name, indent=1), link=f"#'{name}'!A1")
        page.put(row, 2, description, book.looks.get(colour=styles.GREY))
    return row


def _heading(book: Book, page: Page, row: int, text: str) -> None:
    form = book.looks.get(bold=True, size=12, colour=styles.ACCENT, bottom="thin")
    for place in range(1, _LAST + 1):
        page.put(row, place, text if place == 1 else None, form)
