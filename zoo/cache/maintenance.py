"""Compaction and pruning. Readers and refreshes may run meanwhile; a lock keeps two processes from merging the same parts.

Parts are merged in batches that fit into memory. Each batch becomes one part that replaces its source parts; after a crash, either
the source parts count or the new part does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from zoo.cache.row_keys import distinct_rows, is_among, latest_rows
from zoo.cache.runs import RunRecord
from zoo.cache.schema.tables import DETAILS, ORDER, OWNERS, SCHEMA_VERSION, SNAPSHOTS, TABLES
from zoo.cache.storage.locks import MAINTENANCE, locked
from zoo.cache.storage.parts import LoadedPart, is_replacing
from zoo.cache.storage.table_state import TableState
from zoo.cache.store import Store
from zoo.errors import BusyError

FULL_ROWS = 250_000
"""Rows of a full part. Compaction does not rewrite full parts: readers skip most of their row groups, and a part fits into memory."""

_MANY_PARTS = 40
"""Number of parts of one table above which a refresh compacts at its end."""

_ORPHAN_AGE = timedelta(days=1)
"""Age after which details without an owner are dropped: both are written within seconds of each other."""

Keep = Callable[[pa.Table], pa.Table]
"""Selects the rows to keep."""


@dataclass(frozen=True, slots=True)
class TableRewrite:
    """Files and rows of one table before and after it was rewritten."""

    table: str
    files_before: int
    files: int
    rows_before: int
    rows: int


def compact(store: Store, *, wait: bool = True) -> list[TableRewrite]:
    """Merges the parts of each table into few large ones, sorted by key, and drops details without an owner.

    Raises:
        BusyError: if another process compacts or prunes and `wait` is false.
        CacheError: if a table cannot be read or written.
    """
    with _maintenance_lock(store, wait=wait):
        store.files.forget_listing()
        return [_compact_table(store, name) for name in TABLES]


def compact_if_scattered(store: Store) -> None:
    """Compacts if a table has so many parts that reading it takes noticeably longer, unless another process compacts."""
    if any(len(store.files.names(name)) > _MANY_PARTS for name in TABLES):
        with suppress(BusyError):
            compact(store, wait=False)


def find_cutoff(
    runs: Sequence[RunRecord], *, keep_runs: int | None = None, older_than: timedelta | None = None
) -> datetime | None:
    """The moment before which history is removed: the start of the oldest run to keep. None if everything is kept."""
    if older_than is not None:
        return datetime.now(UTC) - older_than
    if keep_runs is not None and len(runs) > keep_runs:
        return runs[-keep_runs].started_at
    return None


def prune(store: Store, cutoff: datetime, *, wait: bool = True, dry_run: bool = False) -> list[TableRewrite]:
    """Removes rows that were superseded before a moment, and the runs before it except the last one.

    Reading as of any run that is kept gives the same as before.

    Raises:
        BusyError: if another process compacts or prunes and `wait` is false.
        CacheError: if a table cannot be read or written.
    """
    with nullcontext() if dry_run else _maintenance_lock(store, wait=wait):
        store.files.forget_listing()
        runs = store.runs()
        gone = [run for run in runs[:-1] if run.started_at < cutoff]
        kept = [run for run in runs if run not in gone]
        # Rows are selected for removal, not for keeping: rows that others commit meanwhile are kept.
        keeps: dict[str, Keep] = {}
        for owner, key in OWNERS.items():
            superseded = _superseded(store, owner, cutoff)
            details = [name for name, owned_by in DETAILS.items() if owned_by == owner]
            keeps.update(dict.fromkeys((owner, *details), _without(superseded, (*key, "counted_at"))))
        for name, column in (("runs", "run"), ("plans", "plan"), ("results", "results")):
            removed = {getattr(run, column) for run in gone} - {getattr(run, column) for run in kept} - {None, ""}
            keeps[name] = _without(pa.table({column: pa.array(sorted(removed), pa.string())}), (column,))
        return [_rewrite(store, name, keep, include_full=True, dry_run=dry_run) for name, keep in keeps.items()]


def _maintenance_lock(store: Store, *, wait: bool) -> AbstractContextManager[None]:
    return locked(store.files, MAINTENANCE, what="Another process compacts or prunes this cache", wait=wait)


def _compact_table(store: Store, name: str) -> TableRewrite:
    if name in SNAPSHOTS:
        files = len(store.files.names(name))
        state = store.load(name)
        store.remove_replaced(name, state.replaced)
        return TableRewrite(name, files, len(state.parts), state.rows, state.rows)
    if name in DETAILS:
        return _rewrite(store, name, _with_owner(store, DETAILS[name]))
    return _rewrite(store, name, _without_starts if name == "runs" else lambda table: table)


def _rewrite(store: Store, name: str, keep: Keep, *, include_full: bool = False, dry_run: bool = False) -> TableRewrite:
    """Merges the parts of a table in batches and selects the rows to keep; full parts are left as they are unless included."""
    files_before = len(store.files.names(name))
    state = store.load(name, ())  # sizes only: the rows of all parts may not fit into memory
    if not dry_run:
        store.remove_replaced(name, state.replaced)
    order = [(column, "ascending") for column in ORDER if column in TABLES[name].names]
    files, rows = len(state.parts), state.rows
    for batch in _batches(state, include_full=include_full):
        tables = dict(store.rows(name, batch))
        if not tables:
            continue
        merged = all_rows = pa.concat_tables(tables.values())
        if not state.merged_twice.isdisjoint(batch):
            merged = distinct_rows(merged, TABLES[name].names)
        merged = keep(merged)
        dropped = len(all_rows) - len(merged)
        if not dropped and _is_done(batch):
            continue
        rows -= dropped
        files -= len(tables) - (len(merged) > 0)
        if dry_run:
            continue
        if len(merged):
            store.append(name, merged.sort_by(order) if order else merged, replaces=tables)
        else:
            store.remove_replaced(name, tables)
    return TableRewrite(name, files_before, files, state.rows, rows)


def _batches(state: TableState, *, include_full: bool) -> Iterator[dict[str, LoadedPart]]:
    """Batches of parts that together make a full one, the oldest first; parts that were merged twice make the first batch."""
    repeated = {file: state.parts[file] for file in state.parts if file in state.merged_twice}
    if repeated:
        yield repeated
    batch: dict[str, LoadedPart] = {}
    rows = 0
    for file, part in state.parts.items():
        is_full = part.rows >= FULL_ROWS // 2 and _is_done({file: part})
        if file in repeated or (is_full and not include_full):
            continue
        if batch and rows + part.rows > FULL_ROWS:
            yield batch
            batch, rows = {}, 0
        batch[file] = part
        rows += part.rows
    if batch:
        yield batch


def _is_done(batch: Mapping[str, LoadedPart]) -> bool:
    """Whether a batch is a single part that is sorted and has the present format."""
    ((file, part), *others) = batch.items()
    return not others and part.version == SCHEMA_VERSION and is_replacing(file)


def _with_owner(store: Store, owner: str) -> Keep:
    """Keeps details that have an owner, and recent ones, whose owner may not have been written yet."""
    state = store.load(owner, ["counted_at"])
    if state.unreadable:  # details of the owners in these files are not orphans
        return lambda table: table
    counted_at = pc.unique(state.table(pa.schema([TABLES[owner].field("counted_at")]))["counted_at"])
    young = pa.scalar(datetime.now(UTC) - _ORPHAN_AGE, counted_at.type)
    return lambda table: table.filter(pc.or_(pc.is_in(table["counted_at"], counted_at), pc.greater(table["counted_at"], young)))


def _without_starts(table: pa.Table) -> pa.Table:
    """Drops the row that was written at the start of a run if there is one that was written at its end."""
    ended = pc.unique(table.filter(pc.is_valid(table["finished_at"]))["run"])
    return table.filter(pc.or_(pc.is_valid(table["finished_at"]), pc.invert(pc.is_in(table["run"], ended))))


def _superseded(store: Store, owner: str, cutoff: datetime) -> pa.Table:
    """Keys and times of the rows that were no longer in force at the cutoff."""
    columns = [*OWNERS[owner], "counted_at"]
    rows = store.read(owner, columns)
    before = rows.filter(pc.less(rows["counted_at"], pa.scalar(cutoff, rows.schema.field("counted_at").type)))
    return before.filter(pc.invert(is_among(before, latest_rows(before, OWNERS[owner]), columns)))


def _without(others: pa.Table, columns: Sequence[str]) -> Keep:
    """Drops the rows that equal one of the others in these columns."""
    return lambda table: table.filter(pc.invert(is_among(table, others, columns)))
