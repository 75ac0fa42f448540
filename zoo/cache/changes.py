"""What changed between two runs. Counts are deterministic, so that any change means something, and its likely cause is named.

The value of a key as of a run is the newest one that was there when the run ended, whichever run counted it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import pyarrow as pa

from zoo.cache.runs import LATEST, Run, find_run
from zoo.cache.schema.tables import KEY, TABLES
from zoo.cache.store import Store, to_pandas
from zoo.jobs import is_unsupported
from zoo.records import Status


class Kind(enum.StrEnum):
    """What became of a key."""

    ADDED = "added"  # had no value before
    REMOVED = "removed"  # is no longer planned by the same configuration
    CHANGED = "changed"  # has another figure or status; one row for each figure
    FAILED = "failed"  # cannot be counted any more, or could not from the start
    RECOVERED = "recovered"  # could not be counted before
    NOT_COMPARED = "not compared"  # one of the runs did not ask for it, or did not get to it


FIGURES = tuple(
    field.name for field in TABLES["costs"] if field.type == pa.int64() and field.name not in (*KEY, "flops", "batch", "classes")
)
"""Figures that are compared; `flops` are always twice `macs`."""

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

`figure`, `old` and `new` are those of a changed figure, exact; `figure` is `status` where a cost has become a bound or the
reverse. `cause` says what differs in how the two values were made, or why there is only one, or a failure's reason.
"""

_CAUSES = ("library_version", "counter_version", "torch_version", "fingerprint")
_NEEDED = [*KEY, "status", "reason", *FIGURES, *_CAUSES, "run", "counted_at"]


@dataclass(frozen=True)
class Changes:
    """The difference between two runs. Renderers get this."""

    before: Run | None  # None: nothing was there before
    after: Run
    rows: pd.DataFrame  # COLUMNS, ordered by kind and key
    unchanged: int  # keys with the same value in both
    failing: int  # keys of the later run that could not be counted, inputs that do not fit apart

    def count(self, kind: Kind) -> int:
        """How many keys there are of a kind."""
        return len(self.rows[self.rows["kind"] == kind].drop_duplicates(list(KEY)))

    def counts(self) -> dict[str, int]:
        """How many keys there are of each kind, and of those that are unchanged."""
        return {kind.value.replace(" ", "_"): self.count(kind) for kind in Kind} | {"unchanged": self.unchanged}


def changes_between(store: Store, before: str | None = None, after: str | None = None) -> Changes:
    """What changed from one run to another; without names, what the last run changed since the one before it of its configuration.

    Raises:
        UnknownNameError: if there is no such run.
    """
    runs = store.runs()
    later = find_run(runs, after or LATEST)
    earlier = find_run(runs, before) if before else previous_run(runs, later)
    if earlier and earlier.started_at > later.started_at:
        earlier, later = later, earlier
    return compare(store, earlier, later)


def previous_run(runs: Iterable[Run], run: Run) -> Run | None:
    """The run before this one that asked for the same configuration, in full."""
    earlier = [r for r in runs if r.started_at < run.started_at and r.config == run.config and not r.only and r.run != run.run]
    return earlier[-1] if earlier else None


def compare(store: Store, before: Run | None, after: Run) -> Changes:
    """The difference between two runs, of which the first may be none."""
    history = to_pandas(store.read("costs", _NEEDED))
    old = _newest(
        history[history["counted_at"] <= _end(history, before)] if before else history[history["counted_at"] < after.started_at]
    )
    new = _newest(history[history["counted_at"] <= _end(history, after)])
    asked = _plan(store, after, new)
    values = asked.merge(old[[*KEY, "counted_at"]], how="left", on=list(KEY)).merge(
        new[[*KEY, "counted_at"]], how="left", on=list(KEY), suffixes=("_old", "_new")
    )
    differing = values[~(values["counted_at_old"] == values["counted_at_new"]).fillna(False)]
    olds, news = _by_key(old, differing), _by_key(new, differing)
    rows: list[dict[str, Any]] = []
    same = len(values) - len(differing)
    for key in map(_key, differing[list(KEY)].itertuples(index=False, name=None)):
        found = _compare_values(olds.get(key), news.get(key))
        rows += [{**_named(key), **row} for row in found]
        same += not found
    if before and before.plan:
        rows += [
            {**_named(key), **_gone(before, after, row)} for key, row in _left_out(_plan(store, before, old), asked, old).items()
        ]
    return Changes(before, after, _table(rows), same, _failing(asked.merge(new, on=list(KEY))))


def end_of(store: Store, run: Run) -> datetime:
    """The moment as of which the cache is what a run left."""
    moment: datetime = _end(to_pandas(store.read("costs", ["run", "counted_at"])), run).to_pydatetime()
    return moment


def _end(history: pd.DataFrame, run: Run) -> pd.Timestamp:
    """When a run ended; one that was killed ended with its last row."""
    own = history.loc[(history["run"] == run.run).fillna(False), "counted_at"].max()
    end = pd.Timestamp(run.ended_at)
    return end if pd.isna(own) else max(end, own)


def _newest(history: pd.DataFrame) -> pd.DataFrame:
    return history.sort_values("counted_at", kind="stable").drop_duplicates(list(KEY), keep="last")


def _plan(store: Store, run: Run, values: pd.DataFrame) -> pd.DataFrame:
    """The keys a run planned; all there were, where it did not say."""
    keys = to_pandas(store.read("plans", KEY, {"plan": [run.plan]})) if run.plan else values.head(0)
    return (keys if len(keys) else values)[list(KEY)].drop_duplicates()


def _left_out(planned: pd.DataFrame, asked: pd.DataFrame, old: pd.DataFrame) -> dict[tuple[Any, ...], dict[str, Any] | None]:
    """Keys that only the earlier run planned, with their values."""
    joined = planned.merge(asked.assign(is_asked=True), how="left", on=list(KEY))
    left = joined[joined["is_asked"].isna()]
    values = _by_key(old, left)
    return {key: values.get(key) for key in map(_key, left[list(KEY)].itertuples(index=False, name=None))}


def _by_key(rows: pd.DataFrame, keys: pd.DataFrame) -> dict[tuple[Any, ...], dict[str, Any]]:
    found = rows.merge(keys[list(KEY)], on=list(KEY)).astype(object)
    found = found.where(found.notna(), None)
    return {tuple(row[column] for column in KEY): {str(name): row[name] for name in row} for row in found.to_dict("records")}


def _key(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(None if pd.isna(value) else value for value in values)


def _failing(rows: pd.DataFrame) -> int:
    failed = rows[rows["status"] == Status.FAILED]
    return sum(
        not is_unsupported(status, reason) for status, reason in zip(failed["status"], failed["reason"].fillna(""), strict=True)
    )


def _compare_values(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """What to say of one key: nothing where its value is the same, several rows where several figures differ."""
    if new is None:
        return [{"kind": Kind.NOT_COMPARED, "cause": "the run did not get to it", **_statuses(old, new)}]
    said = _statuses(old, new)
    if _is_failure(new) and (old is None or not _is_failure(old)):
        return [{"kind": Kind.FAILED, "cause": new["reason"], **said}]
    if old is None:
        return [{"kind": Kind.ADDED, "cause": None, **said}]
    if _is_failure(old) and not _is_failure(new):
        return [{"kind": Kind.RECOVERED, "cause": cause(old, new), **said}]
    rows = [
        {"figure": name, "old": old[name], "new": new[name]}
        for name in FIGURES
        if old[name] is not None and old[name] != new[name]
    ]
    if old["status"] != new["status"]:
        rows.append({"figure": "status", "old": None, "new": None})
    return [{"kind": Kind.CHANGED, "cause": cause(old, new), **said, **row} for row in rows]


def cause(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """What differs in how two values of a key were made: what has most likely changed them."""
    names = {"library_version": new["zoo"], "counter_version": "counter", "torch_version": "torch", "fingerprint": "source"}
    found = [f"{names[name]} {old[name] or 'unknown'} → {new[name] or 'unknown'}" for name in _CAUSES if old[name] != new[name]]
    return ", ".join(found) or "unknown: counted from the same versions"


def _gone(before: Run, after: Run, old: Mapping[str, Any] | None) -> dict[str, Any]:
    """What to say of a key that only the earlier run planned."""
    said = _statuses(old, None)
    if after.only:
        return {"kind": Kind.NOT_COMPARED, "cause": f"outside of --only {after.only}", **said}
    if before.config != after.config:
        return {"kind": Kind.NOT_COMPARED, "cause": f"{after.config or 'the later run'} does not ask for it", **said}
    causes = [f"{before.versions} → {after.versions}"] if before.versions != after.versions else []
    causes += ["the configuration"] if before.selection != after.selection else []
    return {"kind": Kind.REMOVED, "cause": ", ".join(causes) or "its source no longer lists it", **said}


def _is_failure(row: Mapping[str, Any]) -> bool:
    """A failed row, other than one whose input does not fit the architecture: that is a fact about it."""
    return row["status"] == Status.FAILED and not is_unsupported(row["status"], row["reason"])


def _statuses(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> dict[str, Any]:
    return {"old_status": old and old["status"], "new_status": new and new["status"]}


def _named(key: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(KEY, key, strict=True))


def _table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame({name: pd.array([row.get(name) for row in rows], dtype=dtype) for name, dtype in COLUMNS.items()})
    order = {kind: place for place, kind in enumerate(Kind)}
    table["_order"] = table["kind"].map(order)
    table = table.sort_values(["_order", *KEY], kind="stable", ignore_index=True)
    return table.drop(columns="_order")
