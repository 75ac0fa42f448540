"""Calibrates a run configuration on a phone, an accelerator or a board with the user's measurements."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from zoo.cache.store import Store
from zoo.devices.device import Device
from zoo.errors import SpeedError
from zoo.estimation.arrays import Array, Flags, Indices
from zoo.estimation.platforms.calibration import PlatformCalibration, calibrate_platform_run, nearest_platform_run
from zoo.estimation.platforms.constants import fitted_platforms
from zoo.estimation.platforms.features import TRACED, USED, features_of
from zoo.estimation.platforms.fleet import PlatformSums, why_not
from zoo.estimation.platforms.settings import PlatformRun, platform_runs_on
from zoo.measurement.speed_imports import known_architectures
from zoo.records import MODEL_COLUMNS
from zoo.run_config import RunConfig
from zoo.settings import Execution, Listener
from zoo.validation.measured_models import CALIBRATION_FOLDS, with_architectures, workloads_of
from zoo.validation.metrics import Agreement, agreement
from zoo.validation.platform_calibration_store import save_platform_calibration

_MS = 1000.0


@dataclass(frozen=True)
class CalibratedPlatformRun:
    """The calibration of one run configuration."""

    run: RunConfig
    calibration: PlatformCalibration
    platform_run: PlatformRun  # before calibration
    path: str  # of its file
    before: Agreement  # of estimates without it
    after: Agreement  # of estimates with it, each model's made without its own measurement
    unused: tuple[str, ...]  # measured models without an estimate


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
) -> CalibratedPlatformRun:
    """Calibrates one run configuration, and saves the result.

    Raises:
        SpeedError: if no platform covers the device, or too few models were measured.
    """
    fitted = fitted_platforms()
    runs = platform_runs_on(device, run, fitted) or platform_runs_on(
        device, RunConfig(device.id, run.precision, batch=run.batch), fitted
    )
    if not runs:
        raise SpeedError(why_not(device, run))
    measured, unused = _measured(store, rows, run, execution, listener)
    platform_run = nearest_platform_run(runs, measured.sums, measured.rows, measured.log_s)
    calibration = calibrate_platform_run(platform_run, measured.sums, measured.rows, measured.log_s)
    return CalibratedPlatformRun(
        run,
        calibration,
        platform_run,
        save_platform_calibration(store, calibration),
        _runs_agreement(measured, [(np.ones(len(measured.rows), dtype=bool), platform_run)]),
        _runs_agreement(measured, list(_cross_validated_runs(measured, platform_run))),
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


def _cross_validated_runs(measured: _Measured, platform_run: PlatformRun) -> Iterator[tuple[Flags, PlatformRun]]:
    """By fold of the models, the run configuration calibrated with the others, or with all where too few are left."""
    models = np.unique(measured.rows)
    fold = np.searchsorted(models, measured.rows) % min(CALIBRATION_FOLDS, len(models))
    for number in np.unique(fold):
        left_out = fold == number
        try:
            calibration = calibrate_platform_run(platform_run, measured.sums, *measured.without(left_out))
        except SpeedError:
            calibration = calibrate_platform_run(platform_run, measured.sums, measured.rows, measured.log_s)
        yield left_out, calibration.platform_run(measured.sums.fitted)


def _runs_agreement(measured: _Measured, parts: list[tuple[Flags, PlatformRun]]) -> Agreement:
    """Agreement of estimates with measurements; `parts` gives the run configuration of each."""
    log_time, half_width = np.zeros(len(measured.rows)), np.zeros(len(measured.rows))
    for chosen, platform_run in parts:
        all_times, all_widths = measured.sums.log_seconds(platform_run)
        log_time[chosen], half_width[chosen] = all_times[measured.rows[chosen]], all_widths[measured.rows[chosen]]
    figures = (measured.log_s, log_time, log_time - half_width, log_time + half_width)
    return agreement(*(_MS * np.exp(one) for one in figures))
