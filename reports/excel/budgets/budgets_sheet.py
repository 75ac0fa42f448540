"""The sheet *Budgets*: limits to type in, the best models within them, and the answers to the budgets of the configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from openpyxl.utils import quote_sheetname
from openpyxl.workbook.defined_name import DefinedName
from openpyxl.worksheet.datavalidation import DataValidation

from reports.columns.column import Column
from reports.excel.budgets import limits_and_formulas
from reports.excel.budgets.configured_answers import RowsOfModels, write_block
from reports.excel.budgets.device_cells import CHOICE_NAME, NO_DEVICE, DeviceCells
from reports.excel.budgets.limits_and_formulas import BINDING, OF_BUDGET, SLACK, UNLIMITED, VERDICT, Live, is_least, limit_name
from reports.excel.budgets.live_answers import SLACK_NAME, write_live_picks
from reports.excel.sheets.board import ACCURACIES, Board
from reports.excel.writer import styles
from reports.excel.writer.cells import Formula, address
from reports.excel.writer.page import Page
from reports.excel.writer.sheet import Book
from reports.excel.writer.styles import Styles
from reports.exports.safe_text import is_formula_like

START_ROW = 4  # of the cell that names the budget to start from; all rows and columns from 0
DEVICE_ROW, PRECISION_ROW = START_ROW + 1, START_ROW + 2
FIRST_LIMIT = START_ROW + 5
ENTRY, _UNIT, EXACT, _KNOWN, _FIRST_BUDGET = 2, 3, 4, 5, 7  # columns
_EXAMPLE, _NONE = "example", "no limits"
_MOST_WORDS = 240  # letters of the limits of a budget that its column has no cell for


@dataclass(frozen=True)
class Limits:
    """What the limits of the sheet are: their columns, and the budgets they can be taken from, the first one at first."""

    columns: tuple[Column, ...]
    budgets: dict[str, Live]
    devices: DeviceCells | None = None  # what may be chosen; None: no latency is known

    @property
    def first(self) -> dict[str, float]:
        """The exact limits that the workbook starts with."""
        return next(iter(self.budgets.values())).limits

    @property
    def slack_row(self) -> int:
        """The row after the limits."""
        return FIRST_LIMIT + len(self.columns)


def make_limits(book: Book, boards: Sequence[Board], devices: DeviceCells | None = None) -> Limits:
    """The limits that apply to any of the leaderboards, with the configured budgets; where there is none, an example's."""
    columns = tuple(dict.fromkeys(column for board in boards for column in board.limited))
    columns = tuple(sorted(columns, key=is_quality))
    configured = {
        answer.name: limits_and_formulas.live_limits(answer, columns, devices.of_budget(answer) if devices else None)
        for answer in book.report.budgets
    }
    named = configured or {_EXAMPLE: Live(dict(limits_and_formulas.EXAMPLE), [])}
    return Limits(columns, {**named, **({} if _NONE in named else {_NONE: Live({}, [])})}, devices)


def is_quality(column: Column) -> bool:
    """Whether a limit is on an accuracy, which only one task has."""
    return column in ACCURACIES


def evaluate_boards(boards: Sequence[Board], limits: Limits) -> None:
    """Fill the columns of the budget of each leaderboard with what the formulas will give for the limits of the start."""
    for board in boards:
        figures = limits_and_formulas.evaluate(board.frame, limits.first, board.limited)
        for column in limits_and_formulas.COLUMNS:
            board.frame[column.key] = figures[column.key]


def write_budgets(book: Book, boards: Sequence[Board], limits: Limits, name: str) -> None:
    """Write the sheet of this name."""
    page = book.add_sheet(name, "Type limits into the yellow cells: fits, picks and near misses recalculate.", colour=styles.GOOD)
    page.set_width(0, 0, 8)
    page.set_width(1, 1, 52)
    page.set_width(2, 16, 13)
    page.put(0, 0, "Budgets", book.looks.get(bold=True, size=16))
    for row, line in enumerate(_explanation(book), start=1):
        page.put(row, 0, line, book.looks.get(colour=styles.GREY))
    _write_limits(book, page, name, boards, limits)
    row = write_live_picks(book, page, boards[0], limits.slack_row + 3) + 1
    rows_of_models = RowsOfModels.of(boards)
    for answer in book.report.budgets:
        book.budget_rows[answer.name] = (name, row)
        row = write_block(book, page, answer, rows_of_models, row) + 1
    for board in boards[1:]:
        row = write_live_picks(book, page, board, row) + 1
    page.print_on(row - 1, max(9, _FIRST_BUDGET + len(limits.budgets) - 1))
    selection = page.sheet.sheet_view.selection[0]
    selection.activeCell = selection.sqref = address(FIRST_LIMIT, ENTRY)


def _explanation(book: Book) -> tuple[str, str]:
    entry = (
        "Choose a budget to start from, or type limits into the yellow cells, in the unit beside them; an empty cell is no limit."
    )
    effect = f"The picks below recalculate, and so do the columns {OF_BUDGET.title}, {VERDICT.title} and {BINDING.title} of the leaderboards."
    if book.report.budgets:
        return f"{entry} The answers to the budgets of the configuration stand further down.", effect
    return entry, f"{effect} The example is near a ResNet-50."


def _write_limits(book: Book, page: Page, name: str, boards: Sequence[Board], limits: Limits) -> None:
    last = _FIRST_BUDGET + len(limits.budgets) - 1
    names = f"{address(FIRST_LIMIT - 1, _FIRST_BUDGET, absolute='both')}:{address(FIRST_LIMIT - 1, last, absolute='both')}"
    page.put(START_ROW, 1, "Start from the budget", book.looks.get(indent=1))
    first = next(iter(limits.budgets))
    page.put(START_ROW, ENTRY, first, _entry(book.looks, quoted=is_formula_like(first), indent=1))
    _accept_one_of(page, START_ROW, names, "Budget", "Its limits fill the yellow cells below that nobody has typed into.")
    if limits.devices:
        _write_device(book, page, limits, limits.devices, name)
    head = book.looks.get(bold=True, bottom="thin", indent=1)
    right = book.looks.get(bold=True, bottom="thin", align="right")
    for place, (text, form) in enumerate(
        [("Limit", head), ("Of this budget", right), ("Unit", head), ("Exact", right), ("Known for", right)], start=1
    ):
        page.put(FIRST_LIMIT - 1, place, text, form)
    _write_choices(book, page, limits)
    for row, column in enumerate(limits.columns, start=FIRST_LIMIT):
        chosen = f"SUMPRODUCT(EXACT({names},{address(START_ROW, ENTRY, absolute='both')})*{_choices_of(row, last)})"
        _write_limit(page, book.looks, row, column, chosen, limits.first.get(column.key))
        _define(book, limit_name(column), name, row, EXACT)
        concerned = [board.frame[column.key] for board in boards if column in board.limited]
        known, rows = sum(int(values.notna().sum()) for values in concerned), sum(map(len, concerned))
        page.put(row, _KNOWN, f"{known:,} of {rows:,}", book.looks.get(align="right", colour=styles.GREY))
    row = limits.slack_row
    page.put(row, 1, "Just over: beyond a limit by at most", book.looks.get(indent=1))
    page.put(row, ENTRY, SLACK, _entry(book.looks, number_format="0%"))
    _define(book, SLACK_NAME, name, row, ENTRY)
    _accept(page, row, "How far beyond a limit a model may be to be listed as just over: 10% or 0.1.")


def _write_device(book: Book, page: Page, limits: Limits, devices: DeviceCells, name: str) -> None:
    """The cells of device and precision, which begin as the budget has them, and what the choice comes to."""
    device, precision = (address(row, ENTRY, absolute="both") for row in (DEVICE_ROW, PRECISION_ROW))
    first = next(iter(limits.budgets.values())).chosen
    for row, title, shown in (
        (DEVICE_ROW, "Device whose latency counts", first.device.name if first else NO_DEVICE),
        (PRECISION_ROW, "Precision there", first.title if first else ""),
    ):
        page.put(row, 1, title, book.looks.get(indent=1))
        page.put(row, ENTRY, Formula(_of_start(limits, row), shown), _entry(book.looks, indent=1))
        for place, live in enumerate(limits.budgets.values(), start=_FIRST_BUDGET):
            text = (live.chosen.device.name if row == DEVICE_ROW else live.chosen.title) if live.chosen else NO_DEVICE
            page.put(row, place, text, book.looks.get(align="right", colour=styles.GREY))
    _accept_one_of(
        page, DEVICE_ROW, devices.device_list(), "Device", "Latencies of every model there, grouped by kind of device."
    )
    _accept_one_of(page, PRECISION_ROW, devices.precision_list(device), "Precision", "Those in which latencies are known there.")
    number = devices.number_of(first)
    page.put(PRECISION_ROW, EXACT, Formula(devices.number(device, precision), number), book.looks.get(colour=styles.GREY))
    _define(book, CHOICE_NAME, name, PRECISION_ROW, EXACT)
    said = f'IF({device}="{NO_DEVICE}","Choose a device to see latencies.",IF({CHOICE_NAME}=0,"Choose a precision of the list: none is known in this one.",""))'
    page.put(
        DEVICE_ROW, _UNIT, Formula(said, "" if first else "Choose a device to see latencies."), book.looks.get(colour=styles.GREY)
    )


def _of_start(limits: Limits, row: int) -> str:
    """What the budget to start from has in a row of texts."""
    last = _FIRST_BUDGET + len(limits.budgets) - 1
    names, texts = (
        f"{address(line, _FIRST_BUDGET, absolute='both')}:{address(line, last, absolute='both')}"
        for line in (FIRST_LIMIT - 1, row)
    )
    return f'IFERROR(LOOKUP(2,1/EXACT({names},{address(START_ROW, ENTRY, absolute="both")}),{texts}),"{NO_DEVICE}")'


def _choices_of(row: int, last: int) -> str:
    """The range of a limit's amounts in all budgets."""
    return f"{address(row, _FIRST_BUDGET, absolute='column')}:{address(row, last, absolute='column')}"


def _write_choices(book: Book, page: Page, limits: Limits) -> None:
    """A column a budget, with its limits in the unit of the row; what has no row is said below."""
    page.put(START_ROW, _FIRST_BUDGET, "Budgets to start from", book.looks.get(bold=True, colour=styles.GREY))
    for place, (name, live) in enumerate(limits.budgets.items(), start=_FIRST_BUDGET):
        head = book.looks.get(bold=True, bottom="thin", align="right", wrap=True, quoted=is_formula_like(name))
        page.put(FIRST_LIMIT - 1, place, name, head)
        for row, column in enumerate(limits.columns, start=FIRST_LIMIT):
            bound = live.limits.get(column.key)
            page.put(row, place, None if bound is None else bound / column.scale, book.looks.get(number_format="#,##0.######"))
        if live.others:
            words = f"also: {'; '.join(live.others)}"[:_MOST_WORDS]
            page.put(limits.slack_row, place, words, book.looks.get(colour=styles.GREY, size=9, wrap=True, valign="top"))
            page.heights[limits.slack_row] = max(page.heights.get(limits.slack_row, 0), 12.5 * (1 + len(words) // 14))


def _write_limit(page: Page, looks: Styles, row: int, column: Column, chosen: str, bound: float | None) -> None:
    """One limit: the cell to type into, and beside it the exact value that formulas use, which means no limit where it is empty."""
    cell, none = address(row, ENTRY), 0 if is_least(column) else UNLIMITED
    page.put(row, 1, f"{column.title}, {'at least' if is_least(column) else 'at most'}", looks.get(indent=1))
    shown = "" if bound is None else bound / column.scale
    entry = _entry(looks, number_format="#,##0.######", align="right")
    page.put(row, ENTRY, Formula(f'IF({chosen}>0,{chosen},"")', shown), entry)
    page.put(row, _UNIT, column.unit, looks.get(indent=1))
    number = '0.00;;"no limit"' if is_least(column) else '[>=1E+299]"no limit";#,##0.##'
    formula = f"IF(ISNUMBER({cell}),{cell}*{column.scale:.0f},{none:.0E})"
    exact = looks.get(colour=styles.GREY, align="right", number_format=number)
    page.put(row, EXACT, Formula(formula, none if bound is None else bound), exact)
    _accept(page, row, f"{'Least' if is_least(column) else 'Most'} {column.title} in {column.unit}. Empty: no limit.")


def _entry(looks: Styles, **look: Any) -> int:
    """A cell the reader may change."""
    return looks.get(fill=styles.INPUT_FILL, box="thin", unlocked=True, **look)


def _define(book: Book, cell_name: str, sheet: str, row: int, column: int) -> None:
    place = f"{quote_sheetname(sheet)}!{address(row, column, absolute='both')}"
    book.workbook.defined_names[cell_name] = DefinedName(cell_name, attr_text=place)


def _accept(page: Page, row: int, hint: str) -> None:
    rule = DataValidation(
        type="decimal", operator="greaterThan", formula1="0", allow_blank=True, showInputMessage=True, promptTitle="Limit", prompt=hint,
        showErrorMessage=True, errorTitle="Not a limit", error="Type a number above 0, or leave the cell empty for no limit.",
    )  # fmt: skip
    rule.add(address(row, ENTRY))
    page.sheet.add_data_validation(rule)


def _accept_one_of(page: Page, row: int, names: str, what: str, hint: str) -> None:
    rule = DataValidation(
        type="list", formula1=names, allow_blank=False, showInputMessage=True, promptTitle=what, prompt=hint,
        showErrorMessage=True, errorTitle=f"No such {what.lower()}", error="Choose one of the list.",
    )  # fmt: skip
    rule.add(address(row, ENTRY))
    page.sheet.add_data_validation(rule)
