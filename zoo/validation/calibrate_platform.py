"""Calibrates a run configuration on a phone, an accelerator or a board with the user's measurements."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from zoo.devices.device import Device
from zoo.errors import SpeedError
from zoo.estimation.arrays import Array, Flags, Indices
from zoo.estimation.platforms.calibration import calibrate_platform_run, nearest_platform_run
from zoo.estimation.platforms.constants import fitted_platforms
from zoo.estimation.platforms.features import TRACED, USED, features_of
from zoo.estimation.platforms.fleet import PlatformSums, why_not
from zoo.estimation.platforms.settings import PlatformRun, platform_runs_on
from zoo.measurement.speed_imports import known_architectures
from zoo.records import MODEL_COLUMNS
from zoo.run_config import RunConfig
from zoo.validation.calibration_store import save_platform_calibration
from zoo.validation.measured_models import CALIBRATION_FOLDS, TraceSource, with_architectures
from zoo.validation.metrics import Agreement, CalibratedRun, agreement

_MS = 1000.0


@dataclass(frozen=True)
class _Measured:
    """Measurements of one image, and the sums of their models."""

    sums: PlatformSums
    rows: Indices  # of each measurement, the row of its model
    log_s: Array  # of one image


def calibrate_on_platform(source: TraceSource, device: Device, run: RunConfig, rows: pd.DataFrame) -> CalibratedRun:
    """Calibrates one run configuration with measurements of one runtime, number of threads and batch, and saves the result.

    Raises:
        SpeedError: if no platform covers the device, or too few models were measured.
    """
    first = rows.iloc[0]
    runtime, threads = (None if pd.isna(first[name]) else first[name] for name in ("runtime", "threads"))
    run = replace(run, batch=int(first["batch"]), runtime=runtime, threads=None if threads is None else int(threads))
    fitted = fitted_platforms()
    runs = platform_runs_on(device, run, fitted) or platform_runs_on(
        device, RunConfig(device.id, run.precision, batch=run.batch), fitted
    )
    if not runs:
        raise SpeedError(why_not(device, run))
    measured, unused = _read_measured(source, rows, run)
    platform_run = nearest_platform_run(runs, measured.sums, measured.rows, measured.log_s)
    calibration = calibrate_platform_run(platform_run, measured.sums, measured.rows, measured.log_s)
    return CalibratedRun(
        run=run,
        measurements=calibration.measurements,
        factor=calibration.factor,
        path=save_platform_calibration(source.store, calibration),
        before=_agreement_of(measured, [(np.ones(len(measured.rows), dtype=bool), platform_run)]),
        after=_agreement_of(measured, _cross_validated_runs(measured, platform_run)),
        unused=unused,
        platform_run=platform_run.describe(),
    )


def _read_measured(source: TraceSource, rows: pd.DataFrame, run: RunConfig) -> tuple[_Measured, tuple[str, ...]]:
    """The measurements of models that were traced, and sentences about the other models."""
    workloads = source.workloads(rows, TRACED)
    features = features_of(workloads[[*MODEL_COLUMNS, *USED]], MODEL_COLUMNS)
    names = features.index.to_frame(index=False)
    models = with_architectures(names, known_architectures(source.store)).drop_duplicates(MODEL_COLUMNS)
    place = features.index.get_indexer(pd.MultiIndex.from_frame(rows[MODEL_COLUMNS]))
    unused = tuple(
        f"{row['zoo']}/{row['arch']} {row['input']}: it could not be traced"
        for row in rows[place < 0][MODEL_COLUMNS].to_dict("records")
    )
    sums = PlatformSums(features.reset_index(drop=True), names.merge(models, on=MODEL_COLUMNS, how="left"))
    place, log_s = place[place >= 0], np.log(rows.loc[place >= 0, "latency_ms"].to_numpy(float) / run.batch / _MS)
    is_known = ~sums.is_unknown[place]
    return _Measured(sums, place[is_known], log_s[is_known]), unused


def _cross_validated_runs(measured: _Measured, platform_run: PlatformRun) -> Iterator[tuple[Flags, PlatformRun]]:
    """For each fold of models, the run configuration calibrated with the others; with all models where too few are left."""
    models = np.unique(measured.rows)
    fold = np.searchsorted(models, measured.rows) % min(CALIBRATION_FOLDS, len(models))
    for number in np.unique(fold):
        left_out = fold == number
        try:
            calibration = calibrate_platform_run(platform_run, measured.sums, measured.rows[~left_out], measured.log_s[~left_out])
        except SpeedError:
            calibration = calibrate_platform_run(platform_run, measured.sums, measured.rows, measured.log_s)
        yield left_out, calibration.platform_run(measured.sums.fitted)


def _agreement_of(measured: _Measured, parts: Iterable[tuple[Flags, PlatformRun]]) -> Agreement:
    """The agreement of estimates with measurements; `parts` are masks of measurements with the run configuration that estimates them."""
    log_time, half_width = np.zeros(len(measured.rows)), np.zeros(len(measured.rows))
    for chosen, platform_run in parts:
        models = measured.rows[chosen]
        log_time[chosen] = measured.sums.log_seconds(platform_run)[models]
        half_width[chosen] = measured.sums.half_width(platform_run, models)
    figures = (measured.log_s, log_time, log_time - half_width, log_time + half_width)
    return agreement(*(_MS * np.exp(one) for one in figures))
