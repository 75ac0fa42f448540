"""Where an architecture spends its cost: its multiply-accumulates and memory traffic by class of operation and by stage.

A stage is a module at the first level of the network (`stem`, `layer1`, `head`). Where a numbered list of modules at that level
(`blocks`, `stages`, `features`) holds most of the network, its elements are the stages, if they are few.
"""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from reports.columns.leaderboard_columns import MODEL_KEY
from reports.leaderboard.report import BREAKDOWN, empty_breakdown
from zoo.cache.store import Store, to_pandas

OTHER = "other"
_OUTSIDE = "(top level)"  # operations of the model's own forward
_COUNT = [*MODEL_KEY, "counted_at"]  # one count; an older one of the same may still be in the table
_SUMS = ["macs", "bytes_moved"]
_LARGE = 0.5  # share of macs or traffic from which a list of modules is opened
_FEW = 12  # elements of a list that is opened
_MOST = 14  # stages
_SMALL = 0.005  # share of both below which a stage joins the others


def read_breakdown(store: Store, costs: pd.DataFrame) -> pd.DataFrame:
    """The breakdown of each of these costs: classes of operations the largest first, stages in the order of the network.

    Args:
        store: the cache, whose `ops` table is summed.
        costs: rows of the `costs` table, with its key and `counted_at`.
    """
    calls = _read_calls(store)
    if not len(calls):
        return empty_breakdown()
    operations = _sum_by_part(calls, "kind", costs).sort_values(
        [*_COUNT, *_SUMS], ascending=[True] * len(_COUNT) + [False] * len(_SUMS)
    )
    stages = _join_small(_open_lists(_sum_by_part(calls, "module", costs).sort_values([*_COUNT, "position"])))
    parts = pd.concat([operations.assign(by="operation"), stages.assign(by="stage")], ignore_index=True)
    return parts[list(BREAKDOWN)]


def _read_calls(store: Store) -> pa.Table:
    """All recorded operations, with dictionary-encoded texts and with modules cut to their first two names."""
    calls = store.read("ops", [*_COUNT, "position", "module", "kind", "macs", "bytes_in", "bytes_out"])
    for name in ("zoo", "arch", "input", "variant", "module", "kind"):
        calls = _replace_column(calls, name, calls[name].dictionary_encode())
    calls = _replace_column(calls, "module", _cut_modules(calls["module"].combine_chunks()))
    return calls.append_column("bytes_moved", pc.add(calls["bytes_in"], calls["bytes_out"]))


def _replace_column(table: pa.Table, name: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, values)


def _cut_modules(modules: pa.DictionaryArray) -> pa.Array:
    """`layer1.0.conv1` → `layer1.0`, `head.fc` → `head`: the first name, and the number after it."""
    words = modules.dictionary
    cut = pc.replace_substring_regex(words, r"^([^.]*(?:\.\d+\b)?).*$", r"\1")
    return cut.take(modules.indices).dictionary_encode()


def _sum_by_part(calls: pa.Table, part: str, costs: pd.DataFrame) -> pd.DataFrame:
    """Sums by part for these costs, and the position at which each part starts."""
    sums = calls.group_by([*_COUNT, part]).aggregate([*((name, "sum") for name in _SUMS), ("position", "min")])
    names = {f"{name}_sum": name for name in _SUMS} | {"position_min": "position", part: "part"}
    sums = sums.rename_columns([names.get(name, name) for name in sums.column_names])
    for name in ("zoo", "arch", "input", "variant", "part"):
        sums = _replace_column(sums, name, sums[name].cast(pa.string()))
    return to_pandas(sums).merge(costs[_COUNT], on=_COUNT)


def _open_lists(stages: pd.DataFrame) -> pd.DataFrame:
    """Splits large lists of few elements into one stage per element; other modules are one stage each."""
    first = stages["part"].str.partition(".")[0]
    by_list = stages.assign(first=first).groupby([*_COUNT, "first"], dropna=False, sort=False)
    whole = stages.groupby(_COUNT, dropna=False, sort=False)
    share = pd.concat([by_list[name].transform("sum") / whole[name].transform("sum") for name in _SUMS], axis=1).max(axis=1)
    is_open = (share >= _LARGE) & (by_list["part"].transform("size") <= _FEW)
    return _merge_parts(stages.assign(part=stages["part"].where(is_open, first).replace("", _OUTSIDE)))


def _join_small(stages: pd.DataFrame) -> pd.DataFrame:
    """Joins small stages, and those beyond the maximum number, into one after the others."""
    whole = stages.groupby(_COUNT, dropna=False, sort=False)
    share = pd.concat([stages[name] / whole[name].transform("sum") for name in _SUMS], axis=1).max(axis=1)
    rank = share.groupby([stages[name] for name in _COUNT], dropna=False, sort=False).rank(ascending=False, method="first")
    is_small = (share < _SMALL) | (rank > _MOST)
    last = stages["position"].max() + 1
    return _merge_parts(
        stages.assign(part=stages["part"].mask(is_small, OTHER), position=stages["position"].mask(is_small, last))
    )


def _merge_parts(stages: pd.DataFrame) -> pd.DataFrame:
    """Sums the rows of each part, in the order of the network."""
    grouped = stages.groupby([*_COUNT, "part"], dropna=False, sort=False, as_index=False)
    return grouped.agg(macs=("macs", "sum"), bytes_moved=("bytes_moved", "sum"), position=("position", "min")).sort_values(
        [*_COUNT, "position"]
    )
