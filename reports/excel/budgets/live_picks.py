"""The best models of the chosen task within the limits of the first sheet, as formulas that a spreadsheet recalculates."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from reports.columns.column import Column
from reports.excel.budgets.device_cells import LATENCY_IS
from reports.excel.budgets.entry_cells import message
from reports.excel.budgets.limit_cells import TASK, LimitCells, TaskColumn, of_task
from reports.excel.budgets.limits_and_formulas import BINDING, FITS, OF_BUDGET, SLACK, VERDICT
from reports.excel.sheets.board import COST, MODEL, PEAK, SIZE, Board
from reports.excel.writer import styles
from reports.excel.writer.cells import Formula, address
from reports.excel.writer.page import Page
from reports.excel.writer.sheet import as_cells
from reports.excel.writer.styles import number_format

BEST, NEAR = 10, 3
_LABELS = ("Pick", "Runner-up")
_LINE: dict[str, Any] = {"bottom": "dotted"}
_MODEL = 1  # column of names; the column before it has the role: pick, runner-up, rank
_FindColumn = Callable[[Board], Column | None]  # a figure's column in a leaderboard


@dataclass(frozen=True)
class _Picks:
    """The sheet of the picks, and the columns of the leaderboards that they are looked up in."""

    page: Page
    cells: LimitCells

    @functools.cached_property
    def columns(self) -> list[tuple[Column, _FindColumn]]:
        """The columns of a model after its name, each with a function that gives it for the leaderboard of a task."""
        boards = self.cells.boards
        shown = list(dict.fromkeys(column for board in boards for column in board.identity))
        latencies = list(dict.fromkeys(column for board in boards for column in board.latencies))
        costs = [*latencies, SIZE, COST, PEAK, OF_BUDGET, BINDING]
        quality = [(self.cells.qualities[0], lambda board: board.quality)] if self.cells.qualities else []
        rank = boards[0].rank
        return [*map(_same_in_each_task, shown), *quality, *map(_same_in_each_task, costs), (rank, lambda board: board.rank)]

    @property
    def rank_place(self) -> int:
        """The column of ranks."""
        return _MODEL + len(self.columns)

    @functools.cached_property
    def by_rank(self) -> pd.DataFrame:
        """The ranked rows of the first leaderboard under their rank."""
        board = self.cells.boards[0]
        return board.frame[board.frame[board.rank.key].notna()].set_index(board.rank.key, drop=False)

    def range(self, find: _FindColumn) -> str:
        """A column of the leaderboard of the chosen task, as formulas call it."""
        columns = [(board, find(board)) for board in self.cells.boards]
        areas = [f"{board.table}[{column.header}]" if column else '""' for board, column in columns]
        return f"CHOOSE({TASK},{','.join(areas)})"


def _same_in_each_task(column: Column) -> tuple[Column, _FindColumn]:
    return column, lambda board: column if column in board.columns else None


def write_live_picks(page: Page, cells: LimitCells, row: int) -> int:
    """Write the picks from this row on and return the row after them."""
    picks, first = _Picks(page, cells), cells.boards[0]
    verdicts, loads = picks.range(lambda _: VERDICT), picks.range(lambda _: OF_BUDGET)
    fitting, rows = int((first.frame[VERDICT.key] == FITS).sum()), len(first.frame)
    page.put(row, 0, Formula(f'COUNTIF({verdicts},"{FITS}")', fitting), number_format="#,##0", bold=True)
    text = " rows of this task are within the limits, the best first. Models with missing values never satisfy a limit."
    counted = Formula(f'"of "&FIXED({of_task(TaskColumn.ROWS)},0)&"{text}"', f"of {rows:,}{text}")
    page.put(row, 1, counted, colour=styles.GREY)
    best = _lowest_ranks(first, first.frame[VERDICT.key] == FITS, BEST)
    page.put(row + 1, 1, _picks_message(picks, row + 3, best), colour=styles.WARNING_INK)
    row = _write_picks_head(picks, row + 2)
    row = _write_picks_block(picks, row, f'{verdicts},"{FITS}"', best, [*_LABELS, *map(str, range(3, BEST + 1))])
    page.put(row, 1, f"Beyond a limit by at most {SLACK:.0%}", bold=True, indent=1)
    near = _lowest_ranks(first, first.frame[OF_BUDGET.key].between(1, 1 + SLACK, inclusive="right"), NEAR)
    return _write_picks_block(picks, row + 1, f'{loads},">1",{loads},"<="&{1 + SLACK}', near, [""] * NEAR)


def _lowest_ranks(board: Board, is_listed: pd.Series[bool], most: int) -> list[int]:
    return [int(rank) for rank in board.frame.loc[is_listed, board.rank.key].dropna().sort_values().head(most)]


def _picks_message(picks: _Picks, row: int, best: list[int]) -> Formula:
    """What the reader should do or know, then the origin of the latency of the pick in this row."""
    origin = _model_figure(picks, _same_in_each_task(LATENCY_IS)[1], address(row, picks.rank_place), best[0] if best else 0)
    notice, title = message(picks.cells), "Latency of the pick: "
    # A formula has at most 8,192 characters, so the long one is in it once.
    text = f'{notice.text}&SUBSTITUTE("{title}"&{origin.text}&".","{title}.","")'
    return Formula(text, f"{notice.value}{title}{origin.value}." if origin.value else notice.value)


def _write_picks_head(picks: _Picks, row: int) -> int:
    page, looks = picks.page, picks.page.looks
    page.heights[row] = 31
    page.put(row, 0, None, looks.header(MODEL))
    page.put(row, _MODEL, MODEL.header, looks.header(MODEL))
    for place, (column, _) in enumerate(picks.columns, start=_MODEL + 1):
        title: object = column.header
        if column in picks.cells.qualities:
            title = Formula(of_task(TaskColumn.HEADER), column.header)
        page.put(row, place, title, looks.header(column))
    return row + 1


def _write_picks_block(picks: _Picks, row: int, criteria: str, ranks: list[int], labels: list[str]) -> int:
    """Write a row for each label: the best rank after that of the row above that meets the criteria; empty without one."""
    all_ranks = picks.range(lambda board: board.rank)
    for number, label in enumerate(labels):
        look = {**_LINE, "bold": label == _LABELS[0], "fill": styles.PALE if label == _LABELS[0] else ""}
        here, above = (address(line, picks.rank_place, absolute="column") for line in (row, row - 1))
        lowest = f'_xlfn.MINIFS({all_ranks},{criteria},{all_ranks},">"&{above if number else 0})'
        rank = ranks[number] if number < len(ranks) else 0
        page = picks.page
        page.put(row, 0, label or None, align="left", **look)
        lowest = f"IF({above}=0,0,{lowest})" if number else lowest
        page.put(row, picks.rank_place, Formula(lowest, rank), number_format="0;;", **look)
        model = as_cells(picks.by_rank.loc[[rank], MODEL.key])[0] if rank else ""
        page.put(row, _MODEL, Formula(_model_link(picks, here), model), indent=1, colour=styles.ACCENT, **look)
        for place, (column, find) in enumerate(picks.columns[:-1], start=_MODEL + 1):
            form = {"number_format": number_format(column)} if column.is_figure else {"indent": 1}
            page.put(row, place, _model_figure(picks, find, here, rank), **form, **look)
        row += 1
    return row


def _position_of_rank(picks: _Picks, rank: str) -> str:
    return f"MATCH({rank},{picks.range(lambda board: board.rank)},0)"


def _model_figure(picks: _Picks, find: _FindColumn, cell: str, rank: int) -> Formula:
    """The figure of the model with the rank in a cell, which is at first `rank`; empty where it is unknown."""
    column = find(picks.cells.boards[0]) if rank else None
    value = as_cells(picks.by_rank.loc[[rank], column.key])[0] if column else None
    figure = f"INDEX({picks.range(find)},{_position_of_rank(picks, cell)})"
    return Formula(f'IF({cell}=0,"",IFERROR(IF({figure}="","",{figure}),""))', "" if value is None else value)


def _model_link(picks: _Picks, rank: str) -> str:
    """The formula of a model's name, a link to its row of the leaderboard."""
    position = _position_of_rank(picks, rank)
    name = f"INDEX({picks.range(lambda _: MODEL)},{position})"
    return f'IF({rank}=0,"",HYPERLINK("#\'"&{of_task(TaskColumn.SHEET)}&"\'!A"&({position}+1),{name}))'
