"""The leaderboard of each task in the workbook: ranked, with its budget columns."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from reports.columns.accuracy_columns import ACCURACY_COLUMNS, ranking_accuracy
from reports.columns.column import Better, Column, ColumnKind
from reports.columns.leaderboard_columns import LEADERBOARD, columns_for
from reports.excel.budgets import device_cells, limits_and_formulas
from reports.excel.writer.text import sheet_name

COST = next(c for c in LEADERBOARD if c.key == "macs")
SIZE = next(c for c in LEADERBOARD if c.key == "params")
PEAK = next(c for c in LEADERBOARD if c.key == "peak_activation_bytes")
MODEL = LEADERBOARD[0]
CARD = next(c for c in LEADERBOARD if c.kind is ColumnKind.LINK)
ON_FRONTIER = next(c for c in LEADERBOARD if c.kind is ColumnKind.FLAG)

_BY_ACCURACY = "Place by {} within the task; the one with fewer MACs first where equal."
_BY_COST = "Place by MACs, most first, because no accuracy is known in this task. It is no measure of how good a model is."


@dataclass(frozen=True)
class Board:
    """One task: its rows, best first, with rank and budget beside the report's own columns."""

    task: str
    quality: Column | None  # the accuracy it is ranked by; None where none is known
    frame: pd.DataFrame
    sheet: str
    table: str  # name of the Excel table
    latencies: tuple[Column, ...] = ()  # those of which something is known in this task

    @property
    def rank(self) -> Column:
        """The column of ranks, with its meaning here."""
        meaning = _BY_ACCURACY.format(self.quality.title) if self.quality else _BY_COST
        return Column("rank", "Rank", meaning, "computed from this table", ColumnKind.INTEGER, group="Model", width=8)

    @property
    def limited(self) -> tuple[Column, ...]:
        """The columns that can be limited: costs, and the accuracy that the task is ranked by."""
        costs = (*limits_and_formulas.COSTS, *self.latencies)
        return (*costs, self.quality) if self.quality else costs

    @property
    def identity(self) -> tuple[Column, ...]:
        """The columns in which rows of one model differ: the input, and variant and batch where there are several."""
        return tuple(c for c in self.columns if c.key in _APART and c.shown)

    @functools.cached_property
    def columns(self) -> tuple[Column, ...]:
        """Model, rank and shown columns, then the budget, then the details, with the accuracies that no row has."""
        details = device_cells.COLUMNS[1:] if device_cells.LATENCY in self.latencies else ()
        rest = columns_for(self.frame, (*self.latencies, *details))[1:]
        shown = [c for c in rest if c.shown and (c not in ACCURACIES or self.frame[c.key].notna().any())]
        hidden = [dataclasses.replace(c, shown=False) for c in rest if c not in shown]
        return (MODEL, self.rank, *shown, *limits_and_formulas.COLUMNS, *hidden)

    @functools.cached_property
    def frontier(self) -> pd.DataFrame:
        """The rows on the frontier, cheapest first."""
        return self.frame[self.frame[ON_FRONTIER.key].fillna(False).astype(bool)].sort_values(COST.key)


_APART = {"input", "variant", "batch"}
ACCURACIES = tuple(entry.column for entry in ACCURACY_COLUMNS)


def make_boards(
    leaderboard: pd.DataFrame, taken: set[str], latencies: Sequence[Column] = (), on_devices: npt.NDArray[np.bool_] | None = None
) -> list[Board]:
    """A board for each task: those with an accuracy first, the larger first. Their budget columns are not evaluated yet.

    Args:
        leaderboard: of the report.
        taken: names of sheets that there are; those of the boards are added.
        latencies: columns of the leaderboard beside the declared ones.
        on_devices: of each row, whether its latency is known on any device that the reader may choose; None: there is none.
    """
    leaderboard = leaderboard.reset_index(drop=True)
    tasks = leaderboard["task"].fillna("unknown task")
    groups = [(str(task), ranking_accuracy(rows), rows) for task, rows in leaderboard.groupby(tasks, sort=True)]
    groups.sort(key=lambda group: (group[1] is None, -len(group[2])))
    boards = []
    for number, (task, quality, rows) in enumerate(groups):
        known = [column for column in latencies if rows[column.key].notna().any()]
        if on_devices is not None and on_devices[rows.index].any():
            known.append(device_cells.LATENCY)
        sheet = sheet_name(f"Leaderboard {task}" if number else "Leaderboard", taken)
        table = f"Leaderboard{number + 1}" if number else "Leaderboard"
        boards.append(Board(task, quality, _rank_rows(rows, quality), sheet, table, tuple(known)))
    return boards


def _rank_rows(rows: pd.DataFrame, quality: Column | None) -> pd.DataFrame:
    """The rows, best first; rows without accuracy or cost have no rank and come last."""
    keys, ascending = ([quality.key, COST.key], [quality.better is Better.LOW, True]) if quality else ([COST.key], [False])
    ranked = rows.assign(_known=rows[[*keys, COST.key]].notna().all(axis=1))
    by = ["_known", *keys, MODEL.key]
    ranked = ranked.sort_values(by, ascending=[False, *ascending, True], na_position="last", kind="stable", ignore_index=True)
    known = ranked.pop("_known").to_numpy(dtype=bool)
    ranked["rank"] = pd.array(np.where(known, known.cumsum(), 0), dtype="Int64")
    ranked.loc[~known, "rank"] = pd.NA
    return ranked
