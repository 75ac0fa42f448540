"""A budget in the workbook: its limits, the formulas that hold a model against them, and the same rules in Python.

A spreadsheet recalculates the formulas when a limit is changed. The values written beside them come from the functions here, so
that a viewer which does not calculate (a preview, a mail client, pandas) shows the right thing too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from reports.columns import ACCURACY_COLUMNS, LEADERBOARD, Better, Column, Kind

FITS, OVER, UNKNOWN, NO_LIMIT = "fits", "over", "unknown", "–"
UNLIMITED = 1e300  # what an empty limit counts as: every ratio to it is nothing
SLACK = 0.1  # how far over the budget a model may be to be shown as just over
_LEAST_ACCURACY = 1e-9  # keeps a ratio finite

_WORKBOOK = "computed in this workbook from the sheet Budgets"
OF_BUDGET = Column(
    "of_budget", "Of budget", "Largest share of a limit the model uses; above 100 % it does not fit. For a least accuracy: the limit by the accuracy.",
    _WORKBOOK, Kind.NUMBER, "", 0.01, 0, Better.LOW, "Budget", 10,
)  # fmt: skip
VERDICT = Column(
    "budget", "Budget", "fits: within every limit of the sheet Budgets. over: beyond one. unknown: a limited figure is not known, or nothing was counted.", _WORKBOOK, group="Budget", width=10
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


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit on one column: a most where less is better, a least where more is."""

    column: Column
    example: float | None = None  # the exact value a new workbook starts with

    @property
    def is_least(self) -> bool:
        """Whether the figure has to reach the limit rather than stay under it."""
        return self.column.better is Better.HIGH

    @property
    def name(self) -> str:
        """Name of the cell with the exact limit."""
        return f"limit_{self.column.key}"


_COST = next(c for c in LEADERBOARD if c.key == "macs")  # a row without it was not counted, and fits nothing


def _limit(key: str, example: float | None = None) -> Limit:
    return Limit(next(c for c in LEADERBOARD if c.key == key), example)


LIMITS: tuple[Limit, ...] = (
    _limit("params", 30e6),
    _limit("macs", 5e9),
    _limit("activations"),
    _limit("peak_activation_bytes"),
    _limit("file_bytes"),
    _limit(ACCURACY_COLUMNS[0].column.key),
)
EXAMPLE: dict[str, float] = {limit.column.key: limit.example for limit in LIMITS if limit.example is not None}


def evaluate(table: pd.DataFrame, limits: Mapping[str, float], rules: tuple[Limit, ...]) -> pd.DataFrame:
    """The budget columns for each row: what the formulas of the workbook give for these limits.

    Args:
        table: has the columns the rules speak of.
        limits: exact limit by column key; a missing key is no limit.
        rules: the limits that apply to this table.
    """
    ratios, missing = [], table[_COST.key].isna().to_numpy(dtype=bool)
    for rule in rules:
        values = table[rule.column.key].to_numpy(dtype=np.float64, na_value=np.nan)
        limit = limits.get(rule.column.key)
        ratios.append(np.nan_to_num(_ratio(values, limit, rule), nan=0.0))
        missing = missing | (np.isnan(values) & (limit is not None))
    stacked = np.vstack(ratios)
    load = stacked.max(axis=0)
    verdict = np.where(load > 1, OVER, np.where(missing, UNKNOWN, FITS))
    titles = np.array([rule.column.title for rule in rules])
    binding = np.where(load > 1 / UNLIMITED**0.5, titles[stacked.argmax(axis=0)], NO_LIMIT)
    return pd.DataFrame({OF_BUDGET.key: load, VERDICT.key: verdict, BINDING.key: binding}, index=table.index)


def _ratio(values: npt.NDArray[np.float64], limit: float | None, rule: Limit) -> npt.NDArray[np.float64]:
    if rule.is_least:
        return (limit or 0.0) / np.maximum(values, _LEAST_ACCURACY)
    return values / (UNLIMITED if limit is None else limit)


def formulas(table: str, rules: tuple[Limit, ...]) -> dict[str, str]:
    """The same three columns as formulas of a table's row."""
    ratios = [_ratio_formula(table, rule) for rule in rules]
    cells = {rule: _this_row(table, rule.column) for rule in rules}
    load = _this_row(table, OF_BUDGET)
    limited = {rule: f"{rule.name}>0" if rule.is_least else f"{rule.name}<{UNLIMITED:.0E}" for rule in rules}
    missing = f'{_this_row(table, _COST)}="",' + ",".join(f'AND({cells[rule]}="",{limited[rule]})' for rule in rules)
    binding = f'"{NO_LIMIT}"'
    for rule, ratio in reversed(list(zip(rules, ratios, strict=True))):
        binding = f'IF({ratio}={load},"{rule.column.title}",{binding})'
    return {
        OF_BUDGET.key: f"MAX({','.join(ratios)})",
        VERDICT.key: f'IF({load}>1,"{OVER}",IF(OR({missing}),"{UNKNOWN}","{FITS}"))',
        BINDING.key: f'IF({load}<1E-150,"{NO_LIMIT}",{binding})',
    }


def _ratio_formula(table: str, rule: Limit) -> str:
    cell = _this_row(table, rule.column)
    if rule.is_least:
        return f'IF({cell}="",0,{rule.name}/MAX({cell},{_LEAST_ACCURACY:.0E}))'
    return f"{cell}/{rule.name}"


def _this_row(table: str, column: Column) -> str:
    return f"{table}[[#This Row],[{column.header}]]"


def best_fitting(table: pd.DataFrame, rank: str, most: int) -> list[int]:
    """Ranks of the best models that fit."""
    return _lowest(table.loc[table[VERDICT.key] == FITS, rank], most)


def just_over(table: pd.DataFrame, rank: str, most: int, slack: float = SLACK) -> list[int]:
    """Ranks of the best models that exceed the budget by no more than `slack`."""
    load = table[OF_BUDGET.key]
    return _lowest(table.loc[(load > 1) & (load <= 1 + slack), rank], most)


def _lowest(ranks: pd.Series[int], most: int) -> list[int]:
    return [int(rank) for rank in ranks.dropna().sort_values().head(most)]
