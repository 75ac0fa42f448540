"""Compaction and pruning: the only work on a cache that is done by one process at a time. Readers and refreshes go on meanwhile.

Rows are rewritten in batches. Each batch becomes one part that replaces those it was made of, in one rename; whatever a kill
leaves is a part that still counts, or one that no longer does and is removed next time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from zoo.cache.identity import identities
from zoo.cache.runs import Run
from zoo.cache.schema.tables import DETAILS, NESTED, ORDER, OWNERS, SCHEMA_VERSION, SNAPSHOTS, TABLES
from zoo.cache.storage.locks import MAINTENANCE, locked
from zoo.cache.storage.parts import Part, is_replacing
from zoo.cache.store import Store
from zoo.errors import BusyError

FULL_ROWS: Mapping[str, int] = defaultdict(lambda: 250_000, traces=128)
"""Rows of a part that compaction leaves as it is: a part this large is read in row groups, and is small enough for memory."""

_WORTH_IT = 40
"""Parts of one table from which on a refresh compacts at its end."""

_ORPHAN_AGE = timedelta(days=1)
"""Details this old whose owner never came will not get one: the two are written within seconds of each other."""

Keep = Callable[[pa.Table], pa.Table]
"""The rows to keep, of those of a part."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What became of one table."""

    table: str
    files_before: int
    files: int
    rows_before: int
    rows: int


def compact(store: Store, *, wait: bool = True) -> list[Rewritten]:
    """Merges the parts of each table into few large ones, sorted by key, and drops details that belong to nothing.

    Raises:
        BusyError: if another process is at it and `wait` is false.
    """
    with _alone(store, wait=wait):
        store.files.forget_listing()
        return [_compact_table(store, name) for name in TABLES]


def is_scattered(store: Store) -> bool:
    """Whether some table has so many parts that reading it takes noticeably longer."""
    return any(len(store.files.names(name)) > _WORTH_IT for name in TABLES)


def compact_if_scattered(store: Store) -> None:
    """Tidies up after many small commits, unless somebody else is at it."""
    if is_scattered(store):
        with suppress(BusyError):
            compact(store, wait=False)


def find_cutoff(runs: Sequence[Run], *, keep_runs: int | None = None, older_than: timedelta | None = None) -> datetime | None:
    """The moment before which history goes: the start of the oldest run to keep. None if all is to stay."""
    if older_than is not None:
        return datetime.now(UTC) - older_than
    if keep_runs is not None and len(runs) > keep_runs:
        return runs[-keep_runs].started_at
    return None


def prune(store: Store, cutoff: datetime, *, wait: bool = True, dry_run: bool = False) -> list[Rewritten]:
    """Removes history before a moment: what was in force at it, the newest row of every key, and all runs since stay.

    Reading as of any run that stays gives what it gave before.

    Raises:
        BusyError: if another process is at it and `wait` is false.
    """
    with nullcontext() if dry_run else _alone(store, wait=wait):
        runs = store.runs()
        gone = [run for run in runs[:-1] if run.started_at < cutoff]  # the last one stays, however old
        plans = {run.plan for run in gone} - {run.plan for run in runs if run not in gone}
        # Each says what goes, not what stays: what others commit meanwhile must stay.
        keeps: dict[str, Keep] = {
            **_without_superseded(store, cutoff),
            "runs": _without("run", [run.run for run in gone]),
            "plans": _without("plan", [plan for plan in plans if plan]),
        }
        return [_rewrite(store, name, keep, everything=True, dry_run=dry_run) for name, keep in keeps.items()]


def _alone(store: Store, *, wait: bool) -> AbstractContextManager[None]:
    return locked(store.files, MAINTENANCE, what="Another process compacts or prunes this cache", wait=wait)


def _compact_table(store: Store, name: str) -> Rewritten:
    if name in SNAPSHOTS:
        before = len(store.files.names(name))
        found = store.load(name)
        for file in found.replaced:
            store.files.remove(name, file)
        rows = sum(len(part.table) for part in found.parts.values())
        return Rewritten(name, before, len(found.parts), rows, rows)
    if name in DETAILS:
        return _rewrite(store, name, _with_owner(store, DETAILS[name]))
    return _rewrite(store, name, _keep_newest if name == "runs" else lambda table: table)


def _rewrite(store: Store, name: str, keep: Keep, *, everything: bool = False, dry_run: bool = False) -> Rewritten:
    """Merges parts in batches, with the rows to keep; parts that are full already stay, unless everything is to be looked at."""
    files_before = len(store.files.names(name))
    flat = [column for column in TABLES[name].names if column not in NESTED]
    found = store.load(name, ())  # how many rows each part has, not yet which: a table may be larger than the memory
    rows_before = rows = sum(part.rows for part in found.parts.values())
    files = len(found.parts)
    for batch in _batches(found.parts, FULL_ROWS[name], everything=everything):
        tables = _tables(store, name, batch, flat)
        if not tables:
            continue
        merged = keep(pa.concat_tables(tables.values()))
        dropped = sum(part.rows for part in batch.values()) - len(merged)
        if not dropped and _is_done(batch):
            continue
        rows -= dropped
        files -= len(batch) - (len(merged) > 0)
        if not dry_run:
            if len(flat) < len(TABLES[name]) and len(merged):
                tables = _tables(store, name, tables)
                merged = keep(pa.concat_tables([TABLES[name].empty_table(), *tables.values()]))
            _replace(store, name, merged, list(tables))
    if not dry_run:
        for file in found.replaced:
            store.files.remove(name, file)
    return Rewritten(name, files_before, files, rows_before, rows)


def _tables(store: Store, name: str, files: Iterable[str], columns: Iterable[str] | None = None) -> dict[str, pa.Table]:
    """The rows of those of the parts that can still be read."""
    return dict(store.rows(name, files, columns))


def _batches(parts: dict[str, Part], full: int, *, everything: bool) -> Iterator[dict[str, Part]]:
    """Parts in the order of their age, as many together as make a full one."""
    batch: dict[str, Part] = {}
    rows = 0
    for file, part in parts.items():
        if not everything and part.rows >= full // 2 and _is_done({file: part}):
            continue
        if batch and rows + part.rows > full:
            yield batch
            batch, rows = {}, 0
        batch[file] = part
        rows += part.rows
    if batch:
        yield batch


def _is_done(batch: dict[str, Part]) -> bool:
    """Whether this is one part, sorted and in the present format."""
    ((file, part), *others) = batch.items()
    return not others and part.version == SCHEMA_VERSION and is_replacing(file)


def _replace(store: Store, name: str, merged: pa.Table, files: list[str]) -> None:
    if len(merged):
        order = [(column, "ascending") for column in ORDER if column in merged.column_names]
        store.append(name, merged.sort_by(order) if order else merged, replaces=files)
        return
    for file in files:
        store.files.remove(name, file)


def _with_owner(store: Store, owner: str) -> Keep:
    """Keeps details of what is there, and those so young that their owner may still come."""
    counted_at = pc.unique(store.read(owner, ["counted_at"])["counted_at"])
    young = pa.scalar(datetime.now(UTC) - _ORPHAN_AGE, counted_at.type)
    return lambda table: table.filter(pc.or_(pc.is_in(table["counted_at"], counted_at), pc.greater(table["counted_at"], young)))


def _without(column: str, values: list[str]) -> Keep:
    return lambda table: table.filter(pc.invert(pc.is_in(table[column], pa.array(values, pa.string()))))


def _keep_newest(table: pa.Table) -> pa.Table:
    """Of a run that was recorded at its start and again at its end, only the end, where one part holds both."""
    ended = pc.unique(table.filter(pc.is_valid(table["finished_at"]))["run"])
    return table.filter(pc.or_(pc.is_valid(table["finished_at"]), pc.invert(pc.is_in(table["run"], ended))))


def _without_superseded(store: Store, cutoff: datetime) -> dict[str, Keep]:
    """By table, what stays of rows that have a newest of their key, and of their details."""
    keeps: dict[str, Keep] = {}
    for owner, key in OWNERS.items():
        going = _superseded(store, owner, cutoff)
        details = [name for name, owned_by in DETAILS.items() if owned_by == owner]
        keeps.update(dict.fromkeys((owner, *details), _without_rows(going, (*key, "counted_at"))))
    return keeps


def _superseded(store: Store, owner: str, cutoff: datetime) -> pa.Table:
    """The rows that were no longer in force at the cutoff: their keys, and when they were counted."""
    key = list(OWNERS[owner])
    rows = store.read(owner, [*key, "counted_at"])
    frame = pd.DataFrame({column: rows[column].to_pandas() for column in rows.column_names})
    before = frame[frame["counted_at"] < cutoff].sort_values("counted_at", kind="stable")
    going = before.index[before.duplicated(key, keep="last")]
    return rows.take(pa.array(going.to_numpy()))


def _without_rows(going: pa.Table, columns: Sequence[str]) -> Keep:
    names = identities(going, columns)
    return lambda table: table.filter(pc.invert(pc.is_in(identities(table, columns), names)))
