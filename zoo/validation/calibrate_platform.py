"""From a user's measurements on a phone, an accelerator or a board to a calibration of the way of running that they were made in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from zoo.cache.store import Store
from zoo.devices.device import Device
from zoo.errors import SpeedError
from zoo.estimation.arrays import Array, Flags, Indices
from zoo.estimation.platforms.calibration import WayCalibration, calibrate_way, nearest_way
from zoo.estimation.platforms.constants import fitted_platforms
from zoo.estimation.platforms.features import TRACED, USED, features_of
from zoo.estimation.platforms.fleet import PlatformSums, why_not
from zoo.estimation.platforms.settings import Way, ways_on
from zoo.measurement.speed_imports import known_architectures
from zoo.records import MODEL_COLUMNS
from zoo.run_config import RunConfig
from zoo.settings import Execution, Listener
from zoo.validation.calibration_store import keep_way_calibration
from zoo.validation.measured_models import with_architectures, workloads_of
from zoo.validation.metrics import Agreement, agreement

_FOLDS = 10
_MS = 1000.0


@dataclass(frozen=True)
class CalibratedWay:
    """What the measurements of one way of running gave."""

    run: RunConfig
    calibration: WayCalibration
    way: Way
    path: str  # where it is kept
    before: Agreement  # of estimates without it
    after: Agreement  # of estimates with it, each model's made without its own measurement
    unused: tuple[str, ...]  # models that were measured and have no estimate


@dataclass(frozen=True)
class _Measured:
    """Measurements and their models."""

    sums: PlatformSums
    rows: Indices  # of each measurement, the row of its model
    log_s: Array  # of one image

    def without(self, left_out: Flags) -> tuple[Indices, Array]:
        return self.rows[~left_out], self.log_s[~left_out]


def calibrate_on_platform(
    store: Store, device: Device, run: RunConfig, rows: pd.DataFrame, execution: Execution, listener: Listener | None = None
) -> CalibratedWay:
    """Calibrates one way of running, and keeps the result.

    Args:
        store: where traces and calibrations are kept.
        device: measured on.
        run: how the models ran there: precision, batch and, where they are known, runtime and threads.
        rows: the measurements.
        execution: how models that are not traced yet are.
        listener: is told of the tracing.

    Raises:
        SpeedError: if nothing is known of how such devices run models, or too few models were measured.
    """
    fitted = fitted_platforms()
    ways = ways_on(device, run, fitted) or ways_on(device, RunConfig(device.id, run.precision, batch=run.batch), fitted)
    if not ways:
        raise SpeedError(why_not(device, run))
    measured, unused = _measured(store, rows, run, execution, listener)
    way = nearest_way(ways, measured.sums, measured.rows, measured.log_s)
    calibration = calibrate_way(way, measured.sums, measured.rows, measured.log_s)
    return CalibratedWay(
        run,
        calibration,
        way,
        keep_way_calibration(store, calibration),
        _agreement(measured, [(np.ones(len(measured.rows), dtype=bool), way)]),
        _agreement(measured, list(_held_out(measured, way))),
        unused,
    )


def _measured(
    store: Store, rows: pd.DataFrame, run: RunConfig, execution: Execution, listener: Listener | None
) -> tuple[_Measured, tuple[str, ...]]:
    workloads = workloads_of(store, rows, TRACED, execution, listener)
    features = features_of(workloads[[*MODEL_COLUMNS, *USED]], MODEL_COLUMNS)
    models = with_architectures(features.index.to_frame(index=False), known_architectures(store)).drop_duplicates(MODEL_COLUMNS)
    place = features.index.get_indexer(pd.MultiIndex.from_frame(rows[MODEL_COLUMNS]))
    unused = tuple(
        f"{row['zoo']}/{row['arch']} {row['input']}: it could not be traced"
        for row in rows[place < 0][MODEL_COLUMNS].to_dict("records")
    )
    sums = PlatformSums(
        features.reset_index(drop=True), features.index.to_frame(index=False).merge(models, on=MODEL_COLUMNS, how="left")
    )
    place, log_s = place[place >= 0], np.log(rows.loc[place >= 0, "latency_ms"].to_numpy(float) / run.batch / _MS)
    is_known = ~sums.is_unknown[place]
    return _Measured(sums, place[is_known], log_s[is_known]), unused


def _held_out(measured: _Measured, way: Way) -> Iterator[tuple[Flags, Way]]:
    """Of each part of the models, the way calibrated with the others; with all of them, where too few are left."""
    models = np.unique(measured.rows)
    fold = np.searchsorted(models, measured.rows) % min(_FOLDS, len(models))
    for number in np.unique(fold):
        left_out = fold == number
        try:
            calibration = calibrate_way(way, measured.sums, *measured.without(left_out))
        except SpeedError:
            calibration = calibrate_way(way, measured.sums, measured.rows, measured.log_s)
        yield left_out, calibration.way(measured.sums.fitted)


def _agreement(measured: _Measured, parts: list[tuple[Flags, Way]]) -> Agreement:
    """Of estimates with measurements, each by its own way."""
    log_time, half_width = np.zeros(len(measured.rows)), np.zeros(len(measured.rows))
    for chosen, way in parts:
        all_times, all_widths = measured.sums.log_seconds(way)
        log_time[chosen], half_width[chosen] = all_times[measured.rows[chosen]], all_widths[measured.rows[chosen]]
    figures = (measured.log_s, log_time, log_time - half_width, log_time + half_width)
    return agreement(*(_MS * np.exp(one) for one in figures))
