"""The yellow cells of the first sheet: task, budget to start from, device, precision and limits, with their validation rules."""

from __future__ import annotations

from typing import Any

from openpyxl.worksheet.datavalidation import DataValidation

from reports.columns.column import Column
from reports.excel.budgets import limit_cells as at
from reports.excel.budgets.device_cells import CHOICE_NAME, DEVICE_NAMES, NO_DEVICE, precision_list, usual_precision
from reports.excel.budgets.limit_cells import (
    ENTRY,
    LimitCells,
    TaskColumn,
    accuracy_title,
    limit_title,
    of_budget,
    of_task,
    shown_amount,
)
from reports.excel.writer import styles
from reports.excel.writer.cells import Formula, address
from reports.excel.writer.page import Page

LABEL, _UNIT = 0, 4  # columns
_NOT_APPLIED = "Applied on the sheet Budgets only: "
_NO_CHOICE = "Choose a device to see latencies."
_MEMORY = "The memory of the device is not a limit here. "


def write_entries(page: Page, cells: LimitCells) -> None:
    """Write the cells that a reader changes."""
    quality, start = cells.boards[0].quality, cells.first
    _put_choice(page, at.TASK_ROW, "Task", cells.boards[0].task, at.TASK_NAMES)
    _put_choice(page, at.START_ROW, "Start from the limits of", next(iter(cells.budgets)), at.BUDGET_NAMES)
    if cells.devices:
        _write_device(page, cells)
    else:
        _put_titles(page, at.DEVICE_ROW, "Device: no latency is known in this report")
    title = Formula(of_task(TaskColumn.ACCURACY), accuracy_title(quality))
    unit = Formula(f'{of_task(TaskColumn.UNIT)}&""', quality.unit if quality else "")
    _put_titles(page, at.ACCURACY_ROW, title, unit)
    amount = of_budget(of_task(TaskColumn.AMOUNT))
    _put_amount(page, at.ACCURACY_ROW, amount, shown_amount(start, quality), "The accuracy of the chosen task.")
    for place, column in enumerate(cells.columns):
        row, amount = at.FIRST_LIMIT + place, of_budget(at.FIRST_AMOUNT + place)
        _put_titles(page, row, limit_title(column), column.unit)
        hint = f"{limit_title(column)}, in {column.unit}. {_known_rows_hint(cells, column)}"
        _put_amount(page, row, amount, shown_amount(start, column), hint)
    selection = page.sheet.sheet_view.selection[0]
    selection.activeCell = selection.sqref = address(at.TASK_ROW, ENTRY)


def _put_titles(page: Page, row: int, title: object, unit: object = None) -> None:
    for place, value in ((LABEL, title), (_UNIT, unit)):
        page.put(row, place, value, indent=1)


def _known_rows_hint(cells: LimitCells, column: Column) -> str:
    values = [board.frame[column.key] for board in cells.boards if column in board.limited]
    return f"Known for {sum(int(one.notna().sum()) for one in values):,} of {sum(map(len, values)):,} rows. Empty: no limit."


def _write_device(page: Page, cells: LimitCells) -> None:
    """Write the cells of device and precision: at first those of the budget; for another device, its default precision."""
    chosen = cells.first.chosen
    device = address(at.DEVICE_ROW, ENTRY, absolute="both")
    device_of_budget, name = of_budget(at.DEVICE), chosen.device.name if chosen else NO_DEVICE
    _put_choice(page, at.DEVICE_ROW, "Device", Formula(device_of_budget, name), DEVICE_NAMES)
    precision = f"IF({device}={device_of_budget},{of_budget(at.PRECISION)},{usual_precision(device)})"
    shown = Formula(precision, chosen.title if chosen else NO_DEVICE)
    _put_choice(page, at.PRECISION_ROW, "Precision", shown, precision_list(device))


def message(cells: LimitCells) -> Formula:
    """The limits of the budget and the device that the picks do not apply, and advice where no latencies are shown."""
    others, shown = of_budget(at.OTHERS), cells.first.other_limits
    not_applied = f'IF({others}="","","{_NOT_APPLIED}"&{others}&". ")'
    shown = f"{_NOT_APPLIED}{shown}. " if shown else ""
    if cells.devices is None:
        return Formula(not_applied, shown)
    wrong = f'IF({CHOICE_NAME}=0,"Choose a precision of the list: none is known in this one.","")'
    text = (
        f'IF(OR({cells.entry(at.DEVICE_ROW)}="{NO_DEVICE}",{cells.entry(at.DEVICE_ROW)}=""),"{_NO_CHOICE}","{_MEMORY}"&{wrong})'
    )
    return Formula(f"{not_applied}&{text}", shown + (_MEMORY if cells.first.chosen else _NO_CHOICE))


def _put_choice(page: Page, row: int, title: str, value: Formula | str, choices: str) -> None:
    _put_titles(page, row, title)
    _put_entry(page, row, value, indent=1)
    rule = DataValidation(
        type="list", formula1=choices, allow_blank=False, showErrorMessage=True, errorTitle="Not in the list",
        error=f"Choose one of the list: {title.lower()}.",
    )  # fmt: skip
    rule.add(address(row, ENTRY))
    page.sheet.add_data_validation(rule)


def _put_amount(page: Page, row: int, amount: str, shown: float | str, hint: str) -> None:
    value = Formula(f'IF({amount}>0,{amount},"")', shown)
    _put_entry(page, row, value, number_format="#,##0.######", align="right")
    rule = DataValidation(
        type="decimal", operator="greaterThan", formula1="0", allow_blank=True, showInputMessage=True, promptTitle="Limit", prompt=hint,
        showErrorMessage=True, errorTitle="Not a limit", error="Type a number above 0, or leave the cell empty for no limit.",
    )  # fmt: skip
    rule.add(address(row, ENTRY))
    page.sheet.add_data_validation(rule)


def _put_entry(page: Page, row: int, value: object, **look: Any) -> None:
    """A cell that the reader may change, as wide as two."""
    for column, content in ((ENTRY, value), (ENTRY + 1, None)):
        page.put(row, column, content, fill=styles.INPUT_FILL, box="thin", unlocked=True, **look)
    page.sheet.merge_cells(start_row=row + 1, end_row=row + 1, start_column=ENTRY + 1, end_column=ENTRY + 2)
