"""Estimates the speed of models on devices, from data sheets.

    rows = pd.DataFrame(summarise(zoo.trace(model, (3, 224, 224), precision="amp"))).assign(model="mine")
    run = RunConfig(precision=Precision.AMP, batch=64)
    estimate(rows, find_device("rtx-4090"), run, key=["model"])
    layers(rows, find_device("rtx-4090"), run)

The time of a step is T = (D^4 + H^4)^(1/4). D, the device's, is the sum over calls of constant x term, each term a quantity of
work over a rate of the data sheet (the modules of `zoo.estimation.terms` state them); H, the host's, is a fixed time for each call. It
is a roofline (Williams, Waterman and Patterson, 2009) with tile padding, with a sum in place of its maximum, and with constants fitted
to measurements: published ones, and for eager models on CPUs our own (`constants.yaml`).

The interval is to contain the measured time of nine in ten models. Its width is the spread of models held out of a fit, which is larger
where more of the time goes into work that is hard to predict, and, without a calibration, the spread between devices. A model without
an estimate has no figures, and `latency_from` has the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from zoo.devices.device import Device
from zoo.devices.device_spec import DeviceSpec, device_spec
from zoo.errors import SpeedError
from zoo.estimation.arrays import Array, Flags
from zoo.estimation.calibration import SHARES, Calibration
from zoo.estimation.constants import Constants, shipped_constants
from zoo.estimation.fitting import step_seconds
from zoo.estimation.terms.term import TermModel, TimePart
from zoo.estimation.terms.term_matrix import TermMatrix
from zoo.estimation.terms.term_models import term_model
from zoo.records import MODEL_COLUMNS
from zoo.run_config import TRACED, RunConfig

FIGURES = ("latency_ms", "latency_low_ms", "latency_high_ms", "samples_per_s", *SHARES)
"""Columns of an estimate, which are missing for models without one."""

QUANTILE = 1.645
"""Quantile of the normal distribution: 90 % of values lie within this many standard deviations."""
_OTHER_DEVICE_DEVIATION = 0.18
"""Standard deviation of the factor on a device unlike those fitted to. On two cards of a newer architecture, of which only the data
sheet was used, median errors were reported of 11.4 % (RTX 5090) and 23.8 % (RTX PRO 6000 Max-Q, held to half its sibling's power): the root
mean square of their logarithms, 0.17, and a little for there being only two. Both were reported before the rate of cards at little
power was taken to be lower (`zoo/devices/sustained.yaml`); the tables are not at hand to say by how much that helps."""
_MS = 1000.0

HARD_WORKS = (
    "depthwise", "grouped", "stem", "product", "masked_attention", "softmax", "reduce", "pool", "resample", "copy", "cat",
    "recurrent", "fourier", "sort",
)  # fmt: skip
"""Work whose time is hard to predict: libraries choose between many kernels, or threads are idle."""


@dataclass(frozen=True, slots=True)
class _Basis:
    """The inputs of estimates on a device."""

    spec: DeviceSpec
    model: TermModel
    constants: Constants
    deviation: float  # standard deviation of the factor between devices


def estimate(  # noqa: PLR0913  # all but three are keyword-only
    workloads: pd.DataFrame,
    device: Device,
    run: RunConfig = RunConfig(),
    *,
    calibration: Calibration | None = None,
    for_calibration: bool = False,
    constants: Constants | None = None,
    key: Sequence[str] = MODEL_COLUMNS,
) -> pd.DataFrame:
    """Time and throughput of each model.

    Args:
        workloads: rows of `zoo.estimation.workloads.workload.summarise` with the columns of `key`; where they have columns `precision`
            and `layout` too, only those of `run` are used.
        device: whose data sheet is used.
        run: how the models run on the device; the workloads were traced in its precision and layout.
        calibration: of the device, for the same `run.for_calibration()`.
        for_calibration: give figures to calibrate with where an estimate needs a calibration first.
        constants: in place of the shipped ones.
        key: columns that together name a model.

    Returns:
        A row for each model: `key`, device, precision, layout, compiled, batch, `FIGURES` (NA where there is no estimate), and
        latency_from: the origin of the figures, or the reason why there are none.
    """
    run = replace(run, device=device.id)
    for name in ("precision", "layout"):
        if name in workloads:
            workloads = workloads[workloads[name] == getattr(run, name)]
    table = _without_figures(workloads, run, key)
    try:
        basis = _basis(device, run, constants)
        if calibration is not None or not for_calibration:
            _check_calibration(calibration, device, run, basis.constants)
    except SpeedError as error:
        return table.assign(latency_from=f"no estimate: {error}")
    matrix = TermMatrix.of(workloads, basis.model, basis.spec, batch=run.batch, key=key)
    return _without_unsupported(_with_figures(table, matrix, basis, calibration), workloads, matrix, basis.spec)


def why_no_estimate(device: Device, run: RunConfig, calibration: Calibration | None = None) -> str | None:
    """Why no model has an estimate on this device; None if there are estimates."""
    try:
        _check_calibration(calibration, device, replace(run, device=device.id), _basis(device, run).constants)
    except SpeedError as error:
        return f"no estimate: {error}"
    return None


def layers(workloads: pd.DataFrame, device: Device, run: RunConfig = RunConfig()) -> pd.DataFrame:
    """The time of each call of one model, in their order.

    Args:
        workloads: of one model, in one precision and layout; `summarise(trace, by_module=True)` keeps its layers apart.
        device: whose data sheet is used.
        run: how the model runs on the device.

    Returns:
        position, module, module_class, operation and calls of the workloads; time_ms, of all these calls together and not
        calibrated; share, of the sum; bound, what takes most of it: compute, memory or overhead. A call that a compiler fuses
        into an earlier kernel takes no time of its own.

    Raises:
        SpeedError: if there is no estimate for the device.
    """
    try:
        basis = _basis(device, run)
    except SpeedError as error:
        raise SpeedError(f"No estimate: {error}.") from None
    matrix = TermMatrix.of(workloads.assign(model=""), basis.model, basis.spec, batch=run.batch, key=["model"])
    parts = (matrix.part_seconds(basis.constants.of_terms(matrix.names)) * matrix.calls["calls"]).T
    return layer_table(workloads, parts)


def layer_table(workloads: pd.DataFrame, part_s: Array, batch: int = 1) -> pd.DataFrame:
    """The table that `layers` returns, from the seconds of each `TimePart` of each row (rows x 3), which `batch` multiplies."""
    table = workloads[["position", "module", "module_class", "operation", "calls"]].reset_index(drop=True)
    table["time_ms"] = _MS * batch * part_s.sum(axis=1)
    table["share"] = table["time_ms"] / table["time_ms"].sum()
    table["bound"] = np.where(part_s.sum(axis=1) > 0, np.array([*map(str, TimePart)])[part_s.argmax(axis=1)], "")
    return table.sort_values("position", kind="stable", ignore_index=True)


def _without_figures(workloads: pd.DataFrame, run: RunConfig, key: Sequence[str]) -> pd.DataFrame:
    """One row a model, in the order of their first calls."""
    table = workloads[list(key)].drop_duplicates(ignore_index=True)
    for name in ("device", "precision", "layout", "compiled", "batch"):
        table[name] = getattr(run, name)
    for name in FIGURES:
        table[name] = pd.Series(pd.NA, index=table.index, dtype="Float64")
    return table


def _basis(device: Device, run: RunConfig, constants: Constants | None = None) -> _Basis:
    """The inputs of an estimate; raises SpeedError if one is unknown."""
    if run.precision not in TRACED:
        raise SpeedError(f"nothing is known of the precision {run.precision}")
    model = term_model(device, run)
    constants = constants or shipped_constants()[model.name]
    spec = device_spec(device, run.precision.product_dtype)
    return _Basis(spec, model, constants, device_deviation(constants, device))


def device_deviation(constants: Constants, device: Device) -> float:
    """Standard deviation of the factor between devices: wider on kinds and architectures that the constants were not fitted to."""
    is_like = device.kind in constants.kinds and (not constants.architectures or device.architecture in constants.architectures)
    return constants.device_deviation if is_like else _OTHER_DEVICE_DEVIATION


def _check_calibration(calibration: Calibration | None, device: Device, run: RunConfig, constants: Constants) -> None:
    if calibration is None:
        if constants.needs_calibration:
            raise SpeedError(f"a {device.kind} needs a calibration with measurements on it")
    elif (known := calibration.run) != run.for_calibration():
        raise SpeedError(f"the calibration is of {known.device}, {known.precision} {known.layout} {known.execution}")


def _with_figures(table: pd.DataFrame, matrix: TermMatrix, basis: _Basis, calibration: Calibration | None) -> pd.DataFrame:
    log_step, shares, hardness = step_times(matrix, basis.constants.of_terms(matrix.names))
    width = basis.constants.widths(hardness)
    if calibration is None:
        width = np.hypot(width, QUANTILE * basis.deviation)
        how = "not calibrated"
    else:
        log_step = log_step + calibration.log_factors(shares)
        width = np.hypot(width, QUANTILE * calibration.errors(shares))
        how = f"calibrated with {calibration.measurements} measurements"
    latencies = np.column_stack([np.exp(log_step), np.exp(log_step - width), np.exp(log_step + width)]) * _MS
    images_per_s = table["batch"].to_numpy(dtype=np.float64) / np.exp(log_step)
    figures = np.column_stack([latencies, images_per_s, shares])
    table[list(FIGURES)] = pd.DataFrame(figures, index=table.index, dtype="Float64")
    return table.assign(latency_from=f"estimated, {how}")


class StepTimes(NamedTuple):
    """The times of steps, by model."""

    log_step: Array  # logarithm of seconds
    shares: Array  # models x 3: of compute, memory and overhead; waiting for the host is overhead
    hardness: Array  # share of time in work that is hard to predict


def step_times(matrix: TermMatrix, constants: Array) -> StepTimes:
    """The times that constants give, in the order of the matrix's terms."""
    of_calls = matrix.part_seconds(constants)
    parts = np.stack([matrix.by_model(part) for part in of_calls], axis=1)
    device_s = parts.sum(axis=1)
    log_step = np.log(step_seconds(device_s, matrix.host_s()))
    step_s = np.exp(log_step)
    waiting_s = np.column_stack([np.zeros(len(parts)), np.zeros(len(parts)), step_s - device_s])
    hard_s = matrix.by_model(of_calls.sum(axis=0) * matrix.calls.is_work(*HARD_WORKS))
    return StepTimes(log_step, (parts + waiting_s) / step_s[:, None], hard_s / np.maximum(device_s, 1e-30))


def _without_unsupported(table: pd.DataFrame, workloads: pd.DataFrame, matrix: TermMatrix, spec: DeviceSpec) -> pd.DataFrame:
    """The table without figures of models that do not fit the memory or have unknown operations."""
    unknown = has_unknown_work(matrix)
    too_large = needed_bytes(workloads, matrix) > (spec.memory_bytes or np.inf)
    table.loc[unknown | too_large, list(FIGURES)] = pd.NA
    table.loc[too_large, "latency_from"] = "no estimate: it does not fit into the memory of the device"
    table.loc[unknown, "latency_from"] = "no estimate: it has operations that nothing is known of"
    return table


def has_unknown_work(matrix: TermMatrix) -> Flags:
    """Which models have a call whose work is unknown."""
    unknown: Flags = matrix.by_model(matrix.calls.is_work("unknown").astype(float)) > 0
    return unknown


def needed_bytes(workloads: pd.DataFrame, matrix: TermMatrix) -> Array:
    """Memory of each model's weights and activations at its batch."""
    first = np.unique(matrix.model_of, return_index=True)[1]
    peak = workloads["model_peak_bytes"].to_numpy()[first] * matrix.calls.batch[first]
    need: Array = workloads["model_weight_bytes"].to_numpy()[first] + peak
    return need
