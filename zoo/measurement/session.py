"""Measures models on this machine, one after another, each in its own process, and commits each result at once."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

from zoo.adapters.base import select
from zoo.adapters.registry import adapter_modules
from zoo.cache.maintenance import compact_if_scattered
from zoo.cache.schema.tables import table_of
from zoo.cache.storage.locks import locked
from zoo.cache.store import Store
from zoo.errors import SpeedError
from zoo.jobs import Failure
from zoo.measurement.environment import device_id, environment_json
from zoo.measurement.plan import (
    FAILED,
    MEASURED,
    MeasureJob,
    index_speeds,
    is_too_large,
    measure_jobs,
    missing_batches,
    speed_key,
)
from zoo.measurement.repetition import halving
from zoo.measurement.settings import MeasureListener, MeasureSettings
from zoo.measurement.time_left import TimeLeft
from zoo.refresh.catalogue import ZooListing, list_zoos, save_listings
from zoo.run_config import RunConfig
from zoo.settings import RefreshSettings
from zoo.workers.local_pool import preload_workers
from zoo.workers.processes import check_main_guard
from zoo.workers.supervised_process import SupervisedProcess

_WORKER = "zoo.measurement.worker"
Row = dict[Any, Any]


@dataclass
class MeasureSummary:
    """The result of one measurement run."""

    run: str
    rows: list[Row] = field(default_factory=list)  # all requested ones, from the table or new
    measured: int = 0
    failed: int = 0  # new rows that failed, except batches that did not fit into memory
    seconds: float = 0.0


@dataclass(frozen=True)
class _MeasureTask:
    """A job with the key of its rows, and the rows that the table already has."""

    job: MeasureJob
    run: RunConfig  # with the device's id, and its runtime and threads
    environment: str
    known: Mapping[tuple[Any, ...], Row]  # by `speed_key`

    def row_key(self, batch: int) -> Row:
        """The columns that name the measurement of a batch."""
        key = self.job.key
        model = {"zoo": key.zoo, "arch": key.arch, "input": key.input, "variant": str(key.variant)}
        return {**model, **replace(self.run, batch=batch).columns()}

    def known_row(self, batch: int) -> Row | None:
        """The row of a batch, if the table has it from this environment."""
        return self.known.get(speed_key(self.row_key(batch), self.environment))


def measure(settings: MeasureSettings, listener: MeasureListener | None = None) -> MeasureSummary:
    """Measures the requested speeds that the table `speed` does not have from this environment.

    Raises:
        BusyError: if another process measures with this cache; both would slow each other down.
        ZooError: if a zoo or model is unknown, a device of torch is not there, or the cache cannot be written.
    """
    check_main_guard()
    store = Store(settings.cache)
    store.prepare()
    with locked(store.files, "measure", what="Another process measures with this cache", wait=False):
        return _Session(settings, store, listener or MeasureListener()).measure_all()


class _Session:
    """One run of measuring."""

    def __init__(self, settings: MeasureSettings, store: Store, listener: MeasureListener) -> None:
        self._settings, self._store, self._listener = settings, store, listener
        self._summary = MeasureSummary(uuid.uuid4().hex[:12])
        self._peaks: dict[RunConfig, float | None] = {}

    def measure_all(self) -> MeasureSummary:
        started = time.perf_counter()
        listings = list_zoos(RefreshSettings(self._settings.cache, dict(self._settings.zoos)), self._store)
        save_listings(self._store, listings)
        preload_workers([_WORKER, *adapter_modules(listings)])
        tasks = self._make_tasks(listings)
        left = self._plan_missing(tasks)
        for task in tasks:
            self._measure_task(task, left)
        compact_if_scattered(self._store)
        self._summary.seconds = time.perf_counter() - started
        return self._summary

    def _make_tasks(self, listings: Mapping[str, ZooListing]) -> list[_MeasureTask]:
        settings = self._settings
        chosen = {name: select(one.architectures, settings.zoos[name].selection) for name, one in listings.items()}
        jobs = measure_jobs(settings, chosen)
        machines = {run: self._environment(run) for run in dict.fromkeys(settings.runs)}
        known = index_speeds(self._store.speeds(failed=True).iloc[: 0 if settings.rebuild else None])
        tasks = []
        for job in jobs:
            machine, zoo = machines[job.run], job.key.zoo
            model = {"library": f"{zoo} {listings[zoo].library_version}", "fingerprint": job.architecture.fingerprint}
            environment = environment_json({**machine, **{name: value for name, value in model.items() if value}})
            tasks.append(_MeasureTask(job, self._actual_run(job.run, machine), environment, known))
        return tasks

    def _actual_run(self, run: RunConfig, machine: Mapping[str, Any]) -> RunConfig:
        version, _, build = str(machine["torch"]).partition("+")
        runtime = f"torch-{version}" + (f"+{build}" if build and not run.is_cpu else "")
        device = self._settings.device_id or device_id(machine, self._settings.devices.values())
        return replace(run, device=device, runtime=runtime, threads=machine.get("threads"))

    def _plan_missing(self, tasks: Sequence[_MeasureTask]) -> TimeLeft:
        settings = self._settings
        absent = [
            (task.job, batch) for task in tasks for batch in missing_batches(settings.batches, settings.max_batch, task.known_row)
        ]
        self._peaks = {run: self._measure_peak(run) for run in dict.fromkeys(job.run for job, _ in absent)}
        left = TimeLeft(absent, self._store.costs(columns=["flops"]), self._peaks)
        total = len(tasks) * (len(settings.batches) + (settings.max_batch is not None))
        self._listener.planned(total, len(absent), left.seconds(), left.most_s)
        return left

    def _measure_peak(self, run: RunConfig) -> float | None:
        peak = self._request("peak", run)
        if isinstance(peak, Failure):
            self._listener.notify(f"The peak rate of {run.device} in {run.precision.dtype} is not known: {peak}")
            return None
        return float(peak)

    def _environment(self, run: RunConfig) -> dict[str, Any]:
        """The environment of a machine."""
        environment = self._request("environment", run)
        if isinstance(environment, Failure):
            why = environment.message or environment
            raise SpeedError(f"Nothing can be measured on '{run.device}': {why}. Choose --device cpu, cuda or mps.")
        return dict(environment)

    def _request(self, what: str, run: RunConfig) -> Any:
        with SupervisedProcess(f"{_WORKER}:machine_answers", run) as process:
            return process.request(what, self._settings.timeout_s)

    def _measure_task(self, task: _MeasureTask, left: TimeLeft) -> None:
        with SupervisedProcess(f"{_WORKER}:model_answers", task.job) as process:

            def attempt(batch: int) -> Row:
                row = task.known_row(batch)
                if row is None:
                    row = self._speed_row(task, batch, process.request(batch, self._settings.timeout_s))
                    self._commit(row, left)
                return dict(row)

            rows = [attempt(batch) for batch in self._settings.batches]
            if self._settings.max_batch is not None:
                rows += [row for _, row in halving(self._settings.max_batch, attempt, is_too_large)]
        self._summary.rows += list({row["batch"]: row for row in rows}.values())

    def _speed_row(self, task: _MeasureTask, batch: int, outcome: Any) -> Row:
        """A row of the table `speed`."""
        now, peak = datetime.now(UTC), self._peaks[task.job.run]
        row: Row = {
            **task.row_key(batch),
            "environment": task.environment,
            "peak_gflops_per_s": peak,
            "source": f"measured by zoometer {metadata.version('zoometer')}",
            "run": self._summary.run,
            "measured_at": now,
            "added_at": now,
        }
        if isinstance(outcome, Failure):
            return row | {"status": FAILED, "reason": str(outcome)}
        timing = outcome.timing
        achieved = None if outcome.flops is None else outcome.flops / timing.median_s / 1e9
        return row | {
            "status": MEASURED,
            "reason": _imprecision(timing.half_width, timing.repetitions, task.job.target.half_width),
            "samples_per_s": batch / timing.median_s,
            "latency_ms": 1000 * timing.median_s,
            "spread": timing.spread,
            "half_width": timing.half_width,
            "repetitions": timing.repetitions,
            "peak_memory_bytes": outcome.peak_memory_bytes,
            "achieved_gflops_per_s": achieved,
            "share_of_peak": achieved / peak if achieved is not None and peak else None,
        }

    def _commit(self, row: Row, left: TimeLeft) -> None:
        self._store.append("speed", table_of("speed", [row]))
        self._summary.measured += row["status"] == MEASURED
        self._summary.failed += row["status"] == FAILED and not is_too_large(row)
        left.done(row)
        self._listener.measured(row, left.seconds())


def _imprecision(half_width: float | None, repetitions: int, target: float) -> str | None:
    """A note on a time that is less precise than its target; None if it is precise enough."""
    if half_width is not None and half_width <= target:
        return None
    known = "" if half_width is None else f", where the median is known to ±{half_width:.1%}"
    return f"stopped after {repetitions} repetition{'s' if repetitions > 1 else ''}{known}; ±{target:.1%} was the target"
