"""Measuring models on this machine, one after another, each in a process of its own, and committing each time as it comes."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib import metadata
from typing import Any, Protocol

from zoo.adapters.base import select
from zoo.adapters.registry import adapter_modules
from zoo.cache.maintenance import compact_if_scattered
from zoo.cache.schema.tables import table_of
from zoo.cache.storage.locks import locked
from zoo.cache.store import Store
from zoo.errors import SpeedError
from zoo.jobs import Failure
from zoo.measurement.environment import as_text, device_id
from zoo.measurement.plan import FAILED, MEASURED, Known, Place, Subject, is_too_large, missing, subjects
from zoo.measurement.repetition import halving
from zoo.measurement.settings import MeasureSettings
from zoo.measurement.time_left import TimeLeft
from zoo.refresh.catalogue import ZooListing, list_zoos, save_listings
from zoo.run_config import RunConfig
from zoo.settings import RefreshSettings
from zoo.workers.local_pool import preload_workers
from zoo.workers.processes import check_main_guard
from zoo.workers.supervised_process import SupervisedProcess

Row = dict[Any, Any]


class MeasureListener(Protocol):
    """Is told how measuring goes."""

    def planned(self, total: int, to_measure: int, expected_s: float, most_s: float) -> None:
        """So many measurements are asked for, so many have to be made, and they will take about so long, and no longer than that."""

    def measured(self, row: Mapping[Any, Any], left_s: float) -> None:
        """One measurement was made, or failed, and is committed; the rest will take about so long."""

    def notify(self, message: str) -> None:
        """Something a person should know."""


class Quiet:
    """A listener that does nothing."""

    def planned(self, total: int, to_measure: int, expected_s: float, most_s: float) -> None: ...

    def measured(self, row: Mapping[Any, Any], left_s: float) -> None: ...

    def notify(self, message: str) -> None: ...


@dataclass
class MeasureSummary:
    """What one run of measuring did."""

    run: str
    rows: list[Row] = field(default_factory=list)  # all that were asked for, from the table or new
    measured: int = 0
    failed: int = 0  # new rows that failed, a batch too large for the memory apart
    seconds: float = 0.0


def measure(settings: MeasureSettings, listener: MeasureListener | None = None) -> MeasureSummary:
    """Measures what the settings ask for and the table `speed` does not have from this environment.

    Raises:
        BusyError: if another process measures with this cache: they would disturb each other.
        ZooError: if a zoo or model is unknown, a device of torch is not there, or the cache cannot be written.
    """
    check_main_guard()
    store = Store(settings.cache)
    store.prepare()
    with locked(store.files, "measure", what="Another process measures with this cache", wait=False):
        return _Run(settings, store, listener or Quiet()).do()


class _Run:
    """One run of measuring."""

    def __init__(self, settings: MeasureSettings, store: Store, listener: MeasureListener) -> None:
        self._settings, self._store, self._listener = settings, store, listener
        self._summary = MeasureSummary(uuid.uuid4().hex[:12])
        self._libraries: dict[str, str] = {}
        self._peaks: dict[RunConfig, float | None] = {}

    def do(self) -> MeasureSummary:
        started = time.perf_counter()
        listings = self._list_zoos()
        chosen = {name: select(one.architectures, self._settings.zoos[name].selection) for name, one in listings.items()}
        asked = subjects(self._settings, listings, chosen)
        preload_workers(["zoo.measurement.worker", *adapter_modules(listings)])
        places = {run: self._find_place(run) for run in dict.fromkeys(self._settings.runs)}
        known = Known(self._store.speeds(failed=True).iloc[: 0 if self._settings.rebuild else None])
        left = self._plan(asked, places, known)
        for subject in asked:
            self._measure_subject(subject, places[subject.run], known, left)
        compact_if_scattered(self._store)
        self._summary.seconds = time.perf_counter() - started
        return self._summary

    def _list_zoos(self) -> dict[str, ZooListing]:
        listings = list_zoos(RefreshSettings(self._settings.cache, dict(self._settings.zoos)), self._store)
        save_listings(self._store, listings)
        self._libraries = {name: f"{name} {listing.library_version}" for name, listing in listings.items()}
        return listings

    def _find_place(self, run: RunConfig) -> Place:
        with SupervisedProcess(_serve_machine, run) as process:
            facts = process.request("environment", self._settings.timeout_s)
        if isinstance(facts, Failure):
            raise SpeedError(
                f"Nothing can be measured on '{run.device}': {facts.message or facts}. Choose --device cpu, cuda or mps."
            )
        torch_version, _, build = str(facts["torch"]).partition("+")
        runtime = f"torch-{torch_version}" + (f"+{build}" if build and not run.is_cpu else "")
        device = self._settings.device_id or device_id(facts, self._settings.devices.values())
        return Place(replace(run, device=device, runtime=runtime, threads=facts.get("threads")), facts)

    def _plan(self, asked: Sequence[Subject], places: Mapping[RunConfig, Place], known: Known) -> TimeLeft:
        settings = self._settings
        absent = [
            (subject, batch)
            for subject in asked
            for batch in missing(settings.batches, settings.max_batch, self._recall(subject, places[subject.run], known))
        ]
        for run in dict.fromkeys(subject.run for subject, _ in absent):
            self._peaks[run] = self._measure_peak(run)
        left = TimeLeft(absent, self._store.costs(columns=["flops"]), self._peaks)
        total = len(asked) * (len(settings.batches) + (settings.max_batch is not None))
        self._listener.planned(total, len(absent), left.seconds(), left.most_s)
        return left

    def _measure_peak(self, run: RunConfig) -> float | None:
        with SupervisedProcess(_serve_machine, run) as process:
            peak = process.request("peak", self._settings.timeout_s)
        if isinstance(peak, Failure):
            self._listener.notify(f"The peak rate of {run.device} in {run.precision.dtype} is not known: {peak}")
            return None
        return float(peak)

    def _recall(self, subject: Subject, place: Place, known: Known) -> Any:
        environment = as_text(self._environment(subject, place))
        return lambda batch: known.row(_identity(subject, place, batch), environment)

    def _environment(self, subject: Subject, place: Place) -> dict[str, Any]:
        """The facts of the machine and the library that has the model; of a declared model, what its source is."""
        own = {"library": self._libraries[subject.key.zoo], "fingerprint": subject.architecture.fingerprint}
        return {**place.facts, **{name: value for name, value in own.items() if value}}

    def _measure_subject(self, subject: Subject, place: Place, known: Known, left: TimeLeft) -> None:
        recall = self._recall(subject, place, known)
        with SupervisedProcess(_serve_model, subject) as process:

            def attempt(batch: int) -> Row:
                row = recall(batch)
                if row is None:
                    row = self._row(subject, place, batch, process.request(batch, self._settings.timeout_s))
                    self._commit(row, left)
                return dict(row)

            rows = [attempt(batch) for batch in self._settings.batches]
            if self._settings.max_batch is not None:
                rows += [row for _, row in halving(self._settings.max_batch, attempt, is_too_large)]
        self._summary.rows += list({row["batch"]: row for row in rows}.values())

    def _row(self, subject: Subject, place: Place, batch: int, outcome: Any) -> Row:
        """A row of the table `speed`."""
        now = datetime.now(UTC)
        row: Row = {
            **_identity(subject, place, batch),
            "environment": as_text(self._environment(subject, place)),
            "peak_gflops_per_s": self._peaks[subject.run],
            "source": f"measured by zoometer {metadata.version('zoometer')}",
            "run": self._summary.run,
            "measured_at": now,
            "added_at": now,
        }
        if isinstance(outcome, Failure):
            return row | {"status": FAILED, "reason": str(outcome)}
        timing, peak = outcome.timing, self._peaks[subject.run]
        achieved = None if outcome.flops is None else outcome.flops / timing.median_s / 1e9
        return row | {
            "status": MEASURED,
            "reason": _imprecision(timing.half_width, timing.repetitions, subject.target.half_width),
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


def _identity(subject: Subject, place: Place, batch: int) -> Row:
    """The key of a measurement."""
    key = subject.key
    model = {"zoo": key.zoo, "arch": key.arch, "input": key.input, "variant": str(key.variant)}
    return {**model, **replace(place.run, batch=batch).columns()}


def _imprecision(half_width: float | None, repetitions: int, wanted: float) -> str | None:
    """What is to be said of a time that is not known as precisely as wanted."""
    if half_width is not None and half_width <= wanted:
        return None
    known = "" if half_width is None else f", where the median is known to ±{half_width:.1%}"
    return f"stopped after {repetitions} repetition{'s' if repetitions > 1 else ''}{known}; ±{wanted:.1%} was wanted"


def _serve_machine(*args: Any) -> None:
    from zoo.measurement.worker import serve_machine  # here, because importing it imports torch

    serve_machine(*args)


def _serve_model(*args: Any) -> None:
    from zoo.measurement.worker import serve_model

    serve_model(*args)
