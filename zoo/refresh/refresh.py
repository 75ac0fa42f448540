"""Refreshes the cache: counts the requested rows that it lacks, and records what changed."""

from __future__ import annotations

import contextlib
import dataclasses
import fnmatch
import hashlib
import time
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime

import pandas as pd

from zoo.adapters.base import select
from zoo.cache.changes import ChangeKind, compare, previous_run
from zoo.cache.health import lacking_details
from zoo.cache.maintenance import compact_if_scattered
from zoo.cache.runs import RunRecord, RunStatus
from zoo.cache.schema.tables import DETAILS, OWNERS, table_of
from zoo.cache.storage.locks import locked
from zoo.cache.store import DAMAGED, Store, key_tuples
from zoo.errors import CacheError, UnknownNameError, did_you_mean
from zoo.jobs import Failure, RunSummary, TraceFailure
from zoo.records import Accuracy, Architecture, CostKey, Status, TraceKey, Versions
from zoo.refresh.accuracy_sync import save_accuracy, sync_accuracy
from zoo.refresh.catalogue import ZooListing, list_zoos, preload, save_listings
from zoo.refresh.committer import count_and_commit
from zoo.refresh.plan import Plan, check_input_globs, make_plan, requested_costs, requested_traces, trace_keys
from zoo.refresh.run_tables import NamedTable, plan_table, results_table
from zoo.settings import Listener, RefreshOptions, RefreshSettings
from zoo.workers.processes import check_main_guard

_VALIDITY_COLUMNS = ("status", "reason", "fingerprint", "library_version", "torch_version", "counter_version")
"""Columns that decide whether a cached row is still valid."""


def refresh(
    settings: RefreshSettings, listener: Listener | None = None, request: RefreshOptions = RefreshOptions()
) -> RunSummary:
    """Counts the requested rows that the cache lacks, and commits them meanwhile.

    Every refresh writes a row of the table `runs`, even if there was nothing to do or it was killed.

    Raises:
        BusyError: if another refresh of the same name is running, and the request is not to wait for it.
        ZooError: for everything else that a user can cause: an unknown name, an unreadable table, a cache that cannot be written.
    """
    check_main_guard()
    listener = listener or Listener()
    store = Store(settings.cache)
    store.prepare()
    with _exclusive(store, request, listener):
        return _refresh(settings, store, listener, request)


def _refresh(settings: RefreshSettings, store: Store, listener: Listener, request: RefreshOptions) -> RunSummary:
    clock = time.perf_counter()
    summary = RunSummary(run=uuid.uuid4().hex[:12], started_at=datetime.now(UTC).isoformat())
    listings = list_zoos(settings, store, listener, will_count=True)
    selected = _select_architectures(settings, listings, request.only)
    synced = sync_accuracy(settings, listings, store, listener)
    versions = {name: listing.versions for name, listing in listings.items()}
    published = {name: one.rows for name, one in synced.items()}
    plan = _plan_rows(settings, store, selected, published, versions, request)
    save_listings(store, listings)
    save_accuracy(store, synced)
    summary.planned, summary.traces_planned = len(plan.costs), len(plan.traces)
    summary.versions = ", ".join(f"{name} {listing.library_version}" for name, listing in listings.items())
    listener.planned(plan.rows, plan.to_count)
    tables = (plan_table(plan.costs), results_table(selected, published, settings.zoos))
    with _recorded_run(store, summary, tables, request, _digest(repr(sorted(settings.zoos.items())))):
        if plan.missing:
            preload(settings.execution, settings.zoos)
        count_and_commit(plan, settings.execution, store, summary, listener, versions)
        summary.trace_failures = _trace_failures(store, plan.traces)
        summary.seconds = time.perf_counter() - clock
    compact_if_scattered(store)
    return summary


def _exclusive(store: Store, request: RefreshOptions, listener: Listener) -> AbstractContextManager[None]:
    """Prevents two refreshes of the same name from counting the same rows."""
    if request.config is None:
        return contextlib.nullcontext()
    what = f"Another refresh of '{request.config}' is running"
    return locked(
        store.files,
        f"refresh-{_digest(request.config)}",
        what=what,
        wait=request.wait,
        on_wait=lambda: listener.notify(f"{what}; waiting for it to end."),
    )


def _select_architectures(
    settings: RefreshSettings, listings: Mapping[str, ZooListing], only: Sequence[str]
) -> dict[str, list[Architecture]]:
    """The architectures that the settings select; with globs in `only`, those that match one of them."""
    selected = {name: select(listing.architectures, settings.zoos[name].selection) for name, listing in listings.items()}
    for name, listing in listings.items():
        check_input_globs(listing.architectures, settings.zoos[name])
    if not only:
        return selected
    narrowed = {
        name: [a for a in group if any(fnmatch.fnmatchcase(n, glob) for glob in only for n in (a.name, f"{name}/{a.name}"))]
        for name, group in selected.items()
    }
    if not any(narrowed.values()):
        names = [a.name for group in selected.values() for a in group]
        globs = " or ".join(f"'{glob}'" for glob in only)
        raise UnknownNameError(f"The configuration selects no architecture {globs}.{did_you_mean(only[0], names)}")
    return narrowed


def _plan_rows(
    settings: RefreshSettings,
    store: Store,
    selected: Mapping[str, list[Architecture]],
    results: Mapping[str, Sequence[Accuracy]],
    versions: Mapping[str, Versions],
    request: RefreshOptions,
) -> Plan:
    costs: dict[CostKey, Failure | None] = {}
    for name, architectures in selected.items():
        costs.update(requested_costs(architectures, settings.zoos[name], results.get(name, ())))
    cached_costs = _valid_rows(store, "ops", request, store.costs(columns=(*_VALIDITY_COLUMNS, "training_status")))
    if settings.training:  # rows that were counted without it are counted again
        cached_costs = cached_costs[cached_costs["training_status"].notna() | (cached_costs["status"] == Status.FAILED)]
    cached = [cached_costs]
    if settings.traces:
        cached_traces = store.traces(columns=[*_VALIDITY_COLUMNS, "tracer_version"])
        cached.append(_valid_rows(store, "workloads", request, cached_traces))
    listed = [a for group in selected.values() for a in group]
    traces = requested_traces(costs, settings.traces)
    return make_plan(costs, traces, cached, versions, listed, training=settings.training)


def _valid_rows(store: Store, details: str, request: RefreshOptions, rows: pd.DataFrame) -> pd.DataFrame:
    """The cached rows that are not counted again: neither on request nor because their details are lost."""
    if request.rebuild:
        return rows.head(0)
    if request.max_age is not None:
        rows = rows[rows["counted_at"] >= datetime.now(UTC) - request.max_age]
    if _is_damaged(store, details) and (lacking := lacking_details(store, details)):
        rows = rows.loc[[key not in lacking for key in key_tuples(rows, OWNERS[DETAILS[details]])]]
    return rows


def _is_damaged(store: Store, details: str) -> bool:
    """Whether a part of the details is or was damaged."""
    if store.files.is_local:
        store.check(details)
    return bool(store.files.names(f"{DAMAGED}/{details}"))


def _trace_failures(store: Store, planned: Collection[TraceKey]) -> list[TraceFailure]:
    """The planned traces that failed, by mode and reason."""
    if not planned:
        return []
    rows = store.traces(columns=["status", "reason"])
    rows = rows[rows["status"] == Status.FAILED]
    models: dict[tuple[str, str], list[str]] = defaultdict(list)
    for key, reason in zip(trace_keys(rows), rows["reason"], strict=True):
        if key in planned:
            models[key.mode, reason].append(f"{key.zoo}/{key.arch} {key.input}")
    return [TraceFailure(mode, reason, tuple(sorted(names))) for (mode, reason), names in sorted(models.items())]


@contextlib.contextmanager
def _recorded_run(
    store: Store, summary: RunSummary, tables: tuple[NamedTable, NamedTable], request: RefreshOptions, selection: str
) -> Iterator[None]:
    """Writes a row of `runs` when the run starts, with its plan and results, and replaces it when it ends, even by an exception."""
    plan, results = tables
    run = RunRecord(
        summary.run,
        RunStatus.RUNNING,
        datetime.fromisoformat(summary.started_at),
        config=request.config,
        only=" ".join(request.only) or None,
        plan=plan.name,
        selection=selection,
        results=results.name if len(results.rows) else None,
        planned=summary.planned,
        versions=summary.versions,
    )
    first = _append_run(store, run)
    _append_missing(store, tables)
    try:
        yield
    except BaseException:
        with contextlib.suppress(CacheError):  # the disk may be full, and then the first exception says so
            _end_run(store, dataclasses.replace(run, status=RunStatus.INTERRUPTED), summary, first)
        raise
    _append_missing(store, tables)  # a pruning that read the runs before this one was written may have removed them
    status = RunStatus.INTERRUPTED if summary.interrupted else RunStatus.DONE
    _end_run(store, dataclasses.replace(run, status=status), summary, first)


def _append_missing(store: Store, tables: Iterable[NamedTable]) -> None:
    """Appends the plan and the results of a run unless another run wrote the same ones."""
    for table, name, rows in tables:
        column = rows.column_names[0]
        if not len(store.read(table, [column], {column: [name]})):
            store.append(table, rows)


def _end_run(store: Store, run: RunRecord, summary: RunSummary, first: str | None) -> None:
    """Compares the cache with the previous run of the same configuration, and replaces the first row of this run."""
    run = dataclasses.replace(run, finished_at=datetime.now(UTC), seconds=summary.seconds)
    changes = compare(store, previous_run(store.runs(), run), run)
    for kind in (ChangeKind.ADDED, ChangeKind.CHANGED, ChangeKind.REMOVED, ChangeKind.RECOVERED):
        setattr(summary, kind.value, changes.count(kind))
    summary.broken, summary.failing = changes.count(ChangeKind.FAILED), changes.failing
    names = ("counted", "failed", "unsupported", "broken", "failing", "added", "changed", "removed", "recovered")
    _append_run(store, dataclasses.replace(run, **{name: getattr(summary, name) for name in names}), first)


def _append_run(store: Store, run: RunRecord, replaces: str | None = None) -> str | None:
    return store.append("runs", table_of("runs", [dataclasses.asdict(run)]), replaces=[replaces] if replaces else [])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
