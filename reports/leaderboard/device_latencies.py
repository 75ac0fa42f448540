"""Latencies on every device of which something is known: what a reader of the page or the workbook chooses among.

They are those of `zoometer select --device … --dtype … --layout …` at one image: measured before published, published before
estimated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from reports.leaderboard.report import DeviceLatencies
from reports.selection.candidate_speeds import SpeedSources
from reports.selection.candidates import build_candidates
from reports.selection.published_speeds import SPEED_KEY, fastest_on_all_devices
from reports.selection.speed_estimates import MODEL_KEY, CachedSpeeds, round_estimates
from zoo.devices.device import Device
from zoo.errors import SpeedError
from zoo.run_config import LAYOUTS, Precision, RunConfig

_MEASURED, _PUBLISHED, _ESTIMATED = range(3)
_ON_GPUS = tuple(
    RunConfig(precision=p, layout=layout) for p in (Precision.FP32, Precision.FP16, Precision.AMP) for layout in LAYOUTS
)
_ELSEWHERE = tuple(RunConfig(precision=precision) for precision in (Precision.FP16, Precision.INT8, Precision.W8A16))
"""How models run in the choices: eager, one image."""


def build_device_latencies(
    leaderboard: pd.DataFrame, cached: CachedSpeeds, devices: Iterable[Device]
) -> tuple[DeviceLatencies, ...]:
    """Every device and run configuration for which at least one row has a latency, in the order of the devices.

    Args:
        leaderboard: the rows to give latencies of.
        cached: the speeds that the cache knows.
        devices: those to choose among.
    """
    sources = _Sources(leaderboard, cached)
    choices = (sources.on(device, run) for device in devices for run in dict.fromkeys((*_ON_GPUS, *_ELSEWHERE)))
    return tuple(choice for choice in choices if choice is not None)


class _Sources:
    """Everything known of speed, read once for all devices."""

    def __init__(self, leaderboard: pd.DataFrame, cached: CachedSpeeds) -> None:
        self._rows = leaderboard
        self._cached = cached
        self._sums = {run: sums for run in _ON_GPUS if (sums := cached.gpu_sums(run)) is not None}
        self._places = {run: _places(leaderboard, sums.models) for run, sums in self._sums.items()}
        self._published: dict[Precision, Mapping[str, npt.NDArray[np.float64]]] = {}
        self._measured_on = cached.measured_devices()

    def on(self, device: Device, run: RunConfig) -> DeviceLatencies | None:
        """The latencies on a device; None where nothing is known, or where the choice is there already under another precision."""
        found = self._estimated(device, run)
        if found is None:
            if run not in _ELSEWHERE:
                return None
            nothing = np.full(len(self._rows), np.nan)
            found = DeviceLatencies(device, run, nothing, nothing, nothing, np.full(len(self._rows), -1, np.int8))
        found = self._with_measured(self._with_published(found))
        return found if (found.origin >= 0).any() else None

    def _estimated(self, device: Device, run: RunConfig) -> DeviceLatencies | None:
        if run not in self._sums:
            return None
        try:
            found = self._sums[run].on(device)
        except SpeedError:
            return None
        figures = (
            np.append(round_estimates(figure), np.nan)[self._places[run]]
            for figure in (found.latency_ms, found.low_ms, found.high_ms)
        )
        latency_ms, low_ms, high_ms = figures
        origin = np.where(np.isnan(latency_ms), -1, _ESTIMATED).astype(np.int8)
        return DeviceLatencies(device, run, latency_ms, low_ms, high_ms, origin)

    def _with_published(self, known: DeviceLatencies) -> DeviceLatencies:
        precision = known.run.precision
        if precision not in self._published:
            self._published[precision] = _published(self._rows, precision)
        latencies_ms = self._published[precision].get(known.device.id)
        return known if latencies_ms is None else _over(known, latencies_ms, _PUBLISHED)

    def _with_measured(self, known: DeviceLatencies) -> DeviceLatencies:
        if known.device.id not in self._measured_on:
            return known
        measured = self._cached.measured(known.device)
        table = build_candidates(self._rows, known.run, SpeedSources(known.device, measured)).table
        is_measured = (table["latency_from"] == "measured").fillna(False)
        latencies = table["latency_ms"].where(is_measured).to_numpy(np.float64, na_value=np.nan)
        return _over(known, latencies, _MEASURED) if len(table) == len(self._rows) else known


def _published(leaderboard: pd.DataFrame, precision: Precision) -> dict[str, npt.NDArray[np.float64]]:
    """By device, the published latency of each row; NaN where there is none."""
    models = leaderboard[SPEED_KEY].drop_duplicates(ignore_index=True)
    place = (
        leaderboard[SPEED_KEY]
        .merge(models.assign(model=range(len(models))), on=SPEED_KEY, how="left")["model"]
        .to_numpy(np.int64)
    )
    found = fastest_on_all_devices(RunConfig(precision=precision)).merge(models.assign(model=range(len(models))), on=SPEED_KEY)
    latencies = {}
    for device, rows in found.groupby("device"):
        of_models = np.full(len(models), np.nan)
        of_models[rows["model"]] = rows["latency_ms"]
        latencies[str(device)] = of_models[place]
    return latencies


def _places(leaderboard: pd.DataFrame, models: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Of each row its place among some models; the place behind the last where it is none of them."""
    places = leaderboard[MODEL_KEY].merge(models.assign(place=range(len(models))), on=MODEL_KEY, how="left")["place"]
    return places.fillna(len(models)).to_numpy(np.int64)


def _over(known: DeviceLatencies, latencies_ms: npt.NDArray[np.float64], origin: int) -> DeviceLatencies:
    """The latencies with better known ones in their place, which have no interval."""
    is_better = ~np.isnan(latencies_ms)
    return replace(
        known,
        latency_ms=np.where(is_better, latencies_ms, known.latency_ms),
        low_ms=np.where(is_better, np.nan, known.low_ms),
        high_ms=np.where(is_better, np.nan, known.high_ms),
        origin=np.where(is_better, origin, known.origin).astype(np.int8),
    )
