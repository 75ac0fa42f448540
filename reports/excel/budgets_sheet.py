"""The sheet *Budgets*: limits to type in, and the best models within them, which a spreadsheet recalculates by itself."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import pandas as pd
from openpyxl.utils import quote_sheetname
from openpyxl.workbook.defined_name import DefinedName
from openpyxl.worksheet.datavalidation import DataValidation

from reports.columns import LEADERBOARD, Column
from reports.excel import budget, styles
from reports.excel.board import MODEL, Board
from reports.excel.budget import BINDING, LIMITS, OF_BUDGET, SLACK, UNLIMITED, VERDICT, Limit
from reports.excel.cells import Formula, address
from reports.excel.page import Page
from reports.excel.sheet import Book, as_cells
from reports.excel.styles import number_format
from reports.excel.text import sheet_name

FIRST_LIMIT = 5  # row of the first limit, from 0
SLACK_ROW = FIRST_LIMIT + len(LIMITS)
SLACK_NAME = "budget_slack"
BEST, NEAR = 10, 5
_INPUT = next(c for c in LEADERBOARD if c.key == "input")
_EXPLANATION = (
    "Type your limits into the yellow cells, in the unit beside them; leave a cell empty for no limit. Everything below recalculates,",
    f"and so do the columns {OF_BUDGET.title}, {VERDICT.title} and {BINDING.title} of the leaderboards. The limits to begin with are an example near a ResNet-50.",
)
_LINE: dict[str, Any] = {"bottom": "dotted"}
_PLACE = 0  # column of ranks; the model stands beside it


def write_budgets(book: Book, boards: list[Board]) -> str:
    """Write the sheet; its name is returned."""
    name = sheet_name("Budgets", book.taken)
    page = book.add_sheet(name, "Type limits into the yellow cells: fits, picks and near misses recalculate.", colour=styles.GOOD)
    page.set_width(_PLACE, _PLACE, 8)
    page.set_width(1, 1, 52)
    page.set_width(2, 12, 13)
    page.put(0, 0, "Budgets", book.looks.get(bold=True, size=16))
    for row, line in enumerate(_EXPLANATION, start=1):
        page.put(row, 0, line, book.looks.get(colour=styles.GREY))
    _write_limits(book, page, name, boards[0])
    row = SLACK_ROW + 2
    for board in boards:
        row = _write_picks(_Picks(book, page, board), row) + 1
    page.print_on(row - 1, 4 + len(LIMITS))
    selection = page.sheet.sheet_view.selection[0]
    selection.activeCell = selection.sqref = address(FIRST_LIMIT, 2)
    return name


def _write_limits(book: Book, page: Page, name: str, board: Board) -> None:
    head = book.looks.get(bold=True, bottom="thin", indent=1)
    right = book.looks.get(bold=True, bottom="thin", align="right")
    for place, (text, form) in enumerate(
        [("Limit", head), ("At most", right), ("Unit", head), ("Exact", right), ("Known for", right)], start=1
    ):
        page.put(FIRST_LIMIT - 1, place, text, form)
    for row, rule in enumerate(LIMITS, start=FIRST_LIMIT):
        _write_limit(book, page, name, row, rule)
        known = int(board.frame[rule.column.key].notna().sum())
        page.put(row, 5, f"{known:,} of {len(board.frame):,}", book.looks.get(align="right", colour=styles.GREY))
    page.put(SLACK_ROW, 1, "Just over: beyond a limit by at most", book.looks.get(indent=1))
    page.put(SLACK_ROW, 2, SLACK, _entry(book, number_format="0%"))
    _define(book, SLACK_NAME, name, SLACK_ROW, 2)
    _accept(page, SLACK_ROW, "How far beyond a limit a model may be to be listed as just over: 10% or 0.1.")


def _write_limit(book: Book, page: Page, name: str, row: int, rule: Limit) -> None:
    """One limit: the cell to type into, and beside it the exact value that formulas use, which means no limit where it is empty."""
    column, cell, none = rule.column, address(row, 2), 0 if rule.is_least else UNLIMITED
    page.put(row, 1, f"{column.title}, at least" if rule.is_least else column.title, book.looks.get(indent=1))
    if rule.example is None:
        page.put(row, 2, None, _entry(book))
    else:
        page.put(row, 2, rule.example / column.scale, _entry(book))
    page.put(row, 3, column.unit, book.looks.get(indent=1))
    shown = '0.00;;"no limit"' if rule.is_least else '[>=1E+299]"no limit";#,##0'
    exact = book.looks.get(colour=styles.GREY, align="right", number_format=shown)
    formula = f"IF(ISNUMBER({cell}),{cell}*{column.scale:.0f},{none:.0E})"
    page.put(row, 4, Formula(formula, none if rule.example is None else rule.example), exact)
    _define(book, rule.name, name, row, 4)
    _accept(page, row, f"{'Least' if rule.is_least else 'Most'} {column.title} in {column.unit}. Empty: no limit.")


def _entry(book: Book, **look: Any) -> int:
    """A cell the reader may change."""
    return book.looks.get(fill=styles.INPUT_FILL, box="thin", unlocked=True, **look)


def _define(book: Book, cell_name: str, sheet: str, row: int, column: int) -> None:
    place = f"{quote_sheetname(sheet)}!{address(row, column, absolute='both')}"
    book.workbook.defined_names[cell_name] = DefinedName(cell_name, attr_text=place)


def _accept(page: Page, row: int, hint: str) -> None:
    rule = DataValidation(
        type="decimal", operator="greaterThan", formula1="0", allow_blank=True, showInputMessage=True, promptTitle="Limit", prompt=hint,
        showErrorMessage=True, errorTitle="Not a limit", error="Type a number above 0, or leave the cell empty for no limit.",
    )  # fmt: skip
    rule.add(address(row, 2))
    page.sheet.add_data_validation(rule)


@dataclass(frozen=True)
class _Picks:
    """Where one task's picks are written, and the ranges of its leaderboard they are looked up in."""

    book: Book
    page: Page
    board: Board

    @functools.cached_property
    def columns(self) -> list[Column]:
        """What is shown of a model, beside its rank."""
        return [MODEL, _INPUT, *(rule.column for rule in self.board.rules), OF_BUDGET, BINDING]

    @functools.cached_property
    def by_rank(self) -> pd.DataFrame:
        """The leaderboard's ranked rows under their rank."""
        rank = self.board.rank.key
        return self.board.frame[self.board.frame[rank].notna()].set_index(rank)

    def range(self, column: Column) -> str:
        """A column of the leaderboard, as formulas call it."""
        return f"{self.board.table}[{column.header}]"


def _write_picks(picks: _Picks, row: int) -> int:
    """One task's picks from this row on; the row after them is returned."""
    book, page, board = picks.book, picks.page, picks.board
    verdicts, loads = picks.range(VERDICT), picks.range(OF_BUDGET)
    by_cost = "most MACs first, because no accuracy is known: MACs say nothing about how good a model is"
    order = f"best {board.quality.title} first" if board.quality else by_cost
    section = book.looks.get(bold=True, size=12, colour=styles.ACCENT)
    page.put(row, 0, f"{board.sheet}: what fits, {order}", section)
    number = book.looks.get(number_format="#,##0", align="left", bold=True)
    fitting = int((board.frame[VERDICT.key] == budget.FITS).sum())
    page.put(row + 1, 0, Formula(f'COUNTIF({verdicts},"{budget.FITS}")', fitting), number)
    of_all = f"of {len(board.frame):,} rows fit. Unknown figures under a limit do not."
    page.put(row + 1, 1, of_all, book.looks.get(colour=styles.GREY))
    row = _write_head(picks, row + 2)
    best = budget.best_fitting(board.frame, board.rank.key, BEST)
    row = _write_block(picks, row, f'{verdicts},"{budget.FITS}"', best, BEST) + 1
    page.put(row, 1, "Just over the budget, with the limit that binds", book.looks.get(bold=True, indent=1))
    near = budget.just_over(board.frame, board.rank.key, NEAR)
    return _write_block(picks, row + 1, f'{loads},">1",{loads},"<="&(1+{SLACK_NAME})', near, NEAR)


def _write_head(picks: _Picks, row: int) -> int:
    picks.page.heights[row] = 31
    for place, column in enumerate([picks.board.rank, *picks.columns]):
        picks.page.put(row, place, column.header, picks.book.looks.header(column))
    return row + 1


def _write_block(picks: _Picks, row: int, criteria: str, ranks: list[int], most: int) -> int:
    """`most` rows, each the best rank after the row above's that meets the criteria; 0 where there is none, shown as nothing."""
    all_ranks = picks.range(picks.board.rank)
    for number in range(most):
        here, above = (address(line, _PLACE, absolute="column") for line in (row, row - 1))
        lowest = f'_xlfn.MINIFS({all_ranks},{criteria},{all_ranks},">"&{above if number else 0})'
        formula = f"IF({above}=0,0,{lowest})" if number else lowest
        rank = ranks[number] if number < len(ranks) else 0
        form = picks.book.looks.get(number_format="0;;" if number else '0;;"–"', **_LINE)
        picks.page.put(row, _PLACE, Formula(formula, rank), form)
        for place, column in enumerate(picks.columns, start=1):
            value = as_cells(picks.by_rank.loc[[rank], column.key])[0] if rank else None
            shown = Formula(_look_up(picks, column, here), "" if value is None else value)
            picks.page.put(row, place, shown, _pick_style(picks, column))
        row += 1
    return row


def _look_up(picks: _Picks, column: Column, rank: str) -> str:
    """The formula that finds a figure by rank, empty where it is unknown; a model's name leads to its row."""
    position = f"MATCH({rank},{picks.range(picks.board.rank)},0)"
    found = f"INDEX({picks.range(column)},{position})"
    if column == MODEL:
        return f'IF({rank}=0,"",HYPERLINK("#\'{picks.board.sheet}\'!A"&({position}+1),{found}))'
    return f'IF({rank}=0,"",IF({found}="","",{found}))'


def _pick_style(picks: _Picks, column: Column) -> int:
    if column == MODEL:
        return picks.book.looks.link(indent=1, **_LINE)
    return picks.book.looks.get(**({"number_format": number_format(column)} if column.is_figure else {"indent": 1}), **_LINE)
