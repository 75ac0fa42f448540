"""The first sheet: cells for choices and limits, the picks, the chart of the frontier, and links to the other sheets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from reports.columns.column import Column
from reports.columns.leaderboard_columns import LEADERBOARD
from reports.excel.budgets.entry_cells import write_entries
from reports.excel.budgets.limit_cells import ENTRY, FIRST_LIMIT, TASK_ROW, LimitCells
from reports.excel.budgets.live_picks import write_live_picks
from reports.excel.charts.chart import FrontierCells, accuracy_chart
from reports.excel.sheets.board import COST, MODEL, PEAK, SIZE, Board
from reports.excel.sheets.model_tables import MODEL_PLACE, write_models, write_section
from reports.excel.writer import styles
from reports.excel.writer.page import Page
from reports.excel.writer.sheet import Book

_MOST_WARNINGS = 5
_WARNING_LETTERS = 600
_CONTENTS, _LAST = 5, 10  # columns
_CHART_ROWS = 42
_BUDGET = Column("budget_name", "Budget", "Name of a budget of the configuration.", "declared")
_INPUT = next(c for c in LEADERBOARD if c.key == "input")


def write_summary(
    book: Book, page: Page, cells: LimitCells | None, frontiers: Mapping[str, FrontierCells], answers: Mapping[str, str]
) -> None:
    """Fill the first sheet; the others are written before it.

    Args:
        book: the workbook.
        page: the sheet.
        cells: the limits to type in; None: the report has no rows.
        frontiers: where the frontier of each task is.
        answers: where the answer to each configured budget is.
    """
    page.set_width(0, 0, 10)
    page.set_width(MODEL_PLACE, MODEL_PLACE, 52)
    page.set_width(MODEL_PLACE + 1, _LAST, 12)
    _write_title(book, page)
    row = _write_contents(book, page)
    if cells:
        write_section(page, TASK_ROW - 1, "Choose in the yellow cells: picks and leaderboards recalculate", ENTRY + 1)
        write_entries(page, cells)
        row = write_live_picks(page, cells, max(row, FIRST_LIMIT + len(cells.columns)) + 1) + 1
    row = _write_budget_picks(book, page, row, answers)
    row = _write_warnings(book, page, row, cells)
    if cells:
        row = _write_summary_chart(page, row, cells.boards[0], frontiers)
    page.print_on(row - 1, _LAST)
    page.sheet.print_options.horizontalCentered = True
    page.sheet.sheet_view.tabSelected = True


def _write_title(book: Book, page: Page) -> None:
    report, totals = book.report, book.report.totals
    page.heights[0] = 32
    page.put(0, 0, report.title, bold=True, size=20)
    counted = (
        f"{totals.weights:,} weights of {totals.architectures:,} architectures; {totals.rows:,} counts: {totals.exact:,} exact, "
        f"{totals.bound:,} bound, {totals.failed:,} failed. Accuracy is as published."
    )
    page.put(1, 0, counted)
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    made = f"Made {report.created_at:%d %B %Y} with {versions}. MACs: convention {report.convention}."
    page.put(2, 0, made, colour=styles.GREY, valign="top")


def _write_contents(book: Book, page: Page) -> int:
    """Write links to the other sheets, beside the entry cells, and return the row after them."""
    top = write_section(page, TASK_ROW - 1, "In this workbook", _LAST, first=_CONTENTS)
    for row, (name, description) in enumerate(book.contents[1:], start=top):
        page.put(row, _CONTENTS, name, link=f"#'{name}'!A1")
        page.put(row, _CONTENTS + 2, description, colour=styles.GREY, size=9)
    return top + len(book.contents) - 1


def _write_summary_chart(page: Page, row: int, board: Board, frontiers: Mapping[str, FrontierCells]) -> int:
    if board.quality is None:
        return row
    chart = accuracy_chart(board, board.quality, frontiers.get(board.task))
    page.add_chart(chart, (row, 0), (row + _CHART_ROWS, _LAST + 1), "Every model of the first task by MACs, with the frontier")
    return row + _CHART_ROWS


def _write_warnings(book: Book, page: Page, row: int, cells: LimitCells | None) -> int:
    texts = [*book.report.warnings, *book.notices]
    if cells is None:
        texts.insert(0, "The report has no rows: nothing was counted, or nothing was selected.")
    elif not cells.qualities:
        texts.insert(
            0, "Accuracy is not available: no published result was found for these models. There is no ranking by accuracy."
        )
    more = len(texts) - _MOST_WARNINGS
    shown = texts if more <= 0 else [*texts[:_MOST_WARNINGS], f"{more} more: see About."]
    for text in shown:
        form = page.looks.get(fill=styles.WARNING_FILL, colour=styles.WARNING_INK, wrap=True, quoted=True, indent=1)
        for place in range(_LAST + 1):
            page.put(row, place, text[:_WARNING_LETTERS] if place == 0 else None, form)
        page.sheet.merge_cells(start_row=row + 1, end_row=row + 1, start_column=1, end_column=_LAST + 1)
        page.heights[row] = 15 * math.ceil(min(len(text), _WARNING_LETTERS) / 180) + 4
        row += 1
    return row + 1 if shown else row


def _write_budget_picks(book: Book, page: Page, row: int, links: Mapping[str, str]) -> int:
    """Write the pick for each budget of the configuration; the model is a link to the whole answer."""
    answers = book.report.budgets
    if not answers:
        return row
    row = write_section(page, row, "Picks for the budgets of the configuration", _LAST)
    objectives = dict.fromkeys(answer.selection.objectives[0] for answer in answers)
    columns = list(dict.fromkeys([MODEL, _BUDGET, _INPUT, *objectives, SIZE, COST, PEAK]))[: _LAST + 1 - MODEL_PLACE]
    picks: list[dict[str, Any]] = []
    for answer in answers:
        table, pick = answer.selection.table, answer.selection.pick
        model = {MODEL.key: "nothing fits"} if pick is None else {c.key: table.iloc[pick].get(c.key, pd.NA) for c in columns}
        picks.append({**model, _BUDGET.key: answer.name})
    frame = pd.DataFrame(picks, columns=[column.key for column in columns], dtype="object")
    return write_models(page, row, columns, frame, [links.get(answer.name) for answer in answers]) + 1
