"""The best models within the limits of the sheet *Budgets*, task by task, as formulas that a spreadsheet recalculates."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import pandas as pd

from reports.columns.column import Column
from reports.excel.budgets import limits_and_formulas
from reports.excel.budgets.limits_and_formulas import BINDING, OF_BUDGET, VERDICT
from reports.excel.sheets.board import MODEL, Board
from reports.excel.writer import styles
from reports.excel.writer.cells import Formula, address
from reports.excel.writer.page import Page
from reports.excel.writer.sheet import Book, as_cells
from reports.excel.writer.styles import number_format

SLACK_NAME = "budget_slack"
BEST, NEAR = 10, 5
_LINE: dict[str, Any] = {"bottom": "dotted"}
_PLACE = 0  # column of ranks; the model stands beside it


@dataclass(frozen=True)
class _Picks:
    """Where one task's picks are written, and the ranges of its leaderboard they are looked up in."""

    book: Book
    page: Page
    board: Board

    @functools.cached_property
    def columns(self) -> list[Column]:
        """What is shown of a model beside its rank."""
        return [MODEL, *self.board.identity, *self.board.limited, OF_BUDGET, BINDING]

    @functools.cached_property
    def by_rank(self) -> pd.DataFrame:
        """The leaderboard's ranked rows under their rank."""
        rank = self.board.rank.key
        return self.board.frame[self.board.frame[rank].notna()].set_index(rank)

    def range(self, column: Column) -> str:
        """A column of the leaderboard, as formulas call it."""
        return f"{self.board.table}[{column.header}]"


def write_live_picks(book: Book, page: Page, board: Board, row: int) -> int:
    """One task's picks from this row on; the row after them is returned."""
    picks = _Picks(book, page, board)
    verdicts, loads = picks.range(VERDICT), picks.range(OF_BUDGET)
    by_cost = "most MACs first, because no accuracy is known: MACs say nothing about how good a model is"
    order = f"best {board.quality.title} first" if board.quality else by_cost
    section = book.looks.get(bold=True, size=12, colour=styles.ACCENT)
    page.put(row, 0, f"{board.sheet}: what fits, {order}", section)
    number = book.looks.get(number_format="#,##0", align="left", bold=True)
    fitting = int((board.frame[VERDICT.key] == limits_and_formulas.FITS).sum())
    page.put(row + 1, 0, Formula(f'COUNTIF({verdicts},"{limits_and_formulas.FITS}")', fitting), number)
    of_all = f"of {len(board.frame):,} rows fit. Unknown figures under a limit do not."
    page.put(row + 1, 1, of_all, book.looks.get(colour=styles.GREY))
    row = _write_head(picks, row + 2)
    best = limits_and_formulas.best_fitting(board.frame, board.rank.key, BEST)
    row = _write_block(picks, row, f'{verdicts},"{limits_and_formulas.FITS}"', best, BEST) + 1
    page.put(row, 1, "Just over the budget, with the limit that binds", book.looks.get(bold=True, indent=1))
    near = limits_and_formulas.just_over(board.frame, board.rank.key, NEAR)
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
