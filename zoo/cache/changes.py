"""Differences between two runs, with their likely causes: counts are deterministic, so every change has a cause."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa

from zoo.cache.run_facts import end_in, newest_rows, planned_keys, read_plan
from zoo.cache.runs import LATEST, RunRecord, find_run
from zoo.cache.schema.tables import KEY, TABLES
from zoo.cache.store import Store, key_tuples, to_pandas
from zoo.jobs import is_unsupported
from zoo.records import Status


class ChangeKind(enum.StrEnum):
    """How a key changed."""

    ADDED = "added"  # had no value before
    REMOVED = "removed"  # is no longer planned by the same configuration
    CHANGED = "changed"  # has another figure or status; one row for each figure
    FAILED = "failed"  # cannot be counted any more, or could not from the start
    RECOVERED = "recovered"  # could not be counted before
    NOT_COMPARED = "not compared"  # one of the runs did not plan it, or did not reach it


FIGURES = tuple(
    field.name for field in TABLES["costs"] if field.type == pa.int64() and field.name not in (*KEY, "flops", "batch", "classes")
)
"""Figures that are compared; `flops` is not one of them, because it is always twice `macs`."""

COLUMNS: Mapping[str, Any] = {
    "kind": "string",
    **{column: "Int64" if column in ("classes", "batch") else "string" for column in KEY},
    "figure": "string",
    "old": "Int64",
    "new": "Int64",
    "old_status": "string",
    "new_status": "string",
    "cause": "string",
}
"""Columns of `Changes.rows` and their types.

`figure`, `old` and `new` describe a changed figure; `figure` is `status` if a cost became a bound or the reverse. `cause` names the
versions that differ, the reason why a value is missing, or the reason of a failure.
"""

_VERSIONS = {"library_version": None, "counter_version": "counter", "torch_version": "torch", "fingerprint": "source"}
"""Columns with the versions that a value depends on, and their names in a cause; a library has the name of its zoo."""

_COMPARED = [*KEY, "status", "reason", *FIGURES, *_VERSIONS, "run", "counted_at"]

_Key = tuple[Any, ...]
_Value = Mapping[Any, Any]


@dataclass(frozen=True)
class Changes:
    """The differences between two runs."""

    before: RunRecord | None  # None: the cache was empty before
    after: RunRecord
    rows: pd.DataFrame  # COLUMNS, ordered by kind and key
    unchanged: int  # keys with the same value in both
    failing: int  # keys of the later run that cannot be counted, without unsupported inputs

    def count(self, kind: ChangeKind) -> int:
        """How many keys of a kind there are."""
        return len(self.rows[self.rows["kind"] == kind].drop_duplicates(list(KEY)))

    def counts(self) -> dict[str, int]:
        """How many keys of each kind there are, and how many are unchanged."""
        return {kind.value.replace(" ", "_"): self.count(kind) for kind in ChangeKind} | {"unchanged": self.unchanged}


def changes_between(store: Store, before: str | None = None, after: str | None = None) -> Changes:
    """The differences between two runs; by default between the last run and the run of the same configuration before it.

    Raises:
        UnknownNameError: if there is no such run.
    """
    runs = store.runs()
    later = find_run(runs, after or LATEST)
    earlier = find_run(runs, before) if before else previous_run(runs, later)
    if earlier and earlier.started_at > later.started_at:
        earlier, later = later, earlier
    return compare(store, earlier, later)


def previous_run(runs: Iterable[RunRecord], run: RunRecord) -> RunRecord | None:
    """The last run before this one of the same configuration, without --only."""
    earlier = [r for r in runs if r.started_at < run.started_at and r.config == run.config and not r.only and r.run != run.run]
    return earlier[-1] if earlier else None


def compare(store: Store, before: RunRecord | None, after: RunRecord) -> Changes:
    """The differences between two runs; without the first, everything is new."""
    history = to_pandas(store.read("costs", _COMPARED))
    counted_at = history["counted_at"]
    old = newest_rows(history[counted_at <= end_in(history, before) if before else counted_at < after.started_at])
    new = newest_rows(history[counted_at <= end_in(history, after)])
    planned = planned_keys(read_plan(store, after), new)
    times = planned.merge(old[[*KEY, "counted_at"]], how="left", on=list(KEY)).merge(
        new[[*KEY, "counted_at"]], how="left", on=list(KEY), suffixes=("_old", "_new")
    )
    differing = times[~(times["counted_at_old"] == times["counted_at_new"]).fillna(False)]
    old_values, new_values = _values_by_key(old, differing), _values_by_key(new, differing)
    changes = {key: _compare_values(old_values.get(key), new_values.get(key)) for key in key_tuples(differing, KEY)}
    unchanged = len(times) - sum(map(bool, changes.values()))
    if before and before.plan:
        both = planned_keys(read_plan(store, before), old).merge(planned, how="left", on=list(KEY), indicator=True)
        missing = both[both["_merge"] == "left_only"]
        old_values = _values_by_key(old, missing)
        changes |= {key: [_describe_removal(before, after, old_values.get(key))] for key in key_tuples(missing, KEY)}
    rows = [{**dict(zip(KEY, key, strict=True)), **change} for key, of_key in changes.items() for change in of_key]
    return Changes(before, after, _to_frame(rows), unchanged, _count_failing(planned.merge(new, on=list(KEY))))


def _values_by_key(rows: pd.DataFrame, keys: pd.DataFrame) -> dict[_Key, _Value]:
    """The rows that have one of the keys, with None for missing values."""
    matching = rows.merge(keys[list(KEY)], on=list(KEY)).astype(object)
    records = matching.where(matching.notna(), None).to_dict("records")
    return {tuple(row[name] for name in KEY): row for row in records}


def _count_failing(rows: pd.DataFrame) -> int:
    failed = rows[rows["status"] == Status.FAILED]
    return sum(
        not is_unsupported(status, reason) for status, reason in zip(failed["status"], failed["reason"].fillna(""), strict=True)
    )


def _compare_values(old: _Value | None, new: _Value | None) -> list[dict[str, Any]]:
    """The changes of one key: one for each figure that differs, or one that says what happened to the key."""
    statuses = _statuses(old, new)
    if new is None:
        return [{"kind": ChangeKind.NOT_COMPARED, "cause": "the run did not get to it", **statuses}]
    if _is_failure(new) and (old is None or not _is_failure(old)):
        return [{"kind": ChangeKind.FAILED, "cause": new["reason"], **statuses}]
    if old is None:
        return [{"kind": ChangeKind.ADDED, "cause": None, **statuses}]
    if _is_failure(old) and not _is_failure(new):
        return [{"kind": ChangeKind.RECOVERED, "cause": cause(old, new), **statuses}]
    # A figure of training that one of the runs did not request is no change.
    figures = [name for name in FIGURES if None not in (old[name], new[name]) and old[name] != new[name]]
    changes: list[dict[str, Any]] = [{"figure": name, "old": old[name], "new": new[name]} for name in figures]
    if old["status"] != new["status"]:
        changes.append({"figure": "status"})
    return [{"kind": ChangeKind.CHANGED, "cause": cause(old, new), **statuses, **change} for change in changes]


def cause(old: _Value, new: _Value) -> str:
    """The versions that differ between two values of a key, the likely cause of a change."""
    differing = [
        f"{name or new['zoo']} {old[column] or 'unknown'} → {new[column] or 'unknown'}"
        for column, name in _VERSIONS.items()
        if old[column] != new[column]
    ]
    return ", ".join(differing) or "unknown: counted from the same versions"


def _describe_removal(before: RunRecord, after: RunRecord, old: _Value | None) -> dict[str, Any]:
    """The change of a key that only the earlier run planned."""
    statuses = _statuses(old, None)
    if after.only:
        return {"kind": ChangeKind.NOT_COMPARED, "cause": f"outside of --only {after.only}", **statuses}
    if before.config != after.config:
        return {"kind": ChangeKind.NOT_COMPARED, "cause": f"{after.config or 'the later run'} does not ask for it", **statuses}
    causes = [f"{before.versions} → {after.versions}"] if before.versions != after.versions else []
    causes += ["the configuration"] if before.selection != after.selection else []
    return {"kind": ChangeKind.REMOVED, "cause": ", ".join(causes) or "its source no longer lists it", **statuses}


def _is_failure(row: _Value) -> bool:
    """Whether a row is a failure other than an unsupported input, which is a fact about the architecture."""
    return row["status"] == Status.FAILED and not is_unsupported(row["status"], row["reason"])


def _statuses(old: _Value | None, new: _Value | None) -> dict[str, Any]:
    return {"old_status": old and old["status"], "new_status": new and new["status"]}


def _to_frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame({name: pd.array([row.get(name) for row in rows], dtype=dtype) for name, dtype in COLUMNS.items()})
    order = {kind: place for place, kind in enumerate(ChangeKind)}
    table["_order"] = table["kind"].map(order)
    table = table.sort_values(["_order", *KEY], kind="stable", ignore_index=True)
    return table.drop(columns="_order")
