"""Refreshing the cache: from what is asked to committed rows."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

from zoo.adapters.base import select
from zoo.adapters.registry import adapter_modules, open_zoo
from zoo.batch.local import preload_workers, run_jobs
from zoo.batch.plan import Plan, make_plan, wanted_keys
from zoo.batch.settings import Listener, RefreshSettings, Silent
from zoo.cache.schema import table_of
from zoo.cache.store import Store
from zoo.records import AccuracyTable, Architecture, CostKey, Failure, RunSummary, Status, Versions, Weights, is_unfit

if TYPE_CHECKING:
    from zoo.adapters.base import Zoo
    from zoo.batch.job import Counted

_COMMIT_EVERY_S = 4.0
"""A killed run loses at most the work of this long."""


def refresh(settings: RefreshSettings, listener: Listener | None = None) -> RunSummary:
    """Counts what the settings ask for and the cache does not have, and commits it while it goes on.

    Raises:
        ZooError: for everything a user can cause: an unknown name, an unreadable table, a cache that cannot be written.
    """
    listener = listener or Silent()
    started = time.perf_counter()
    summary = RunSummary(run=uuid.uuid4().hex[:12], started_at=datetime.now(UTC).isoformat())
    store = Store(settings.cache)
    store.prepare()
    preload_workers(adapter_modules(settings.zoos))
    zoos = {name: open_zoo(name) for name in settings.zoos}
    listed = {name: zoo.architectures() for name, zoo in zoos.items()}
    chosen = {name: select(listed[name], settings.zoos[name].selection) for name in zoos}
    accuracy = _read_accuracy(settings, listed, zoos, listener)
    plan, cached = _plan(settings, store, chosen, zoos, accuracy)
    _keep_lists(store, listed, zoos, accuracy)
    summary.planned = len(plan.keys)
    summary.removed = _count_removed(cached, listed)
    listener.planned(len(plan.keys), plan.to_count)
    _count_and_commit(plan, settings, store, _Tally(summary, cached, listener), _versions(zoos))
    summary.seconds = time.perf_counter() - started
    summary.versions = ", ".join(f"{name} {zoo.version()}" for name, zoo in zoos.items())
    if plan.to_count or summary.removed:
        store.append("runs", table_of("runs", [{**asdict(summary), "started_at": datetime.fromisoformat(summary.started_at)}]))
    return summary


def _read_accuracy(
    settings: RefreshSettings,
    listed: Mapping[str, Sequence[Architecture]],
    zoos: Mapping[str, Zoo],
    listener: Listener,
) -> dict[str, AccuracyTable]:
    tables = {}
    if "torchvision" in listed:
        from zoo.accuracy.torchvision import read_torchvision

        tables["torchvision"] = read_torchvision(_weights(listed["torchvision"]))
    if "timm" in listed:
        from zoo.accuracy.timm import read_timm

        tables["timm"] = read_timm(
            _weights(listed["timm"]),
            version=zoos["timm"].version(),
            results=settings.timm_results,
            fetch=settings.fetch_accuracy,
        )
    for table in tables.values():
        for warning in table.warnings:
            listener.says(warning)
    return tables


def _weights(architectures: Iterable[Architecture]) -> list[Weights]:
    return [weights for architecture in architectures for weights in architecture.weights]


def _plan(
    settings: RefreshSettings,
    store: Store,
    chosen: Mapping[str, list[Architecture]],
    zoos: Mapping[str, Zoo],
    accuracy: Mapping[str, AccuracyTable],
) -> tuple[Plan, pd.DataFrame]:
    cached = store.costs()
    wanted: dict[CostKey, Failure | None] = {}
    for name, architectures in chosen.items():
        results = accuracy[name].rows if name in accuracy else ()
        wanted.update(wanted_keys(architectures, settings.zoos[name], settings.variants, results))
    families = {(a.zoo, a.name): a.family for architectures in chosen.values() for a in architectures}
    return make_plan(wanted, cached, _versions(zoos), families), cached


def _versions(zoos: Mapping[str, Zoo]) -> dict[str, Versions]:
    from zoo.batch.job import versions_of

    return {name: versions_of(zoo) for name, zoo in zoos.items()}


def _keep_lists(
    store: Store, listed: Mapping[str, Sequence[Architecture]], zoos: Mapping[str, Zoo], accuracy: Mapping[str, AccuracyTable]
) -> None:
    """Commits what exists and how good it is. Accuracy that could not be had this time stays as it was."""
    version = {name: zoo.version() for name, zoo in zoos.items()}
    architectures = [a for group in listed.values() for a in group]
    store.replace(
        "architectures",
        table_of("architectures", ({**asdict(a), "arch": a.name, "library_version": version[a.zoo]} for a in architectures)),
        set(listed),
    )
    store.replace(
        "weights",
        table_of(
            "weights",
            ({**asdict(w), "family": a.family, "library_version": version[a.zoo]} for a in architectures for w in a.weights),
        ),
        set(listed),
    )
    had = {name: table for name, table in accuracy.items() if table.rows}
    store.replace("accuracy", table_of("accuracy", (asdict(row) for table in had.values() for row in table.rows)), set(had))
    unjoined = [{**asdict(row), "zoo": name} for name, table in had.items() for row in table.unjoined]
    store.replace("unjoined", table_of("unjoined", unjoined), set(had))


def _count_removed(cached: pd.DataFrame, listed: Mapping[str, Sequence[Architecture]]) -> int:
    """Cached keys of architectures that their zoo no longer has."""
    exists = {(a.zoo, a.name) for architectures in listed.values() for a in architectures}
    return sum((zoo, arch) not in exists for zoo, arch in zip(cached["zoo"], cached["arch"], strict=True) if zoo in listed)


class _Tally:
    """Keeps the run's figures and tells the listener."""

    def __init__(self, summary: RunSummary, cached: pd.DataFrame, listener: Listener) -> None:
        self.summary, self.listener = summary, listener
        self._before = {
            CostKey(*_plain(row[: len(CostKey._fields)])): _plain(row[len(CostKey._fields) :])
            for row in cached[[*CostKey._fields, "status", "params", "macs", "activations", "peak_activation_bytes"]].itertuples(
                index=False
            )
        }

    def add(self, counted: Counted) -> None:
        row = counted.row
        if row["status"] == Status.FAILED:
            self.summary.failed += 1
            self.summary.unfit += is_unfit(row["status"], row["reason"])
        else:
            self.summary.counted += 1
        if counted.key not in self._before:
            self.summary.added += 1
        elif self._before[counted.key] != tuple(
            row.get(n) for n in ("status", "params", "macs", "activations", "peak_activation_bytes")
        ):
            self.summary.changed += 1
        self.listener.counted(counted.key, Status(row["status"]), row.get("reason"))


def _plain(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(None if pd.isna(value) else int(value) if not isinstance(value, str) else value for value in values)


class _Committer:
    """Writes rows in small parts: operations first, so that a cost row never lacks its own."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rows: list[dict[str, Any]] = []
        self._operations: list[pa.Table] = []
        self._last = time.monotonic()

    def add(self, counted: Counted) -> None:
        self._rows.append(counted.row)
        if counted.operations is not None:
            self._operations.append(counted.operations)
        if time.monotonic() - self._last >= _COMMIT_EVERY_S:
            self.commit()

    def commit(self) -> None:
        rows, operations = self._rows, self._operations
        self._rows, self._operations, self._last = [], [], time.monotonic()  # first, so that none is written twice
        if operations:
            self._store.append("ops", pa.concat_tables(operations))
        self._store.append("costs", table_of("costs", rows))


def _count_and_commit(
    plan: Plan, settings: RefreshSettings, store: Store, tally: _Tally, versions: Mapping[str, Versions]
) -> None:
    from zoo.batch.job import failed_row

    committer = _Committer(store)

    def keep(counted: Counted) -> None:
        committer.add(counted)
        tally.add(counted)

    def interrupted() -> None:
        tally.summary.interrupted = True
        tally.listener.says("Finishing what is in hand; press Ctrl-C again to stop at once.")

    try:
        for key, failure in plan.known_failures.items():
            keep(failed_row(key, failure, versions[key.zoo]))
        if plan.jobs:
            with contextlib.closing(run_jobs(plan.jobs, settings.execution, interrupted)) as outcomes:
                for job, outcome in outcomes:
                    rows = (
                        [failed_row(k, outcome, versions[k.zoo]) for k in job.keys()] if isinstance(outcome, Failure) else outcome
                    )
                    for counted in rows:
                        keep(counted)
    finally:
        committer.commit()
