"""The yellow cells of the first sheet: task, budget to start from, device, precision and limits, each with what it accepts."""

from __future__ import annotations

from typing import Any

from openpyxl.worksheet.datavalidation import DataValidation

from reports.columns.column import Column
from reports.excel.budgets import limit_cells
from reports.excel.budgets.device_cells import CHOICE_NAME, NO_DEVICE, DeviceCells
from reports.excel.budgets.limit_cells import (
    ACCURACY_ROW,
    DEVICE_ROW,
    ENTRY,
    FIRST_LIMIT,
    PRECISION_ROW,
    START_ROW,
    TASK_ROW,
    LimitCells,
    accuracy_title,
    limit_title,
    shown_amount,
)  # fmt: skip
from reports.excel.writer import styles
from reports.excel.writer.cells import Formula, address
from reports.excel.writer.page import Page
from reports.excel.writer.sheet import Book
from reports.exports.safe_text import is_formula_like

LABEL, _UNIT = 0, 4  # columns
_NOT_APPLIED = "Applied on the sheet Budgets only: "
_NO_CHOICE = "Choose a device to see latencies."


def write_entries(book: Book, page: Page, cells: LimitCells) -> None:
    """Write the cells that a reader changes."""
    first = next(iter(cells.budgets))
    task = cells.boards[0].task
    _put_choice(book, page, TASK_ROW, "Task", task, cells.tasks)
    _put_choice(book, page, START_ROW, "Start from the limits of", first, cells.names)
    if cells.devices:
        _write_device(book, page, cells, cells.devices)
    else:
        page.put(DEVICE_ROW, LABEL, "Device: no latency is known in this report", book.looks.get(indent=1, colour=styles.GREY))
    quality = cells.boards[0].quality
    page.put(ACCURACY_ROW, LABEL, Formula(cells.of_task(1), accuracy_title(quality)), book.looks.get(indent=1))
    amount = cells.of_budget(cells.of_task(3))
    _put_amount(
        book, page, ACCURACY_ROW, amount, shown_amount(cells.first, quality), "The limit on the accuracy of the chosen task."
    )
    page.put(ACCURACY_ROW, _UNIT, Formula(cells.of_task(2), quality.unit if quality else ""), book.looks.get(indent=1))
    for place, column in enumerate(cells.columns):
        row = FIRST_LIMIT + place
        page.put(row, LABEL, limit_title(column), book.looks.get(indent=1))
        hint = f"{limit_title(column)}, in {column.unit}. {_known(cells, column)}"
        _put_amount(book, page, row, cells.of_budget(limit_cells.FIRST_AMOUNT + place), shown_amount(cells.first, column), hint)
        page.put(row, _UNIT, column.unit, book.looks.get(indent=1))
    selection = page.sheet.sheet_view.selection[0]
    selection.activeCell = selection.sqref = address(TASK_ROW, ENTRY)


def _known(cells: LimitCells, column: Column) -> str:
    values = [board.frame[column.key] for board in cells.boards if column in board.limited]
    return f"Known for {sum(int(one.notna().sum()) for one in values):,} of {sum(map(len, values)):,} rows. Empty: no limit."


def _write_device(book: Book, page: Page, cells: LimitCells, devices: DeviceCells) -> None:
    """The cells of device and precision, which begin as the budget has them; of another device, its usual precision."""
    chosen = cells.first.chosen
    device = address(DEVICE_ROW, ENTRY, absolute="both")
    of_budget, name = cells.of_budget(limit_cells.DEVICE), chosen.device.name if chosen else NO_DEVICE
    _put_choice(book, page, DEVICE_ROW, "Device", Formula(of_budget, name), devices.device_list())
    precision = f"IF({device}={of_budget},{cells.of_budget(limit_cells.PRECISION)},{devices.usual_precision(device)})"
    shown = Formula(precision, chosen.title if chosen else NO_DEVICE)
    _put_choice(book, page, PRECISION_ROW, "Precision", shown, devices.precision_list(device))


def message(cells: LimitCells) -> Formula:
    """Which limits of the chosen budget the picks do not apply, and what to do where device and precision give no latencies."""
    others, shown = cells.of_budget(limit_cells.OTHERS), cells.first.other_limits
    not_applied = f'IF({others}="","","{_NOT_APPLIED}"&{others}&". ")'
    shown = f"{_NOT_APPLIED}{shown}. " if shown else ""
    if cells.devices is None:
        return Formula(not_applied, shown)
    wrong = f'IF({CHOICE_NAME}=0,"Choose a precision of the list: none is known in this one.","")'
    text = f'IF(OR({cells.entry(DEVICE_ROW)}="{NO_DEVICE}",{cells.entry(DEVICE_ROW)}=""),"{_NO_CHOICE}",{wrong})'
    return Formula(f"{not_applied}&{text}", shown + ("" if cells.first.chosen else _NO_CHOICE))


def _put_choice(book: Book, page: Page, row: int, title: str, value: Formula | str, choices: str) -> None:
    page.put(row, LABEL, title, book.looks.get(indent=1))
    _put_entry(book, page, row, value, indent=1, quoted=isinstance(value, str) and is_formula_like(value))
    rule = DataValidation(
        type="list", formula1=choices, allow_blank=False, showErrorMessage=True, errorTitle="Not in the list",
        error=f"Choose one of the list: {title.lower()}.",
    )  # fmt: skip
    rule.add(address(row, ENTRY))
    page.sheet.add_data_validation(rule)


def _put_amount(book: Book, page: Page, row: int, amount: str, shown: float | str, hint: str) -> None:
    value = Formula(f'IF({amount}>0,{amount},"")', shown)
    _put_entry(book, page, row, value, number_format="#,##0.######", align="right")
    rule = DataValidation(
        type="decimal", operator="greaterThan", formula1="0", allow_blank=True, showInputMessage=True, promptTitle="Limit", prompt=hint,
        showErrorMessage=True, errorTitle="Not a limit", error="Type a number above 0, or leave the cell empty for no limit.",
    )  # fmt: skip
    rule.add(address(row, ENTRY))
    page.sheet.add_data_validation(rule)


def _put_entry(book: Book, page: Page, row: int, value: object, **look: Any) -> None:
    """A cell that the reader may change, as wide as two."""
    style = book.looks.get(fill=styles.INPUT_FILL, box="thin", unlocked=True, **look)
    page.put(row, ENTRY, value, style)
    page.put(row, ENTRY + 1, None, style)
    page.sheet.merge_cells(start_row=row + 1, end_row=row + 1, start_column=ENTRY + 1, end_column=ENTRY + 2)
