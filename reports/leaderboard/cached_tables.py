"""The cache's tables that a leaderboard is made of."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from reports.columns.leaderboard_columns import LEADERBOARD_BY_KEY
from zoo.cache.schema.tables import TABLES
from zoo.cache.store import Store, to_pandas
from zoo.errors import CacheError
from zoo.records import CostKey

COST_KEY = list(CostKey._fields)
COST_COLUMNS = [*COST_KEY, *(name for name in TABLES["costs"].names if name in LEADERBOARD_BY_KEY and name not in COST_KEY)]
WEIGHTS_COLUMNS = [name for name in TABLES["weights"].names if name in LEADERBOARD_BY_KEY]
_LEADERBOARD_NEEDS = {
    "architectures": ["zoo", "arch", "family", "task"],
    "weights": WEIGHTS_COLUMNS,
    "accuracy": ["zoo", "arch", "tag", "dataset", "metric", "input", "value"],
    "unmatched": [],
}
"""Columns of the tables, beside those of the costs, that a leaderboard needs."""


@dataclass(frozen=True)
class CachedTables:
    """Tables of the cache."""

    requested: pd.DataFrame  # keys of the costs that are selected, counted or not
    architectures: pd.DataFrame
    weights: pd.DataFrame
    costs: pd.DataFrame
    accuracy: pd.DataFrame
    unmatched: pd.DataFrame
    zoos_with_results: frozenset[str] = frozenset()  # whether selected or not


def read_all_tables(cache: str) -> CachedTables:
    """What a leaderboard of the whole cache needs.

    Raises:
        CacheError: if the cache holds no counts.
    """
    store = Store(cache)
    costs = store.costs(columns=COST_COLUMNS)
    if costs.empty:
        raise CacheError(f"The cache '{cache}' holds no counts. Name another one, or fill it with: zoometer run CONFIG")
    tables = {name: to_pandas(store.read(name, columns)) for name, columns in _LEADERBOARD_NEEDS.items()}
    return CachedTables(costs[COST_KEY], costs=costs, zoos_with_results=frozenset(tables["accuracy"]["zoo"]), **tables)
