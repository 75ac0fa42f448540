"""Calibrates a device with measured speeds: traces the models, estimates them and compares."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from zoo.cache.store import Store
from zoo.devices.device import Device
from zoo.devices.device_names import DeviceNames
from zoo.devices.kinds import CPU_KINDS, GPU_KINDS
from zoo.errors import SpeedError
from zoo.estimation.calibration import Calibration, calibrate, check_enough
from zoo.estimation.constants import shipped_constants
from zoo.estimation.estimate import estimate
from zoo.estimation.platforms.constants import fitted_platforms
from zoo.estimation.terms.term_models import term_model
from zoo.measurement.speed_imports import known_speeds
from zoo.measurement.speed_tables import precision_of
from zoo.records import MODEL_COLUMNS
from zoo.run_config import TRACED, Precision, RunConfig
from zoo.validation.calibrate_platform import calibrate_on_platform
from zoo.validation.calibration_store import save_calibration
from zoo.validation.measured_models import CALIBRATION_FOLDS, TraceSource
from zoo.validation.metrics import Agreement, CalibratedRun, agreement

_RUN = ["precision", "layout", "compiled"]
_PLATFORM_RUN = ["runtime", "threads", "batch"]


@dataclass(frozen=True, slots=True)
class UncalibratedRun:
    """A run configuration that cannot be calibrated."""

    precision: str
    layout: str
    compiled: bool
    reason: str


def calibrate_device(source: TraceSource, device: Device, files: Sequence[Path] = ()) -> list[CalibratedRun | UncalibratedRun]:
    """Calibrates the estimates of a device in each run configuration with enough measurements, and saves the results.

    Args:
        source: the cache with measurements and traces, which receives the calibrations.
        device: the device, with its data sheet.
        files: tables of speeds, used in place of the cache's measurements.

    Raises:
        SpeedError: if nothing was measured on the device, or a file is not a table of speeds.
        ZooError: if a zoo is not installed, or the cache cannot be written.
    """
    source.store.prepare()
    speeds = measurements(source.store, device, files)
    on_platform = speeds["runtime"].map(lambda runtime: _is_on_platform(device, runtime)).astype(bool)
    by_torch = speeds[~on_platform].groupby(_RUN, sort=True)
    by_platform = speeds[on_platform].groupby([*_RUN, *_PLATFORM_RUN], sort=True, dropna=False)
    return [
        *(_try_to_calibrate(calibrate_on_data_sheet, source, device, rows) for _, rows in by_torch),
        *(_try_to_calibrate(calibrate_on_platform, source, device, rows) for _, rows in by_platform),
    ]


def _is_on_platform(device: Device, runtime: Any) -> bool:
    """Whether published speeds are the basis of estimates with a runtime: always, except on GPUs and CPUs with torch."""
    if device.kind not in {*GPU_KINDS, *CPU_KINDS}:
        return True
    published = {str(name).lower() for fitted in fitted_platforms().values() for name in fitted.settings["runtime"].unique()}
    return not pd.isna(runtime) and str(runtime).lower() in published


def _try_to_calibrate(
    calibrate_rows: Callable[[TraceSource, Device, RunConfig, pd.DataFrame], CalibratedRun],
    source: TraceSource,
    device: Device,
    rows: pd.DataFrame,
) -> CalibratedRun | UncalibratedRun:
    """The calibration with measurements of one run configuration, or the reason why there is none."""
    first = rows.iloc[0]
    precision, layout, compiled = str(first["precision"]), str(first["layout"]), bool(first["compiled"])
    try:
        parsed = Precision.parse(precision)
        if parsed is None:
            raise SpeedError(f"nothing is known of how models run in {precision}")
        return calibrate_rows(source, device, RunConfig(device.id, parsed, layout, compiled=compiled), rows)
    except SpeedError as error:
        return UncalibratedRun(precision, layout, compiled, str(error))


def measurements(store: Store, device: Device, files: Sequence[Path]) -> pd.DataFrame:
    """The measurements on the device, with the precision in which the models of each row must be traced.

    Raises:
        SpeedError: if there are none.
    """
    rows = known_speeds(store, device.id, files, DeviceNames([device]), cached=not files)
    if rows.empty:
        where = " and ".join(map(str, files)) if files else f"The cache '{store.address}'"
        raise SpeedError(
            f"{where} has no measurement on '{device.id}'. Measure models there with zoometer measure --as {device.id}, or give a "
            "table of measurements with --from FILE."
        )
    rows["precision"] = [
        str(precision_of(dtype, str(source)) or dtype) for dtype, source in zip(rows["dtype"], rows["source"], strict=True)
    ]
    rows["layout"] = rows["layout"].fillna("nchw")
    rows["compiled"] = rows["compiled"].fillna(value=False).astype(bool)
    return rows


def calibrate_on_data_sheet(source: TraceSource, device: Device, run: RunConfig, rows: pd.DataFrame) -> CalibratedRun:
    """Calibrates the estimates from the data sheet in one run configuration, and saves the result.

    Raises:
        SpeedError: if models are not traced in the precision, or too few were measured.
    """
    if run.precision not in TRACED:
        raise SpeedError(f"nothing is known of how models run in {run.precision}")
    chosen = _of_one_runtime(rows)
    check_enough(len(chosen))
    workloads = source.workloads(chosen, run)
    estimates = estimate_measured(device, run, workloads, chosen)
    calibration = calibrate(estimates, chosen)
    after = pd.concat(list(_cross_validated(device, run, workloads, estimates, chosen)), ignore_index=True)
    needs_calibration = shipped_constants()[term_model(device, run).name].needs_calibration
    return CalibratedRun(
        run=calibration.run,
        measurements=calibration.measurements,
        factor=calibration.factor,
        standard_error=calibration.standard_error,
        path=save_calibration(source.store, calibration),
        before=None if needs_calibration else compare_estimates(estimates, chosen),
        after=compare_estimates(after, chosen),
        unused=tuple(_explain_unused(estimates, chosen)),
        left_out=len(rows) - len(chosen),
    )


def _of_one_runtime(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the most frequent combination of runtime and number of threads: combinations must not be mixed."""
    groups = rows.groupby(["runtime", "threads"], dropna=False, sort=False)
    largest = max((group for _, group in groups), key=len)
    return largest.astype({"latency_ms": float, "batch": int})


def estimate_measured(
    device: Device, run: RunConfig, workloads: pd.DataFrame, rows: pd.DataFrame, calibration: Calibration | None = None
) -> pd.DataFrame:
    """An estimate for each measured model and batch."""
    estimates = []
    for batch in sorted({int(batch) for batch in rows["batch"]}):
        models = rows.loc[rows["batch"] == batch, MODEL_COLUMNS].drop_duplicates()
        of_batch, at_batch = workloads.merge(models, on=MODEL_COLUMNS), replace(run, batch=batch)
        estimates.append(estimate(of_batch, device, at_batch, calibration=calibration, for_calibration=True))
    return pd.concat(estimates, ignore_index=True)


def _cross_validated(
    device: Device, run: RunConfig, workloads: pd.DataFrame, estimates: pd.DataFrame, rows: pd.DataFrame
) -> Iterator[pd.DataFrame]:
    """Estimates with calibrations from the measurements of other models, as long as these are enough."""
    names = rows[MODEL_COLUMNS].astype(str).agg("/".join, axis=1)
    distinct = sorted(set(names))
    folds = {name: index % min(CALIBRATION_FOLDS, len(distinct)) for index, name in enumerate(distinct)}
    fold = names.map(folds).to_numpy()
    for number in np.unique(fold):
        try:
            calibration = calibrate(estimates, rows[fold != number])
        except SpeedError:  # too few are left: all of them are used
            calibration = calibrate(estimates, rows)
        yield estimate_measured(device, run, workloads, rows[fold == number], calibration)


def compare_estimates(estimates: pd.DataFrame, rows: pd.DataFrame) -> Agreement:
    """Agreement of estimates with measurements, for models with both."""
    joined = rows.merge(estimates[estimates["latency_ms"].notna()], on=[*MODEL_COLUMNS, "batch"], suffixes=("_measured", ""))
    columns = ("latency_ms_measured", "latency_ms", "latency_low_ms", "latency_high_ms")
    return agreement(*(joined[name].to_numpy(float) for name in columns))


def _explain_unused(estimates: pd.DataFrame, rows: pd.DataFrame) -> Iterator[str]:
    joined = rows[MODEL_COLUMNS].drop_duplicates().merge(estimates, on=MODEL_COLUMNS, how="left")
    for row in joined[joined["latency_ms"].isna()].drop_duplicates(MODEL_COLUMNS).to_dict("records"):
        why = row["latency_from"] if isinstance(row["latency_from"], str) else "it could not be traced"
        yield f"{row['zoo']}/{row['arch']} {row['input']}: {why}"
