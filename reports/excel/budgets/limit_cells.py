"""The cells of the first sheet that a reader changes: task, device, precision and limits.

The hidden sheet *Limits* has what their formulas read, under defined names:

    tasks, task_names        a row for each task (`TaskColumn`), and the column of their names
    budgets, budget_names    a row for each budget to start from and one for none of them, and the column of their names
    task_choice, start_choice, latency_choice    numbers from 1 of what is chosen
    limit_<column key>       the exact limits
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from openpyxl.utils import quote_sheetname

from reports.columns.column import Column
from reports.excel.budgets import limits_and_formulas
from reports.excel.budgets.device_cells import CHOICE_NAME, LATENCY, NO_DEVICE, DeviceCells, device_number
from reports.excel.budgets.limits_and_formulas import UNLIMITED, StartLimits, is_least, limit_name
from reports.excel.sheets.board import Board
from reports.excel.writer.cells import Formula, address
from reports.excel.writer.sheet import Book
from reports.selection.uses import USES

TASK_ROW, START_ROW, DEVICE_ROW, PRECISION_ROW, ACCURACY_ROW, FIRST_LIMIT = range(5, 11)  # rows and columns from 0
ENTRY = 2  # column of the cells to type in
TASK, START = "task_choice", "start_choice"
TASK_NAMES, BUDGET_NAMES = "task_names", "budget_names"
_EXAMPLE = "About a ResNet-50"
_NO_ACCURACY = "Accuracy: not known, most MACs first"
_BUDGET, DEVICE, PRECISION, OTHERS, FIRST_AMOUNT = range(1, 6)  # columns of `budgets`


class TaskColumn(IntEnum):
    """The columns of `tasks`; those of the limit on accuracy are its title, its unit and its column in `budgets`."""

    NAME, ACCURACY, UNIT, AMOUNT, SHEET, ROWS, HEADER = range(1, 8)


def of_task(column: TaskColumn) -> str:
    """The formula of a column of `tasks` for the chosen task."""
    return f"INDEX(tasks,{TASK},{column})"


def of_budget(column: int | str) -> str:
    """The formula of a column of `budgets` for the chosen budget; the number of the column may be a formula."""
    return f"INDEX(budgets,{START},{column})"


@dataclass(frozen=True)
class LimitCells:
    """The limits of the first sheet.

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

    def entry(self, row: int) -> str:
        """The cell of the first sheet in this row."""
        return f"{quote_sheetname(self.summary)}!{address(row, ENTRY, absolute='both')}"


def make_limits(book: Book, boards: Sequence[Board], devices: DeviceCells | None, summary: str, sheet: str) -> LimitCells:
    """The limits of all leaderboards, with the configured budgets (an example without any) and the common uses to start from."""
    columns = dict.fromkeys(column for board in boards for column in board.limited if column != board.quality)
    ordered = tuple(sorted(columns, key=lambda column: column.group != "Speed"))
    limited = [*ordered, *(board.quality for board in boards if board.quality)]
    configured = {
        answer.name: limits_and_formulas.live_limits(answer, limited, devices.of_budget(answer) if devices else None)
        for answer in book.report.budgets
    }
    named = configured or {_EXAMPLE: StartLimits(dict(limits_and_formulas.EXAMPLE), [])}
    return LimitCells(boards, ordered, {**named, **_limits_of_uses(devices, named)}, devices, summary, sheet)


def _limits_of_uses(devices: DeviceCells | None, named: Container[str]) -> dict[str, StartLimits]:
    """The limits of uses whose latencies are known, except uses with the name of a budget."""
    uses: dict[str, StartLimits] = {}
    for use in (use for use in USES if use.title not in named):
        chosen = devices.of_use(use) if devices else None
        if chosen or not use.device:
            uses[use.title] = StartLimits({**use.limits, **({LATENCY.key: use.latency_ms} if chosen else {})}, [], chosen)
    return uses


def evaluate_boards(cells: LimitCells) -> None:
    """Set the budget columns of each leaderboard to the results of their formulas for the first limits."""
    for board in cells.boards:
        figures = limits_and_formulas.evaluate(board.frame, cells.first_limits, board.limited)
        for column in limits_and_formulas.COLUMNS:
            board.frame[column.key] = figures[column.key]


def limit_title(column: Column) -> str:
    """`MACs, at most`."""
    return f"{column.title}, {'at least' if is_least(column) else 'at most'}"


def accuracy_title(quality: Column | None) -> str:
    """The title of the limit on the accuracy of a task."""
    return limit_title(quality) if quality else _NO_ACCURACY


def shown_amount(live: StartLimits, column: Column | None) -> float | str:
    """A limit in the unit of its cell; empty without a limit."""
    bound = live.limits.get(column.key) if column else None
    return "" if column is None or bound is None else bound / column.scale


def write_hidden_sheet(book: Book, cells: LimitCells) -> None:
    """Write the sheet *Limits*."""
    page = book.add_sheet(cells.sheet, "", is_hidden=True)
    tasks: list[tuple[object, ...]] = []
    for board in cells.boards:
        quality = board.quality
        place = FIRST_AMOUNT + (cells.limited.index(quality) if quality else len(cells.limited))
        unit, header = (quality.unit, quality.header) if quality else ("", "Accuracy")
        tasks.append((board.task, accuracy_title(quality), unit, place, board.sheet, len(board.frame), header))
    budgets: list[tuple[object, ...]] = []
    for name, live in cells.budgets.items():
        run = (live.chosen.device.name, live.chosen.title) if live.chosen else (NO_DEVICE, NO_DEVICE)
        budgets.append((name, *run, live.other_limits or None, *(shown_amount(live, column) or None for column in cells.limited)))
    none = (None, NO_DEVICE, NO_DEVICE)
    heads = ("Budget", "Device", "Precision", "Other limits", *(column.header for column in cells.limited))
    rows = [tuple(column.name.capitalize() for column in TaskColumn), *tasks, (), heads, *budgets, none]
    for row, values in enumerate(rows):
        for place, value in enumerate(values):
            page.put(row, place, value)
    first_budget = len(tasks) + 3
    _define(book, cells, "tasks", (1, 0), (len(tasks), len(TaskColumn) - 1))
    _define(book, cells, TASK_NAMES, (1, 0), (len(tasks), 0))
    _define(book, cells, "budgets", (first_budget, 0), (first_budget + len(budgets), len(heads)))
    _define(book, cells, BUDGET_NAMES, (first_budget, 0), (first_budget + len(budgets) - 1, 0))
    for row, (title, name, formula) in enumerate(
        [*_choice_numbers(cells, first_budget), *_exact_limits(cells)], start=len(rows) + 2
    ):
        page.put(row, 0, title)
        page.put(row, 1, formula)
        _define(book, cells, name, (row, 1), (row, 1))


def _define(book: Book, cells: LimitCells, name: str, first: tuple[int, int], last: tuple[int, int]) -> None:
    corners = dict.fromkeys(address(*place, absolute="both") for place in (first, last))
    book.define(name, cells.sheet, ":".join(corners))


def _choice_numbers(cells: LimitCells, first_budget: int) -> Iterator[tuple[str, str, Formula]]:
    """The numbers of the chosen task, budget and device: title, defined name, formula."""
    yield "Task", TASK, Formula(f"IFERROR(MATCH({cells.entry(TASK_ROW)},{TASK_NAMES},0),1)", 1)
    number = f"SUMPRODUCT(EXACT({BUDGET_NAMES},{cells.entry(START_ROW)})*(ROW({BUDGET_NAMES})-{first_budget}))"
    # The row after the last budget has no limits.
    yield "Budget", START, Formula(f"IF({number}=0,{len(cells.budgets) + 1},{number})", 1)
    if cells.devices:
        chosen = device_number(cells.entry(DEVICE_ROW), cells.entry(PRECISION_ROW))
        yield "Latency", CHOICE_NAME, Formula(chosen, cells.devices.number_of(cells.first.chosen))


def _exact_limits(cells: LimitCells) -> Iterator[tuple[str, str, Formula]]:
    for column in cells.limited:
        none = 0 if is_least(column) else UNLIMITED
        bound = cells.first_limits.get(column.key, none)
        yield column.title, limit_name(column), Formula(_exact_limit_formula(cells, column, f"{none:.0E}"), bound)


def _exact_limit_formula(cells: LimitCells, column: Column, none: str) -> str:
    """The formula of the exact limit on a column; it gives `none` without a limit."""
    if column in cells.columns:
        cell = cells.entry(FIRST_LIMIT + cells.columns.index(column))
        return f"IF(ISNUMBER({cell}),{cell}*{column.scale:.0f},{none})"
    cell = cells.entry(ACCURACY_ROW)
    chosen = ",".join(f"{TASK}={number}" for number, board in enumerate(cells.boards, start=1) if board.quality == column)
    return f"IF(AND(OR({chosen}),ISNUMBER({cell})),{cell}*{column.scale:.0f},{none})"
