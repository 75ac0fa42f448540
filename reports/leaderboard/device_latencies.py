"""Latencies on every device of which something is known: what a reader of the page or the workbook chooses among.

They are those of `zoometer select --device … --dtype … --layout …` at one image: measured before published, published before
estimated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from reports.columns.budget_columns import LATENCY, LATENCY_FIGURES
from reports.columns.leaderboard_columns import MODEL_KEY
from reports.leaderboard.report import ORIGINS, DeviceLatencies, PlatformEstimates
from reports.selection.candidates import build_candidates
from reports.selection.speeds.candidate_speeds import SpeedSources
from reports.selection.speeds.estimate_rounding import Floats, round_estimates
from reports.selection.speeds.published_speeds import published_by_architecture, select_stated, steps_in_run
from reports.selection.speeds.speed_estimates import CachedSpeeds
from zoo.devices.device import Device
from zoo.devices.kinds import GPU_KINDS
from zoo.errors import SpeedError
from zoo.records import MODEL_COLUMNS
from zoo.run_config import LAYOUTS, TORCH, TRACED, Precision, RunConfig

if TYPE_CHECKING:
    from zoo.estimation.platforms.fleet import PlatformLatencies, PlatformSums

_MEASURED, _PUBLISHED, _ESTIMATED = range(len(ORIGINS))
_BY_DATA_SHEET = tuple(
    RunConfig(precision=p, layout=layout) for p in (Precision.FP32, Precision.FP16, Precision.AMP) for layout in LAYOUTS
)
"""How models run where a data sheet is enough for an estimate: eager, one image."""
_BY_PUBLISHED = tuple(RunConfig(precision=precision) for precision in (Precision.FP16, Precision.INT8, Precision.W8A16))
"""How they run elsewhere; float16 stands for what runtimes run in float32 or float16 as they choose."""


def build_device_latencies(
    leaderboard: pd.DataFrame, cached: CachedSpeeds, devices: Sequence[Device]
) -> tuple[tuple[DeviceLatencies, ...], PlatformEstimates | None]:
    """Every device and run configuration for which at least one row has a latency.

    Args:
        leaderboard: the rows to give latencies of.
        cached: the speeds that the cache knows.
        devices: those to choose among.

    Returns:
        The latencies in the order of the devices, and the estimates on platforms: None where no model was traced as they need it.
    """
    published = _PublishedSpeeds(leaderboard)
    measured = cached.measured_precisions()
    devices = [*devices, *(Device(name, name, "board") for name in measured.keys() - {device.id for device in devices})]
    estimated = [*_from_data_sheets(leaderboard, cached, devices)]
    platforms = _Platforms(leaderboard, cached)  # after the data sheets: its workloads are those that were read for them
    done = {(one.device.id, one.run.precision) for one in estimated}
    for device in devices:
        runs = (*_BY_PUBLISHED, *(RunConfig(precision=precision) for precision in measured.get(device.id, ())))
        estimated += [
            platforms.on(device, run, cached.in_runtime(device, run).runtime)
            for run in dict.fromkeys(runs)
            if (device.id, run.precision) not in done
        ]
    known = [_replace_known(one, published.latencies_ms(one), _PUBLISHED) for one in estimated]
    known = [
        _replace_known(one, _measured_ms(leaderboard, cached, one), _MEASURED) if one.device.id in measured else one
        for one in known
    ]
    order = {device.id: place for place, device in enumerate(devices)}
    latencies = sorted((one for one in known if (one.origin >= 0).any()), key=lambda one: order[one.device.id])
    return tuple(latencies), platforms.portable()


def _from_data_sheets(leaderboard: pd.DataFrame, cached: CachedSpeeds, devices: Sequence[Device]) -> Iterator[DeviceLatencies]:
    """Where a data sheet is enough for an estimate, and where the cache has a calibration."""
    for run in _BY_DATA_SHEET:
        calibrated = {device.id for device in devices if cached.is_calibrated(device, run)}
        for device in devices:
            if device.id in calibrated:
                yield _calibrated(leaderboard, cached, device, run)
        if (found := cached.gpu_sums(run)) is None:
            continue
        models, sums = found
        places = _places(leaderboard, models, MODEL_KEY)
        for device in devices:
            if device.kind in GPU_KINDS and device.id not in calibrated:
                try:
                    estimates = sums.on(device)
                except SpeedError:
                    continue
                one = _estimated(device, run, estimates.latency_ms, estimates.high_ms, places)
                runtime = cached.in_runtime(device, run).runtime
                yield replace(one, runtime=runtime) if runtime == TORCH else _unknown(device, run, len(leaderboard), runtime)


def _calibrated(leaderboard: pd.DataFrame, cached: CachedSpeeds, device: Device, run: RunConfig) -> DeviceLatencies:
    sources = cached.on_device(device, run)
    assert sources.estimate is not None
    table = sources.estimate(leaderboard)
    latency_ms, low_ms, high_ms = (table[name].to_numpy(np.float64, na_value=np.nan) for name in LATENCY_FIGURES)
    return DeviceLatencies(device, run, latency_ms, low_ms, high_ms, _origins(latency_ms), sources.runtime)


def _unknown(device: Device, run: RunConfig, rows: int, runtime: str | None) -> DeviceLatencies:
    nothing = np.full(rows, np.nan)
    return DeviceLatencies(device, run, nothing, nothing, nothing, np.full(rows, -1, np.int8), runtime)


def _estimated(
    device: Device, run: RunConfig, latency_ms: Floats, high_ms: Floats, places: npt.NDArray[np.int64]
) -> DeviceLatencies:
    """The estimates of models as those of rows."""
    figures = [np.append(figure, np.nan)[places] for figure in round_estimates(latency_ms, high_ms)]
    return DeviceLatencies(device, run, figures[0], figures[1], figures[2], _origins(figures[0]))


def _origins(latency_ms: Floats) -> npt.NDArray[np.int8]:
    return np.where(np.isnan(latency_ms), -1, _ESTIMATED).astype(np.int8)


class _Platforms:
    """Estimates on phones, accelerators, boards and CPUs."""

    def __init__(self, leaderboard: pd.DataFrame, cached: CachedSpeeds) -> None:
        self._cached, self._rows = cached, len(leaderboard)
        self._found: list[tuple[Device, RunConfig, PlatformLatencies]] = []
        self._sums: PlatformSums | None
        models, self._sums = cached.platform_sums(leaderboard) or (leaderboard.head(0), None)  # None: no model was traced
        self._places = _places(leaderboard, models, MODEL_KEY)

    def on(self, device: Device, run: RunConfig, runtime: str | None) -> DeviceLatencies:
        """The estimates on a device in one runtime; all unknown where there are none."""
        without = _unknown(device, run, self._rows, runtime)
        if self._sums is None or _rests_on_data_sheet(device, run):
            return without
        try:
            estimates = self._sums.on(
                device, replace(run, device=device.id, runtime=runtime), self._cached.calibrated_runs(device)
            )
        except SpeedError:
            return without
        self._found.append((device, run, estimates))
        one = _estimated(device, run, estimates.latency_ms, estimates.high_ms, self._places)
        return replace(one, runtime=runtime, is_on_platform=True)

    def portable(self) -> PlatformEstimates | None:
        """All of them as plain numbers."""
        from zoo.estimation.platforms.portable import portable

        if self._sums is None or not self._found:
            return None
        return PlatformEstimates(portable(self._sums, self._found), self._places)


def _rests_on_data_sheet(device: Device, run: RunConfig) -> bool:
    """Whether an estimate is made from the device's data sheet, so that there is none without a trace in its own mode."""
    from zoo.estimation.estimate import why_no_estimate

    return run.precision in TRACED and why_no_estimate(device, run) is None


class _PublishedSpeeds:
    """The published speeds of a leaderboard's models."""

    def __init__(self, leaderboard: pd.DataFrame) -> None:
        self._models = leaderboard[MODEL_COLUMNS].drop_duplicates(ignore_index=True)
        self._places = _places(leaderboard, self._models, MODEL_COLUMNS)
        self._published = published_by_architecture().merge(self._models.reset_index(names="place"), on=MODEL_COLUMNS)
        self._steps: dict[Precision, dict[str, pd.DataFrame]] = {}  # by precision and device, the fastest first

    def latencies_ms(self, one: DeviceLatencies) -> Floats | None:
        """The published latency of each row on a device in a run configuration, NaN where unknown; None without any."""
        steps = self._steps_in(one.run.precision).get(one.device.id)
        if steps is None:
            return None
        slowest_first = select_stated(steps, replace(one.run, runtime=one.runtime)).iloc[::-1]
        of_models = np.full(len(self._models), np.nan)
        of_models[slowest_first["place"]] = slowest_first[LATENCY.key]  # the last one of a model stays
        return of_models[self._places]

    def _steps_in(self, precision: Precision) -> dict[str, pd.DataFrame]:
        """The published steps of one image by device, in any runtime."""
        if precision not in self._steps:
            steps = steps_in_run(self._published, RunConfig(precision=precision))
            columns = ["device", "place", "processor", "threads", "runtime", LATENCY.key]
            self._steps[precision] = {str(device): rows for device, rows in steps[columns].groupby("device")}
        return self._steps[precision]


def _measured_ms(leaderboard: pd.DataFrame, cached: CachedSpeeds, one: DeviceLatencies) -> Floats | None:
    """The measured latency of each row, NaN where unknown; None where one candidate stands for several rows."""
    sources = SpeedSources(one.device, cached.measured(one.device), runtime=one.runtime)
    table = build_candidates(leaderboard, one.run, sources).table
    is_measured = (table["latency_from"] == "measured").fillna(False)
    latencies = table["latency_ms"].where(is_measured).to_numpy(np.float64, na_value=np.nan)
    return latencies if len(table) == len(leaderboard) else None


def _places(leaderboard: pd.DataFrame, models: pd.DataFrame, key: list[str]) -> npt.NDArray[np.int64]:
    """Of each row its place among some models; the place behind the last where it is none of them."""
    places = leaderboard[key].merge(models[key].assign(place=range(len(models))), on=key, how="left")["place"]
    return places.fillna(len(models)).to_numpy(np.int64)


def _replace_known(estimates: DeviceLatencies, latencies_ms: Floats | None, origin: int) -> DeviceLatencies:
    """The estimates with measured or published latencies in their place, which have no interval."""
    if latencies_ms is None:
        return estimates
    is_better = ~np.isnan(latencies_ms)
    return replace(
        estimates,
        latency_ms=np.where(is_better, latencies_ms, estimates.latency_ms),
        low_ms=np.where(is_better, np.nan, estimates.low_ms),
        high_ms=np.where(is_better, np.nan, estimates.high_ms),
        origin=np.where(is_better, origin, estimates.origin).astype(np.int8),
    )
