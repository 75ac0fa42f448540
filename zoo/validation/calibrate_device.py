"""From measured speeds on a device to its calibrations: models are traced, estimated, and held against what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from zoo.cache.store import Store
from zoo.devices.device_names import DeviceNames
from zoo.devices.device_spec import GPU_KINDS
from zoo.devices.devices import Device
from zoo.errors import SpeedError
from zoo.estimation.calibration import KEY, LEAST_MEASUREMENTS, Calibration, calibrate
from zoo.estimation.constants import constants_for
from zoo.estimation.estimate import estimate
from zoo.measurement.speed_imports import known_speeds
from zoo.measurement.speed_tables import precision_of
from zoo.records import Architecture, TraceKey, Variant
from zoo.refresh.fill_missing import fill_missing_traces, list_architectures
from zoo.run_config import TRACED, Precision, RunConfig
from zoo.settings import Execution, Listener
from zoo.validation.calibration_store import keep_calibration
from zoo.validation.metrics import Agreement, agreement

_FOLDS = 10
_RUN = ["precision", "layout", "compiled"]
_MODEL = list(KEY)


@dataclass(frozen=True)
class Calibrated:
    """What the measurements of one run configuration gave."""

    calibration: Calibration
    path: str  # where it is kept
    before: Agreement | None  # of estimates without it; None where there are none without
    after: Agreement  # of estimates with it, each model's made without its own measurement
    unused: tuple[str, ...]  # models that were measured and have no estimate, with the reason
    left_out: int  # measurements of other runtimes and numbers of threads


@dataclass(frozen=True, slots=True)
class NotCalibrated:
    """A run configuration that cannot be calibrated."""

    precision: str
    layout: str
    compiled: bool
    reason: str


def calibrate_device(
    cache: str, device: Device, files: Sequence[Path] = (), execution: Execution = Execution(), listener: Listener | None = None
) -> list[Calibrated | NotCalibrated]:
    """Calibrates the estimates of a device, in each run configuration that was measured often enough, and keeps the results.

    Args:
        cache: whose measurements are used, and where traces and calibrations are kept.
        device: the device, with its data sheet.
        files: tables of speeds, used in place of the cache's measurements.
        execution: how models that are not traced yet are.
        listener: is told of the tracing.

    Raises:
        SpeedError: if nothing was measured on the device, or a file is no table of speeds.
        ZooError: if a zoo is not installed, or the cache cannot be written.
    """
    store = Store(cache)
    store.prepare()
    speeds = measurements(store, device, files)
    done: list[Calibrated | NotCalibrated] = []
    for (precision, layout, compiled), rows in speeds.groupby(_RUN, sort=True):
        try:
            parsed = Precision.parse(str(precision))
            if parsed is None or parsed not in TRACED:
                raise SpeedError(f"nothing is known of how models run in {precision}")
            run = RunConfig(device.id, parsed, str(layout), compiled=bool(compiled))
            done.append(_calibrate_run(store, device, run, rows, execution, listener))
        except SpeedError as error:
            done.append(NotCalibrated(str(precision), str(layout), bool(compiled), str(error)))
    return done


def measurements(store: Store, device: Device, files: Sequence[Path]) -> pd.DataFrame:
    """What was measured on the device, with the precision that each row's models have to be traced in.

    Raises:
        SpeedError: if that is nothing.
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


def _calibrate_run(
    store: Store, device: Device, run: RunConfig, rows: pd.DataFrame, execution: Execution, listener: Listener | None
) -> Calibrated:
    chosen = _of_one_runtime(rows)
    if len(chosen) < LEAST_MEASUREMENTS:
        raise SpeedError(f"{len(chosen)} of at least {LEAST_MEASUREMENTS} measurements; ten of different families are better")
    keys = trace_keys(store, chosen, run)
    fill_missing_traces(keys, store.address, execution, listener)
    workloads = store.workloads(precision=run.precision, layout=run.layout)
    estimating = Estimating(device, run, workloads.merge(pd.DataFrame(keys)[[*_MODEL, "classes"]].astype({"classes": "Int64"})))
    estimates = estimating.of(chosen)
    calibration = calibrate(estimates, chosen, KEY)
    after = pd.concat(list(_held_out(estimating, estimates, chosen)), ignore_index=True)
    return Calibrated(
        calibration,
        keep_calibration(store, calibration),
        None if estimating.needs_calibration else compare(estimates, chosen),
        compare(after, chosen),
        tuple(_unused(estimates, chosen)),
        len(rows) - len(chosen),
    )


def _of_one_runtime(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the runtime and number of threads that most were measured with: they must not be mixed."""
    groups = rows.groupby(["runtime", "threads"], dropna=False, sort=False)
    largest = max((group for _, group in groups), key=len)
    return largest.astype({"latency_ms": float, "batch": int})


def trace_keys(store: Store, rows: pd.DataFrame, run: RunConfig) -> list[TraceKey]:
    """The traces that estimates of measured models rest on: with the head that the architecture has."""
    known: Mapping[tuple[str, str], Architecture] = {
        (one.zoo, one.name): one for one in store.architectures() or list_architectures(store.address, set(rows["zoo"]))
    }
    return [
        TraceKey(
            zoo,
            arch,
            input,
            0 if variant == Variant.FEATURES else known[zoo, arch].classes,
            variant,
            precision=run.precision,
            layout=run.layout,
        )
        for zoo, arch, input, variant in rows[_MODEL].drop_duplicates().itertuples(index=False)
        if (zoo, arch) in known
    ]


@dataclass(frozen=True)
class Estimating:
    """Estimates of measured models in one run configuration."""

    device: Device
    run: RunConfig
    workloads: pd.DataFrame

    @property
    def needs_calibration(self) -> bool:
        """Whether there are no estimates to be shown without a calibration."""
        return constants_for(is_gpu=self._is_gpu, compiled=self.run.compiled).needs_calibration

    @property
    def _is_gpu(self) -> bool:
        return self.device.kind in GPU_KINDS

    def of(self, rows: pd.DataFrame, calibration: Calibration | None = None) -> pd.DataFrame:
        """An estimate for each measured model and batch."""
        found = [
            estimate(
                self.workloads.merge(rows.loc[rows["batch"] == batch, _MODEL].drop_duplicates(), on=_MODEL),
                self.device,
                replace(self.run, batch=batch),
                calibration=calibration,
                for_calibration=True,
            )
            for batch in sorted({int(batch) for batch in rows["batch"]})
        ]
        return pd.concat(found, ignore_index=True)


def _held_out(estimating: Estimating, estimates: pd.DataFrame, rows: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Estimates with calibrations that have not seen the model's own measurement, as far as enough are left."""
    names = rows[_MODEL].astype(str).agg("/".join, axis=1)
    distinct = sorted(set(names))
    folds = {name: index % min(_FOLDS, len(distinct)) for index, name in enumerate(distinct)}
    fold = names.map(folds).to_numpy()
    for number in np.unique(fold):
        try:
            calibration = calibrate(estimates, rows[fold != number], KEY)
        except SpeedError:  # too few are left: then all of them serve
            calibration = calibrate(estimates, rows, KEY)
        yield estimating.of(rows[fold == number], calibration)


def compare(estimates: pd.DataFrame, rows: pd.DataFrame) -> Agreement:
    """How well estimates agree with what was measured, where there are both."""
    joined = rows.merge(estimates[estimates["latency_ms"].notna()], on=[*_MODEL, "batch"], suffixes=("_measured", ""))
    columns = ("latency_ms_measured", "latency_ms", "latency_low_ms", "latency_high_ms")
    return agreement(*(joined[name].to_numpy(float) for name in columns))


def _unused(estimates: pd.DataFrame, rows: pd.DataFrame) -> Iterator[str]:
    joined = rows[_MODEL].drop_duplicates().merge(estimates, on=_MODEL, how="left")
    for row in joined[joined["latency_ms"].isna()].drop_duplicates(_MODEL).to_dict("records"):
        why = row["latency_from"] if isinstance(row["latency_from"], str) else "it could not be traced"
        yield f"{row['zoo']}/{row['arch']} {row['input']}: {why}"
