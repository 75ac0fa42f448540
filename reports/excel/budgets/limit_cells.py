"""The cells of the first sheet that a reader changes: task, device, precision and limits.

The hidden sheet *Limits* has what their formulas read: the tasks, the budgets to start from, and the exact limits. Its defined
names are `task_choice` and `start_choice`, the numbers of the chosen task and budget from 1, and `limit_<column key>`.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from enum import IntEnum

from openpyxl.utils import quote_sheetname

from reports.columns.column import Column
from reports.excel.budgets import limits_and_formulas
from reports.excel.budgets.device_cells import CHOICE_NAME, LATENCY, NO_DEVICE, DeviceCells
from reports.excel.budgets.limits_and_formulas import UNLIMITED, StartLimits, is_least, limit_name
from reports.excel.sheets.board import Board
from reports.excel.writer.cells import Formula, address
from reports.excel.writer.page import Page
from reports.excel.writer.sheet import Book
from reports.exports.safe_text import is_formula_like
from reports.selection.uses import USES

TASK_ROW, START_ROW, DEVICE_ROW, PRECISION_ROW, ACCURACY_ROW, FIRST_LIMIT = range(5, 11)  # rows and columns from 0
ENTRY = 2  # column of the cells to type in
TASK, START = "task_choice", "start_choice"
_EXAMPLE = "About a ResNet-50"
_NO_ACCURACY = "Accuracy: not known, most MACs first"
BUDGET, DEVICE, PRECISION, OTHERS, FIRST_AMOUNT = range(5)  # columns of the budgets on the sheet Limits


class TaskColumn(IntEnum):
    """The columns of the tasks on the sheet *Limits*: of the limit on accuracy its title, unit and column among the budgets from 1."""

    NAME, ACCURACY, UNIT, AMOUNT, SHEET, ROWS, HEADER = range(7)


@dataclass(frozen=True)
class LimitCells:
    """The limits of the first sheet, and the ranges of the sheet *Limits*.

    Attributes:
        boards: the leaderboards; the workbook starts with the task of the first one.
        columns: the costs and latencies that can be limited.
        budgets: by name, those to start from; the workbook starts with the first one.
        devices: those that can be chosen; None: no latency is known.
        summary: name of the first sheet.
        sheet: name of the hidden sheet.
    """

    boards: Sequence[Board]
    columns: tuple[Column, ...]
    budgets: dict[str, StartLimits]
    devices: DeviceCells | None
    summary: str
    sheet: str

    @property
    def first(self) -> StartLimits:
        """The budget that the workbook starts with."""
        return next(iter(self.budgets.values()))

    @property
    def qualities(self) -> list[Column]:
        """The accuracies that tasks are ranked by."""
        return list(dict.fromkeys(board.quality for board in self.boards if board.quality))

    @property
    def limited(self) -> list[Column]:
        """Every column that has a limit."""
        return [*self.columns, *self.qualities]

    @property
    def first_limits(self) -> dict[str, float]:
        """The exact limits that the workbook starts with: of the accuracies, that of the chosen task only."""
        chosen = self.boards[0].quality
        others = {quality.key for quality in self.qualities if quality != chosen}
        return {key: bound for key, bound in self.first.limits.items() if key not in others}

    def of_task(self, column: TaskColumn) -> str:
        """What the sheet *Limits* has in a column for the chosen task."""
        return f"INDEX({self._area(1, column, len(self.boards))},{TASK})"

    def of_budget(self, column: int | str) -> str:
        """What it has in a column for the chosen budget; the column may be a formula of its number from 1."""
        if isinstance(column, int):
            return f"INDEX({self._area(self.first_budget, column, len(self.budgets) + 1)},{START})"
        return f"INDEX({self._area(self.first_budget, 0, len(self.budgets) + 1, width=FIRST_AMOUNT + len(self.limited) + 1)},{START},{column})"

    @property
    def tasks(self) -> str:
        """The range of the names of tasks."""
        return self._area(1, 0, len(self.boards))

    @property
    def names(self) -> str:
        """The range of the names of budgets."""
        return self._area(self.first_budget, BUDGET, len(self.budgets))

    @property
    def first_budget(self) -> int:
        """The row of the sheet *Limits* from which it has budgets."""
        return len(self.boards) + 3

    @property
    def first_exact(self) -> int:
        """The row of the sheet *Limits* from which it has numbers of choices, then exact limits."""
        return self.first_budget + len(self.budgets) + 3

    def entry(self, row: int) -> str:
        """The cell of the first sheet in this row."""
        return f"{quote_sheetname(self.summary)}!{address(row, ENTRY, absolute='both')}"

    def _area(self, row: int, column: int, rows: int, *, width: int = 1) -> str:
        first, last = (address(*place, absolute="both") for place in ((row, column), (row + rows - 1, column + width - 1)))
        return f"{quote_sheetname(self.sheet)}!{first}:{last}"


def make_limits(book: Book, boards: Sequence[Board], devices: DeviceCells | None, summary: str, sheet: str) -> LimitCells:
    """The limits that apply to any of the leaderboards, with the configured budgets; where there is none, an example; then common uses."""
    columns = dict.fromkeys(column for board in boards for column in board.limited if column != board.quality)
    ordered = tuple(sorted(columns, key=lambda column: column.group != "Speed"))
    limited = [*ordered, *(board.quality for board in boards if board.quality)]
    configured = {
        answer.name: limits_and_formulas.live_limits(answer, limited, devices.of_budget(answer) if devices else None)
        for answer in book.report.budgets
    }
    named = configured or {_EXAMPLE: StartLimits(dict(limits_and_formulas.EXAMPLE), [])}
    return LimitCells(boards, ordered, {**named, **_uses(devices, named)}, devices, summary, sheet)


def _uses(devices: DeviceCells | None, named: Container[str]) -> dict[str, StartLimits]:
    """The uses whose latencies are known, apart from those with the name of a budget."""
    uses: dict[str, StartLimits] = {}
    for use in (use for use in USES if use.title not in named):
        chosen = devices.of_use(use) if devices else None
        if chosen or not use.device:
            uses[use.title] = StartLimits({**use.limits, **({LATENCY.key: use.latency_ms} if chosen else {})}, [], chosen)
    return uses


def evaluate_boards(cells: LimitCells) -> None:
    """Fill the columns of the budget of each leaderboard with what the formulas will give for the limits of the start."""
    for board in cells.boards:
        figures = limits_and_formulas.evaluate(board.frame, cells.first_limits, board.limited)
        for column in limits_and_formulas.COLUMNS:
            board.frame[column.key] = figures[column.key]


def limit_title(column: Column) -> str:
    """`MACs, at most`."""
    return f"{column.title}, {'at least' if is_least(column) else 'at most'}"


def accuracy_title(quality: Column | None) -> str:
    """What the limit on the accuracy of a task is called."""
    return limit_title(quality) if quality else _NO_ACCURACY


def shown_amount(live: StartLimits, column: Column | None) -> float | str:
    """A limit in the unit that readers type it in; empty where there is none."""
    bound = live.limits.get(column.key) if column else None
    return "" if column is None or bound is None else bound / column.scale


def write_hidden_sheet(book: Book, cells: LimitCells) -> None:
    """Write the sheet *Limits*."""
    page, plain = book.add_sheet(cells.sheet, "", is_hidden=True), book.looks.get()
    rows: list[tuple[object, ...]] = [tuple(column.name.capitalize() for column in TaskColumn)]
    for board in cells.boards:
        quality = board.quality
        place = 1 + FIRST_AMOUNT + (cells.limited.index(quality) if quality else len(cells.limited))
        unit = quality.unit if quality else ""
        header = quality.header if quality else "Accuracy"
        rows.append((board.task, accuracy_title(quality), unit, place, board.sheet, len(board.frame), header))
    rows += [(), ("Budget", "Device", "Precision", "Other limits", *(column.header for column in cells.limited))]
    for name, live in cells.budgets.items():
        run = (live.chosen.device.name, live.chosen.title) if live.chosen else (NO_DEVICE, NO_DEVICE)
        rows.append((name, *run, live.other_limits or None, *(shown_amount(live, column) or None for column in cells.limited)))
    rows.append((None, NO_DEVICE, NO_DEVICE))  # where none of them is chosen
    for row, values in enumerate(rows):
        for place, value in enumerate(values):
            page.put(row, place, value, book.looks.get(quoted=is_formula_like(str(value))))
    _write_numbers(book, page, cells)
    for row, column in enumerate(cells.limited, start=cells.first_exact + 3):
        none = 0 if is_least(column) else UNLIMITED
        bound = cells.first_limits.get(column.key)
        page.put(row, 0, column.title, plain)
        formula = _exact(cells, column, f"{none:.0E}")
        page.put(row, 1, Formula(formula, none if bound is None else bound), plain)
        book.define(limit_name(column), cells.sheet, address(row, 1, absolute="both"))


def _write_numbers(book: Book, page: Page, cells: LimitCells) -> None:
    """The numbers of what is chosen."""
    first = cells.first_budget
    numbered = f"SUMPRODUCT(EXACT({cells.names},{cells.entry(START_ROW)})*(ROW({cells.names})-{first}))"
    numbers = [
        ("Task", TASK, Formula(f"IFERROR(MATCH({cells.entry(TASK_ROW)},{cells.tasks},0),1)", 1)),
        # The row after the last budget has no limits.
        ("Budget", START, Formula(f"IF({numbered}=0,{len(cells.budgets) + 1},{numbered})", 1)),
    ]
    if cells.devices:
        number = cells.devices.number(cells.entry(DEVICE_ROW), cells.entry(PRECISION_ROW))
        numbers.append(("Latency", CHOICE_NAME, Formula(number, cells.devices.number_of(cells.first.chosen))))
    for row, (title, name, formula) in enumerate(numbers, start=cells.first_exact):
        page.put(row, 0, title, book.looks.get())
        page.put(row, 1, formula, book.looks.get())
        book.define(name, cells.sheet, address(row, 1, absolute="both"))


def _exact(cells: LimitCells, column: Column, none: str) -> str:
    """The exact limit on a column, or what stands for no limit."""
    if column in cells.columns:
        cell = cells.entry(FIRST_LIMIT + cells.columns.index(column))
        return f"IF(ISNUMBER({cell}),{cell}*{column.scale:.0f},{none})"
    cell = cells.entry(ACCURACY_ROW)
    chosen = ",".join(f"{TASK}={number}" for number, board in enumerate(cells.boards, start=1) if board.quality == column)
    return f"IF(AND(OR({chosen}),ISNUMBER({cell})),{cell}*{column.scale:.0f},{none})"
