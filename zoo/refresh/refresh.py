"""Refreshing the cache: from what is asked to committed rows, and a record of what that changed."""

from __future__ import annotations

import contextlib
import dataclasses
import fnmatch
import hashlib
import time
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime

import pandas as pd
import pyarrow as pa

from zoo.adapters.base import select
from zoo.cache.changes import ChangeKind, compare, previous_run
from zoo.cache.health import lacking_details
from zoo.cache.maintenance import compact_if_scattered
from zoo.cache.runs import RunRecord, RunStatus
from zoo.cache.schema.tables import DETAILS, OWNERS, TABLES, columns_of, table_of
from zoo.cache.storage.locks import locked
from zoo.cache.store import DAMAGED, Store
from zoo.errors import CacheError, UnknownNameError, did_you_mean
from zoo.jobs import Failure, RunSummary, TraceFailure
from zoo.records import Architecture, CostKey, Status, TraceKey
from zoo.refresh.accuracy_sync import Published, save_accuracy, sync_accuracy
from zoo.refresh.catalogue import ZooListing, list_zoos, preload, save_listings
from zoo.refresh.committer import count_and_commit
from zoo.refresh.plan import Plan, check_input_globs, make_plan, requested_costs, requested_traces, trace_keys
from zoo.settings import Listener, RefreshOptions, RefreshSettings, SilentListener
from zoo.workers.processes import check_main_guard

_JUDGED = ("status", "reason", "fingerprint", "library_version", "torch_version", "counter_version")
"""What decides whether a row is still valid."""

_DIGESTED = 10_000
"""Keys of a plan that go into its digest at a time."""


def refresh(
    settings: RefreshSettings, listener: Listener | None = None, request: RefreshOptions = RefreshOptions()
) -> RunSummary:
    """Counts what the settings ask for and the cache does not have, and commits it while it goes on.

    Every refresh leaves a row in the table `runs`, also one that found nothing to do; one that was killed leaves that it began.

    Raises:
        BusyError: if another refresh of the same name is running, and the request is not to wait for it.
        ZooError: for everything else a user can cause: an unknown name, an unreadable table, a cache that cannot be written.
    """
    check_main_guard()
    listener = listener or SilentListener()
    store = Store(settings.cache)
    store.prepare()
    with _alone(store, request, listener):
        return _refresh(settings, store, listener, request)


def _refresh(settings: RefreshSettings, store: Store, listener: Listener, request: RefreshOptions) -> RunSummary:
    started, clock = datetime.now(UTC), time.perf_counter()
    summary = RunSummary(run=uuid.uuid4().hex[:12], started_at=started.isoformat())
    listings = list_zoos(settings, store)
    chosen = {name: select(listing.architectures, settings.zoos[name].selection) for name, listing in listings.items()}
    for name, listing in listings.items():
        check_input_globs(listing.architectures, settings.zoos[name])
    chosen = _narrow(chosen, request.only)
    published = sync_accuracy(settings, listings, store, listener)
    plan = _plan(settings, store, chosen, listings, published, request)
    save_listings(store, listings)
    save_accuracy(store, published)
    summary.planned, summary.traces_planned = len(plan.keys), len(plan.traces)
    summary.versions = ", ".join(f"{name} {listing.library_version}" for name, listing in listings.items())
    listener.planned(plan.rows, plan.to_count)
    record = _Record(store, summary, plan, request, _digest(repr(sorted(settings.zoos.items()))))
    with record.kept():
        versions = {name: listing.versions for name, listing in listings.items()}
        if plan.jobs:
            preload(settings.execution, settings.zoos)
        count_and_commit(plan, settings.execution, store, summary, listener, versions)
        summary.trace_failures = _trace_failures(store, plan.traces)
        summary.seconds = time.perf_counter() - clock
    compact_if_scattered(store)
    return summary


@contextlib.contextmanager
def _alone(store: Store, request: RefreshOptions, listener: Listener) -> Iterator[None]:
    """Keeps two refreshes of one name from counting the same things twice."""
    if request.config is None:
        yield
        return
    what = f"Another refresh of '{request.config}' is running"
    with locked(
        store.files,
        f"refresh-{_digest(request.config)}",
        what=what,
        wait=request.wait,
        on_wait=lambda: listener.notify(f"{what}; waiting for it to end."),
    ):
        yield


def _narrow(chosen: Mapping[str, list[Architecture]], only: Sequence[str]) -> dict[str, list[Architecture]]:
    """The architectures that match one of the globs."""
    if not only:
        return dict(chosen)
    narrowed = {
        name: [a for a in group if any(fnmatch.fnmatchcase(n, glob) for glob in only for n in (a.name, f"{name}/{a.name}"))]
        for name, group in chosen.items()
    }
    if not any(narrowed.values()):
        names = [a.name for group in chosen.values() for a in group]
        globs = " or ".join(f"'{glob}'" for glob in only)
        raise UnknownNameError(f"The configuration selects no architecture {globs}.{did_you_mean(only[0], names)}")
    return narrowed


def _plan(
    settings: RefreshSettings,
    store: Store,
    chosen: Mapping[str, list[Architecture]],
    listings: Mapping[str, ZooListing],
    published: Mapping[str, Published],
    request: RefreshOptions,
) -> Plan:
    wanted: dict[CostKey, Failure | None] = {}
    for name, architectures in chosen.items():
        results = published[name].rows if name in published else ()
        wanted.update(requested_costs(architectures, settings.zoos[name], results))
    versions = {name: listing.versions for name, listing in listings.items()}
    architectures = [a for group in chosen.values() for a in group]
    costs = _trusted(store, "ops", request, store.costs(columns=_JUDGED))
    if not settings.traces:
        return make_plan(wanted, costs, versions, architectures)
    traces = _trusted(store, "workloads", request, store.traces(columns=[*_JUDGED, "tracer_version"]))
    return make_plan(wanted, costs, versions, architectures, requested_traces(wanted, settings.traces), traces)


def _trusted(store: Store, details: str, request: RefreshOptions, rows: pd.DataFrame) -> pd.DataFrame:
    """What the cache has in force, less what is to be counted again whatever its versions."""
    if request.rebuild:
        return rows.head(0)
    if request.max_age is not None:
        rows = rows[rows["counted_at"] >= datetime.now(UTC) - request.max_age]
    if _has_lost(store, details) and (lacking := lacking_details(store, details)):
        key = rows[list(OWNERS[DETAILS[details]])].astype(object)
        keys = key.where(key.notna(), None).itertuples(index=False, name=None)
        rows = rows.loc[[key not in lacking for key in keys]]
    return rows


def _has_lost(store: Store, details: str) -> bool:
    """Whether a part of the details was found damaged, now or before; their owners are there, and have to be counted again."""
    if store.files.is_local:
        store.check(details)
    return bool(store.files.names(f"{DAMAGED}/{details}"))


def _trace_failures(store: Store, planned: Collection[TraceKey]) -> list[TraceFailure]:
    """The planned traces that there are not, by mode and reason."""
    if not planned:
        return []
    rows = store.traces(columns=["status", "reason"])
    rows = rows[rows["status"] == Status.FAILED]
    models: dict[tuple[str, str], list[str]] = defaultdict(list)
    for key, reason in zip(trace_keys(rows), rows["reason"], strict=True):
        if key in planned:
            models[key.mode, reason].append(f"{key.zoo}/{key.arch} {key.input}")
    return [TraceFailure(mode, reason, tuple(sorted(names))) for (mode, reason), names in sorted(models.items())]


class _Record:
    """The run's rows in the table `runs`: one when it begins, and in its place another when it ends."""

    def __init__(self, store: Store, summary: RunSummary, plan: Plan, request: RefreshOptions, selection: str) -> None:
        self._store, self._summary = store, summary
        name, self._plan = plan_table(plan.keys)
        self._run = RunRecord(
            summary.run,
            RunStatus.RUNNING,
            datetime.fromisoformat(summary.started_at),
            config=request.config,
            only=" ".join(request.only) or None,
            plan=name,
            selection=selection,
            planned=summary.planned,
            versions=summary.versions,
        )

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Records the run around what it does, also where that raises."""
        begun = self._write(self._run)
        if not len(self._store.read("plans", ["plan"], {"plan": [self._run.plan or ""]})):
            self._store.append("plans", self._plan)
        try:
            yield
        except BaseException:
            with contextlib.suppress(CacheError):  # the disk may be full, which is what is being raised
                self._end(RunStatus.INTERRUPTED, begun)
            raise
        self._end(RunStatus.INTERRUPTED if self._summary.interrupted else RunStatus.DONE, begun)

    def _end(self, status: RunStatus, begun: str | None) -> None:
        """Says what changed since the run before, and puts the end in the place of the beginning."""
        run = dataclasses.replace(self._run, status=status, finished_at=datetime.now(UTC), seconds=self._summary.seconds)
        changes = compare(self._store, previous_run(self._store.runs(), run), run)
        summary = self._summary
        for kind in (ChangeKind.ADDED, ChangeKind.CHANGED, ChangeKind.REMOVED, ChangeKind.RECOVERED):
            setattr(summary, kind.value, changes.count(kind))
        summary.broken, summary.failing = changes.count(ChangeKind.FAILED), changes.failing
        names = ("counted", "failed", "unsupported", "broken", "failing", "added", "changed", "removed", "recovered")
        self._write(dataclasses.replace(run, **{name: getattr(summary, name) for name in names}), begun)

    def _write(self, run: RunRecord, replaces: str | None = None) -> str | None:
        return self._store.append("runs", table_of("runs", [dataclasses.asdict(run)]), replaces=[replaces] if replaces else [])


def plan_table(keys: Collection[CostKey]) -> tuple[str, pa.Table]:
    """The table of the keys of a plan, and its name, which is the same for the same keys. Built by columns: plans may be long."""
    columns = {column: [key[place] for key in keys] for place, column in enumerate(CostKey._fields)}
    table = columns_of("plans", len(keys), columns, {"plan": ""}).sort_by([(column, "ascending") for column in CostKey._fields])
    digest = hashlib.sha256()
    for batch in table.to_batches(max_chunksize=_DIGESTED):
        digest.update(repr(batch.to_pydict()).encode())
    name = digest.hexdigest()[:16]
    return name, table.set_column(0, TABLES["plans"].field("plan"), pa.repeat(pa.scalar(name), len(table)))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
