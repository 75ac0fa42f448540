"""From measured speeds on a device to its calibrations: models are traced, estimated, and held against what was measured."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from zoo.cache.store import Store
from zoo.devices.device_spec import GPU_KINDS
from zoo.devices.devices import Device, DeviceNames
from zoo.errors import SpeedError
from zoo.estimation.calibration import KEY, LEAST_MEASUREMENTS, Calibration, calibrate
from zoo.estimation.constants import constants_for
from zoo.estimation.estimate import estimate
from zoo.measurement.speed_imports import known_speeds
from zoo.measurement.speed_record import PRECISION_OF
from zoo.records import Architecture, TraceKey, Variant
from zoo.refresh.fill_missing import ensure_traced, list_architectures
from zoo.settings import Execution, Listener
from zoo.validation.calibration_store import keep_calibration
from zoo.validation.metrics import Agreement, agreement

_TIMM_FILE = re.compile(r"(?:speed|benchmark)-infer-.*\.csv")
"""Files that timm publishes: their amp is that of its option `--fast-norm`."""

_FOLDS = 10
_WAY = ["precision", "layout", "compiled"]
_MODEL = list(KEY)


@dataclass(frozen=True)
class Calibrated:
    """What the measurements of one way of running gave."""

    calibration: Calibration
    path: str  # where it is kept
    before: Agreement | None  # of estimates without it; None where there are none without
    after: Agreement  # of estimates with it, each model's made without its own measurement
    unused: tuple[str, ...]  # models that were measured and have no estimate, with the reason
    left_out: int  # measurements of other runtimes and numbers of threads


@dataclass(frozen=True, slots=True)
class Refused:
    """A way of running of which there can be no calibration."""

    precision: str
    layout: str
    compiled: bool
    reason: str


def calibrate_device(
    cache: str, device: Device, files: Sequence[Path] = (), execution: Execution = Execution(), listener: Listener | None = None
) -> list[Calibrated | Refused]:
    """Calibrates the estimates of a device, in each way of running that was measured often enough, and keeps the results.

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
    done: list[Calibrated | Refused] = []
    for (precision, layout, compiled), rows in speeds.groupby(_WAY, sort=True):
        way = Refused(str(precision), str(layout), bool(compiled), "")
        try:
            done.append(_calibrate_way(store, device, way, rows, execution, listener))
        except SpeedError as error:
            done.append(dataclasses.replace(way, reason=str(error)))
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
    is_timm = rows["source"].map(lambda source: bool(_TIMM_FILE.fullmatch(Path(str(source)).name)))
    rows["precision"] = rows["dtype"].map(lambda dtype: PRECISION_OF.get(dtype, dtype))
    rows.loc[is_timm & (rows["dtype"] == "amp"), "precision"] = "amp-fast-norm"
    rows["layout"] = rows["layout"].fillna("nchw")
    rows["compiled"] = rows["compiled"].fillna(value=False).astype(bool)
    return rows


def _calibrate_way(
    store: Store, device: Device, way: Refused, rows: pd.DataFrame, execution: Execution, listener: Listener | None
) -> Calibrated:
    if way.precision not in {"amp-fast-norm", *PRECISION_OF.values()}:
        raise SpeedError(f"nothing is known of how models run in {way.precision}")
    chosen = _of_one_runtime(rows)
    if len(chosen) < LEAST_MEASUREMENTS:
        raise SpeedError(f"{len(chosen)} of at least {LEAST_MEASUREMENTS} measurements; ten of different families are better")
    keys = trace_keys(store, chosen, way.precision, way.layout)
    ensure_traced(keys, store.address, execution, listener)
    workloads = store.workloads(precision=way.precision, layout=way.layout)
    estimating = Estimating(device, way, workloads.merge(pd.DataFrame(keys)[[*_MODEL, "classes"]].astype({"classes": "Int64"})))
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


def trace_keys(store: Store, rows: pd.DataFrame, precision: str, layout: str) -> list[TraceKey]:
    """The traces that estimates of measured models rest on: with the head that the architecture has."""
    known: Mapping[tuple[str, str], Architecture] = {
        (one.zoo, one.name): one for one in store.architectures() or list_architectures(store.address, set(rows["zoo"]))
    }
    return [
        TraceKey(zoo, arch, input, 0 if variant == Variant.FEATURES else known[zoo, arch].classes, variant, 1, precision, layout)
        for zoo, arch, input, variant in rows[_MODEL].drop_duplicates().itertuples(index=False)
        if (zoo, arch) in known
    ]


@dataclass(frozen=True)
class Estimating:
    """Estimates of measured models in one way of running."""

    device: Device
    way: Refused
    workloads: pd.DataFrame

    @property
    def needs_calibration(self) -> bool:
        """Whether there are no estimates to be shown without a calibration."""
        return constants_for(is_gpu=self._is_gpu, compiled=self.way.compiled).needs_calibration

    @property
    def _is_gpu(self) -> bool:
        return self.device.kind in GPU_KINDS

    def of(self, rows: pd.DataFrame, calibration: Calibration | None = None) -> pd.DataFrame:
        """An estimate for each measured model and batch."""
        found = [
            estimate(
                self.workloads.merge(rows.loc[rows["batch"] == batch, _MODEL].drop_duplicates(), on=_MODEL),
                self.device,
                batch=batch,
                precision=self.way.precision,
                layout=self.way.layout,
                compiled=self.way.compiled,
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
