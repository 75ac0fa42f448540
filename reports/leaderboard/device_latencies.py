"""Latencies on every device of which something is known: what a reader of the page or the workbook chooses among.

They are those of `zoometer select --device … --dtype … --layout …` at one image: measured before published, published before
estimated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from reports.columns.budget_columns import LATENCY
from reports.leaderboard.report import DeviceLatencies, PlatformEstimates
from reports.selection.candidate_speeds import SpeedSources
from reports.selection.candidates import build_candidates
from reports.selection.estimate_rounding import Floats, round_estimates
from reports.selection.published_speeds import SPEED_KEY, published_by_architecture, select_stated, steps_in_run
from reports.selection.speed_estimates import MODEL_KEY, CachedSpeeds
from zoo.devices.device import Device
from zoo.devices.kinds import GPU_KINDS
from zoo.errors import SpeedError
from zoo.run_config import LAYOUTS, TORCH, TRACED, Precision, RunConfig

if TYPE_CHECKING:
    from zoo.estimation.platforms.fleet import PlatformLatencies, PlatformSums
    from zoo.estimation.platforms.settings import PlatformRun

_MEASURED, _PUBLISHED, _ESTIMATED = range(3)
_PLACE = "place"
"""Column with the number of a model."""
_BY_DATA_SHEET = tuple(
    RunConfig(precision=p, layout=layout) for p in (Precision.FP32, Precision.FP16, Precision.AMP) for layout in LAYOUTS
)
"""How models run where a data sheet is enough for an estimate: eager, one image."""
_BY_PUBLISHED = tuple(RunConfig(precision=precision) for precision in (Precision.FP16, Precision.INT8, Precision.W8A16))
"""How they run elsewhere; float16 stands for what runtimes run in float32 or float16 as they choose."""


@dataclass(frozen=True)
class DeviceChoices:
    """What a reader may choose among."""

    latencies: tuple[DeviceLatencies, ...]  # in the order of the devices
    platforms: PlatformEstimates | None  # None: no model was traced as they need it


def build_device_latencies(leaderboard: pd.DataFrame, cached: CachedSpeeds, devices: Sequence[Device]) -> DeviceChoices:
    """Every device and run configuration for which at least one row has a latency.

    Args:
        leaderboard: the rows to give latencies of.
        cached: the speeds that the cache knows.
        devices: those to choose among.
    """
    known = _Known(leaderboard, cached)
    platforms = _Platforms.of(leaderboard, cached)
    measured = cached.measured_precisions()
    devices = [*devices, *(Device(name, name, "board") for name in measured.keys() - {device.id for device in devices})]
    found = [*_from_data_sheets(leaderboard, cached, devices)]
    done = {(one.device.id, one.run.precision) for one in found}
    for device in devices:
        runs = (*_BY_PUBLISHED, *(RunConfig(precision=precision) for precision in measured.get(device.id, ())))
        found += [
            platforms.on(device, run, cached.in_runtime(device, run).runtime)
            for run in dict.fromkeys(runs)
            if (device.id, run.precision) not in done
        ]
    order = {device.id: place for place, device in enumerate(devices)}
    latencies = sorted((known.over(one) for one in found), key=lambda one: order[one.device.id])
    return DeviceChoices(tuple(one for one in latencies if (one.origin >= 0).any()), platforms.portable())


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
        places = _places(leaderboard, models)
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
    latency_ms, low_ms, high_ms = (
        table[name].to_numpy(np.float64, na_value=np.nan) for name in ("latency_ms", "latency_low_ms", "latency_high_ms")
    )
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


@dataclass
class _Platforms:
    """Estimates on phones, accelerators, boards and CPUs."""

    rows: int  # of the leaderboard
    places: npt.NDArray[np.int64]  # of each row its model
    sums: PlatformSums | None = None  # None: no model was traced
    calibrated: Callable[[Device], Sequence[PlatformRun]] = lambda _: ()  # the run configurations that the user calibrated
    found: list[tuple[Device, RunConfig, PlatformLatencies]] = field(default_factory=list)

    @classmethod
    def of(cls, leaderboard: pd.DataFrame, cached: CachedSpeeds) -> _Platforms:
        """Those of the models of a leaderboard."""
        known = cached.platform_sums(leaderboard)
        if known is None:
            return cls(len(leaderboard), np.zeros(len(leaderboard), np.int64))
        return cls(len(leaderboard), _places(leaderboard, known[0]), known[1], cached.calibrated_ways)

    def on(self, device: Device, run: RunConfig, runtime: str | None) -> DeviceLatencies:
        """The estimates on a device in one runtime; none where there is no way to make any."""
        without = _unknown(device, run, self.rows, runtime)
        if self.sums is None or _rests_on_data_sheet(device, run):
            return without
        try:
            estimates = self.sums.on(device, replace(run, device=device.id, runtime=runtime), self.calibrated(device))
        except SpeedError:
            return without
        self.found.append((device, run, estimates))
        one = _estimated(device, run, estimates.latency_ms, estimates.high_ms, self.places)
        return replace(one, runtime=runtime, is_on_platform=True)

    def portable(self) -> PlatformEstimates | None:
        """All of them as plain numbers."""
        from zoo.estimation.platforms.portable import portable

        if self.sums is None or not self.found:
            return None
        return PlatformEstimates(portable(self.sums, self.found), self.places)


def _rests_on_data_sheet(device: Device, run: RunConfig) -> bool:
    """Whether an estimate is made from the device's data sheet, so that there is none without a trace in its own mode."""
    from zoo.estimation.estimate import why_no_estimate

    return run.precision in TRACED and why_no_estimate(device, run) is None


class _Known:
    """What was measured and published of the rows of a leaderboard."""

    def __init__(self, leaderboard: pd.DataFrame, cached: CachedSpeeds) -> None:
        self._rows = leaderboard
        self._cached = cached
        models = leaderboard[SPEED_KEY].drop_duplicates(ignore_index=True).reset_index(names=_PLACE)
        self._places = leaderboard[SPEED_KEY].merge(models, on=SPEED_KEY, how="left")[_PLACE].to_numpy(np.int64)
        self._models = len(models)
        self._published = published_by_architecture().merge(models, on=SPEED_KEY)
        self._steps: dict[Precision, dict[str, pd.DataFrame]] = {}  # by precision and device, the fastest first
        self._measured_on = cached.measured_precisions()

    def over(self, estimated: DeviceLatencies) -> DeviceLatencies:
        """The latencies with published ones in the place of estimates, and measured ones in the place of both."""
        return self._with_measured(self._with_published(estimated))

    def _with_published(self, known: DeviceLatencies) -> DeviceLatencies:
        steps = self._steps_in(known.run.precision).get(known.device.id)
        if steps is None:
            return known
        slowest_first = select_stated(steps, replace(known.run, runtime=known.runtime)).iloc[::-1]
        of_models = np.full(self._models, np.nan)
        of_models[slowest_first[_PLACE]] = slowest_first[LATENCY.key]  # the last one of a model stays
        return _over(known, of_models[self._places], _PUBLISHED)

    def _steps_in(self, precision: Precision) -> dict[str, pd.DataFrame]:
        """The published steps of one image by device, in any runtime."""
        if precision not in self._steps:
            steps = steps_in_run(self._published, RunConfig(precision=precision))
            columns = ["device", _PLACE, "processor", "threads", "runtime", LATENCY.key]
            self._steps[precision] = {str(device): rows for device, rows in steps[columns].groupby("device")}
        return self._steps[precision]

    def _with_measured(self, known: DeviceLatencies) -> DeviceLatencies:
        if known.device.id not in self._measured_on:
            return known
        measured = self._cached.measured(known.device)
        table = build_candidates(self._rows, known.run, SpeedSources(known.device, measured, runtime=known.runtime)).table
        is_measured = (table["latency_from"] == "measured").fillna(False)
        latencies = table["latency_ms"].where(is_measured).to_numpy(np.float64, na_value=np.nan)
        return _over(known, latencies, _MEASURED) if len(table) == len(self._rows) else known


def _places(leaderboard: pd.DataFrame, models: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Of each row its place among some models; the place behind the last where it is none of them."""
    places = leaderboard[MODEL_KEY].merge(models[MODEL_KEY].assign(place=range(len(models))), on=MODEL_KEY, how="left")["place"]
    return places.fillna(len(models)).to_numpy(np.int64)


def _over(known: DeviceLatencies, latencies_ms: Floats, origin: int) -> DeviceLatencies:
    """The latencies with better known ones in their place, which have no interval."""
    is_better = ~np.isnan(latencies_ms)
    return replace(
        known,
        latency_ms=np.where(is_better, latencies_ms, known.latency_ms),
        low_ms=np.where(is_better, np.nan, known.low_ms),
        high_ms=np.where(is_better, np.nan, known.high_ms),
        origin=np.where(is_better, origin, known.origin).astype(np.int8),
    )
