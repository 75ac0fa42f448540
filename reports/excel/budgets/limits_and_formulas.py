"""Limits in the workbook: their columns, and the formulas that compare each row of a leaderboard with them.

What fits is decided in `reports.selection.selection`. The formulas repeat its rules and recalculate when a
limit changes. The values written beside them are those of the selection, so that viewers which do not calculate (previews, mail
clients, pandas) show them too; tests compare the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from reports.columns.budget_columns import LATENCY, PEAK
from reports.columns.column import Better, Column, ColumnKind
from reports.columns.leaderboard_columns import LEADERBOARD_BY_KEY
from reports.columns.limits import Limit
from reports.excel.budgets import device_cells
from reports.leaderboard.report import DeviceLatencies
from reports.selection.budget_answer import BudgetAnswer
from reports.selection.selection import State, limit_shares, select_models
from zoo.records import Status

FITS, OVER, UNKNOWN, NO_LIMIT = State.FITS.value, State.OVER.value, State.UNKNOWN.value, "–"
UNLIMITED = 1e300  # the exact limit of an empty cell: every ratio to it is 0
SLACK = 0.1  # how far beyond a limit a model may be to be listed as a near miss
_MOST_LETTERS = 240
_LEAST_QUALITY = 1e-9  # so that ratios are finite

_WORKBOOK = "computed in this workbook from the limits on the first sheet"
OF_BUDGET = Column(
    "of_budget", "Of budget", "Largest share of a limit the model uses; above 100 % it does not fit. For a least accuracy: the limit by the accuracy.",
    _WORKBOOK, ColumnKind.NUMBER, "", 0.01, 0, Better.LOW, "Budget", 10,
)  # fmt: skip
VERDICT = Column(
    "budget", "Budget", "fits: within every limit of the first sheet. over: beyond one. unknown: a limited value is missing.", _WORKBOOK, group="Budget", width=10
)  # fmt: skip
BINDING = Column(
    "binding_limit",
    "Binding limit",
    "The limit the model comes closest to, or exceeds most.",
    _WORKBOOK,
    group="Budget",
    width=15,
)
COLUMNS = (OF_BUDGET, VERDICT, BINDING)

COSTS: tuple[Column, ...] = tuple(
    LEADERBOARD_BY_KEY[key] for key in ("params", "macs", "activations", "peak_activation_bytes", "file_bytes")
)
"""Costs that a reader may limit; the accuracy each task is ranked by is one more."""

EXAMPLE: Mapping[str, float] = {"params": 30e6, "macs": 5e9}
"""The exact limits a workbook starts with where no budget is configured."""


class StartLimits(NamedTuple):
    """The limits of a budget: those that the leaderboards can apply, exact and by column key, and the others as text."""

    limits: dict[str, float]
    others: list[str]
    chosen: DeviceLatencies | None = None  # the device and precision that it is about

    @property
    def other_limits(self) -> str:
        """The other limits as one text."""
        return "; ".join(self.others)[:_MOST_LETTERS]


def is_least(column: Column) -> bool:
    """Whether the limit is a least value rather than a most one."""
    return column.better is Better.HIGH


def limit_name(column: Column) -> str:
    """Name of the cell with the exact limit."""
    return f"limit_{column.key}"


def live_limits(answer: BudgetAnswer, columns: Iterable[Column], chosen: DeviceLatencies | None = None) -> StartLimits:
    """The limits of an answer on these columns of the leaderboards; a limit on latency is one on the chosen device."""
    keys = {column.key: column.key for column in columns}
    if answer.budget.dtype == "float32" and answer.budget.batch in (None, 1):  # as the leaderboard counts it
        keys[PEAK.key] = "peak_activation_bytes"
    if chosen is not None:
        keys[LATENCY.key] = device_cells.LATENCY.key
    live = StartLimits({}, [], chosen)
    for limit, words in zip(answer.selection.limits, answer.limits, strict=True):
        if isinstance(limit, Limit) and limit.column.key in keys and limit.bound > 0:
            live.limits[keys[limit.column.key]] = limit.bound
        else:
            live.others.append(words)
    return live


def evaluate(table: pd.DataFrame, limits: Mapping[str, float], columns: Sequence[Column]) -> pd.DataFrame:
    """The budget columns of each row: the results of the workbook's formulas for these limits.

    Args:
        table: has these columns.
        limits: exact limit by column key; a missing key is no limit.
        columns: those that may be limited in this table.
    """
    applied = [Limit(column, limits[column.key]) for column in columns if column.key in limits]
    verdicts = select_models(table, applied, [LEADERBOARD_BY_KEY["macs"]], most_misses=0).verdicts
    used = np.nan_to_num(limit_shares(table, applied), nan=0.0)
    for row, limit in zip(used, applied, strict=True):
        row[np.isinf(row)] = limit.bound / _LEAST_QUALITY
    load = used.max(axis=0, initial=0.0)
    closest = np.array([limit.title for limit in applied] or [NO_LIMIT], dtype=object)[used.argmax(axis=0) if applied else 0]
    binding = verdicts["binding"].fillna(pd.Series(np.where(load > 0, closest, NO_LIMIT), index=table.index, dtype="string"))
    return pd.DataFrame({OF_BUDGET.key: load, VERDICT.key: verdicts["state"], BINDING.key: binding}, index=table.index)


def formulas(table: str, columns: Sequence[Column]) -> dict[str, str]:
    """The same three columns as formulas of a table's row, and the latency on the chosen device where there is one."""
    ratios = [_ratio_formula(table, column) for column in columns]
    cells = {column: _this_row(table, column) for column in columns}
    load = _this_row(table, OF_BUDGET)
    beyond = ",".join(_is_beyond(cells[column], column) for column in columns)
    unknown = ",".join(f'AND({cells[column]}="",{_is_set(column)})' for column in columns)
    failed = f'{_this_row(table, LEADERBOARD_BY_KEY["status"])}="{Status.FAILED}"'
    binding = f'"{NO_LIMIT}"'
    for column, ratio in reversed(list(zip(columns, ratios, strict=True))):
        binding = f'IF({ratio}={load},"{column.title}",{binding})'
    return {
        **(device_cells.formulas(table) if device_cells.LATENCY in columns else {}),
        OF_BUDGET.key: f"MAX({','.join(ratios)})",
        VERDICT.key: f'IF(OR({beyond}),"{OVER}",IF(OR({failed},{unknown}),"{UNKNOWN}","{FITS}"))',
        BINDING.key: f'IF({load}<1E-150,"{NO_LIMIT}",{binding})',
    }


def _is_beyond(cell: str, column: Column) -> str:
    """Whether a value is known and beyond its limit. The empty text of a formula is above every number."""
    return f'AND({cell}<>"",{cell}{"<" if is_least(column) else ">"}{limit_name(column)})'


def _is_set(column: Column) -> str:
    return f"{limit_name(column)}>0" if is_least(column) else f"{limit_name(column)}<{UNLIMITED:.0E}"


def _ratio_formula(table: str, column: Column) -> str:
    cell, limit = _this_row(table, column), limit_name(column)
    ratio = f"{limit}/MAX({cell},{_LEAST_QUALITY:.0E})" if is_least(column) else f"{cell}/{limit}"
    return f'IF({cell}="",0,{ratio})'


def _this_row(table: str, column: Column) -> str:
    return f"{table}[[#This Row],[{column.header}]]"
