"""Latencies of single models on a device: measured before published, published before estimated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from reports.columns.budget_columns import INTERVAL, LATENCY, THROUGHPUT
from reports.config.run_section import RunSection
from reports.leaderboard.report import ORIGINS
from reports.selection.speeds.candidate_speeds import add_speeds
from reports.selection.speeds.device_lookup import look_up_device
from reports.selection.speeds.estimate_basis import find_basis, needed_trace
from reports.selection.speeds.speed_estimates import CachedSpeeds
from zoo.cache.store import Store
from zoo.devices.device import Device
from zoo.records import CostKey
from zoo.run_config import RunConfig

_FREE = ("batch", "layout", "compiled")  # what measurements may differ in where it is not stated


@dataclass(frozen=True)
class DeviceRun:
    """A device, and how models run on it."""

    device: Device
    run: RunConfig
    unstated: tuple[str, ...] = ()  # fields of `run` that measurements may differ in

    def trace_for(self, store: Store) -> RunConfig | None:
        """The mode of the traces that estimates are made from; None where there are no estimates."""
        return None if find_basis(self.device, self.run, store).refusal else needed_trace(self.device, self.run)


@dataclass(frozen=True)
class ModelLatency:
    """The latency of one model at one input. Figures are None where nothing is known."""

    input: str
    variant: str
    latency_ms: float | None  # of one step of the batch
    latency_low_ms: float | None  # of an estimate: nine in ten measured times lie between the two
    latency_high_ms: float | None
    samples_per_s: float | None
    kind: str | None  # one of `ORIGINS`
    latency_from: str  # how it is known and under which conditions; or why it is not, and the next step


def find_device_run(name: str, file: Path | None, stated: Mapping[str, Any], cache: str) -> DeviceRun:
    """A device and how models run on it, by name, as far as it is stated, in the one runtime of all latencies there.

    Args:
        name: of the device.
        file: with devices of a user's own.
        stated: any of dtype, batch, layout, compiled, runtime, processor and threads.
        cache: whose speeds may name a device of their own, and decide on the runtime.

    Raises:
        ConfigError: if a value of `stated` is wrong.
        UnknownNameError: if there is no such device.
    """
    section, store = RunSection.from_options({"device": name, **stated}), Store(cache)
    device = look_up_device(name, file, store)
    assert device is not None
    unstated = tuple(field for field in _FREE if field not in stated)
    return DeviceRun(device, CachedSpeeds(store).in_runtime(device, section.run(), unstated), unstated)


def latencies_on(
    device_run: DeviceRun, keys: Sequence[CostKey], families: Sequence[str | None], store: Store
) -> list[ModelLatency]:
    """The latency of each model.

    Args:
        device_run: the device, and how the models run.
        keys: of the models.
        families: of their architectures, in the same order.
        store: a cache with measurements, and with what estimates are made from.
    """
    table = pd.DataFrame([key._asdict() for key in keys]).assign(family=pd.array(list(families), dtype="string"))
    table = table.astype({name: "Int64" if name in ("classes", "batch") else "string" for name in table.columns})
    sources = CachedSpeeds(store).on_device(device_run.device, device_run.run, device_run.unstated)
    found, note = add_speeds(table, device_run.run, sources)
    is_unknown = bool(found[LATENCY.key].isna().all())
    return [_latency(row, note, is_unknown=is_unknown) for row in found.to_dict("records")]


def latency_record(device_run: DeviceRun, latency: ModelLatency) -> dict[str, Any]:
    """The latency with its device and its run configuration, units in the names."""
    run = device_run.run
    stated = {name: value for name, value in run.columns().items() if name != "device"}
    return {"device": device_run.device.id, **stated, "processor": run.processor, **asdict(latency)}


def _latency(row: Mapping[Any, Any], note: str, *, is_unknown: bool) -> ModelLatency:
    latency_ms, low_ms, high_ms, rate = (
        None if pd.isna(row[name]) else float(row[name]) for name in (LATENCY.key, *INTERVAL, THROUGHPUT.key)
    )
    origin = "" if pd.isna(row["latency_from"]) else str(row["latency_from"])
    kind = next((kind for kind in ORIGINS if origin.startswith(kind)), None) if latency_ms is not None else None
    known_from = note if is_unknown or kind == "measured" else origin
    return ModelLatency(row["input"], row["variant"], latency_ms, low_ms, high_ms, rate, kind, known_from)
