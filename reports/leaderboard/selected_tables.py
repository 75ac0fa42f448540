"""The cache's tables, narrowed to what a configuration selects."""

from __future__ import annotations

from typing import Any

import pandas as pd

from reports.leaderboard.cached_tables import COST_KEY, CachedTables
from zoo.adapters.base import select
from zoo.cache.store import Store, to_pandas
from zoo.errors import CacheError
from zoo.records import CostKey
from zoo.refresh.plan import cost_keys, requested_classes, requested_costs, requested_input
from zoo.settings import RefreshSettings


def read_selected_tables(settings: RefreshSettings) -> CachedTables:
    """The rows of the architectures that the settings select.

    Raises:
        CacheError: if the cache holds none of them.
    """
    store = Store(settings.cache)
    listed = store.architectures()
    by_zoo = {name: [a for a in listed if a.zoo == name] for name in settings.zoos}
    selected = {name: select(of_zoo, settings.zoos[name].selection) for name, of_zoo in by_zoo.items() if of_zoo}
    if not any(selected.values()):
        raise CacheError(f"The cache '{settings.cache}' holds none of the selected models. Fill it with: zoometer run CONFIG")
    results = store.accuracy()
    keys: set[CostKey] = set()
    for name, architectures in selected.items():
        keys.update(requested_costs(architectures, settings.zoos[name], [result for result in results if result.zoo == name]))
    names = pd.DataFrame([(a.zoo, a.name) for group in selected.values() for a in group], columns=["zoo", "arch"], dtype="string")
    costs = store.costs()
    unmatched = to_pandas(store.read("unmatched"))

    def read(name: str) -> pd.DataFrame:
        return _with_configured_axes(to_pandas(store.read(name)).merge(names, on=["zoo", "arch"]), settings)

    return CachedTables(
        requested=_keys_as_table(keys),
        architectures=read("architectures"),
        weights=read("weights"),
        costs=costs[pd.Series([key in keys for key in cost_keys(costs)], dtype=bool)],
        accuracy=read("accuracy"),
        unmatched=unmatched[unmatched["zoo"].isin(list(settings.zoos))],
        zoos_with_results=frozenset(result.zoo for result in results),
    )


def _keys_as_table(keys: set[CostKey]) -> pd.DataFrame:
    table = pd.DataFrame(sorted(keys, key=repr), columns=COST_KEY)
    text = dict.fromkeys(["zoo", "arch", "input", "variant"], "string")
    return table.astype({**text, "classes": "Int64", "batch": "Int64"})


def _with_configured_axes(rows: pd.DataFrame, settings: RefreshSettings) -> pd.DataFrame:
    """Rows with the configured number of classes and input channels instead of those of the weights."""
    zoos = [settings.zoos[zoo] for zoo in rows["zoo"].tolist()]
    changed: dict[str, Any] = {
        "input": pd.array([requested_input(i, zoo) for i, zoo in zip(rows["input"].tolist(), zoos, strict=True)], dtype="string")
    }
    if "classes" in rows:
        heads = [None if classes is pd.NA else classes for classes in rows["classes"].tolist()]
        changed["classes"] = pd.array([requested_classes(h, zoo) for h, zoo in zip(heads, zoos, strict=True)], dtype="Int64")
    return rows.assign(**changed)
