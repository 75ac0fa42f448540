"""Estimates of speed: how long a model takes on a device that nobody has at hand.

    rows = pd.DataFrame(summarise(zoo.trace(model, (3, 224, 224), precision="amp"))).assign(model="mine")
    run = RunConfig(precision=Precision.AMP, batch=64)
    estimate(rows, find_device("rtx-4090"), run, key=["model"])
    layers(rows, find_device("rtx-4090"), run)

The time of a step is T = (D^4 + H^4)^(1/4). D, the device's, is the sum over calls of constant x term, each term a quantity of
work over a rate of the data sheet (`zoo.estimation.terms` names the modules with the formulas); H, the host's, is a fixed time for each
call. It is a roofline (Williams, Waterman and Patterson, 2009) with tile padding, with a sum where that has a maximum, and with
constants fitted to measurements: published ones, and for eager models on CPUs our own (`constants.yaml`).

A precision says how the model was traced: fp32 for float32, fp16 and bf16 for a model converted as a whole, amp for float32 weights
under torch's autocast in float16; amp-fast-norm is the same with timm's `--fast-norm`, the way of timm's published tables.

The interval is meant to hold the measured time of nine in ten models: the spread that was seen between models held out of a fit,
wider where more of the time goes into work that is hard to foresee, and, without a calibration, the spread between devices.
Where nothing supports a number there is none, and `latency_from` says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from zoo.devices.device_spec import Sheet, sheet_of
from zoo.devices.devices import Device
from zoo.errors import SpeedError
from zoo.estimation.calibration import KEY, SHARES, Calibration
from zoo.estimation.calls import Array
from zoo.estimation.constants import Constants, constants_for
from zoo.estimation.fitting import device_and_host
from zoo.estimation.term_matrix import PARTS, Prepared, prepare
from zoo.run_config import TRACED, RunConfig

FIGURES = ("latency_ms", "latency_low_ms", "latency_high_ms", "samples_per_s", *SHARES)
"""Columns of an estimate that are missing where it refuses."""

NOT_CALIBRATED = "estimated, not calibrated"

QUANTILE = 1.645
"""Of the normal distribution: 90 % lie within this many standard deviations."""
_OTHER_DEVICE_DEVIATION = 0.15
"""Standard deviation of the factor on a kind of device that nothing was fitted to: a judgement, there are no measurements."""
_MS = 1000.0


def estimate(  # noqa: PLR0913  # all but three are keyword-only
    workloads: pd.DataFrame,
    device: Device,
    run: RunConfig = RunConfig(),
    *,
    calibration: Calibration | None = None,
    for_calibration: bool = False,
    constants: Constants | None = None,
    key: Sequence[str] = KEY,
) -> pd.DataFrame:
    """Time and throughput of each model.

    Args:
        workloads: rows of `zoo.estimation.workload.summarise` with the columns of `key`; where they have columns `precision` and
            `layout` too, only those of `run` are used.
        device: whose data sheet is used.
        run: how the models run on the device; the workloads were traced in its precision and layout.
        calibration: of the device, for the same `run.for_calibration()`.
        for_calibration: give figures to calibrate with where an estimate needs a calibration first.
        constants: in place of those that come with zoometer.
        key: columns that together name a model.

    Returns:
        A row for each model: `key`, device, precision, layout, compiled, batch, `FIGURES` (NA where there is no estimate), and
        latency_from: how the figure came about, or why there is none.
    """
    run = replace(run, device=device.id)
    for name in ("precision", "layout"):
        if name in workloads:
            workloads = workloads[workloads[name] == getattr(run, name)]
    table = _empty(workloads, run, key)
    basis = _basis(device, run, calibration, constants, is_relative=for_calibration)
    if isinstance(basis, str):
        return table.assign(latency_from=basis)
    sheet, constants = basis
    prepared = prepare(workloads, sheet, batch=run.batch, compiled=run.compiled, key=key)
    table = _fill(table, prepared, constants, device, calibration)
    return _refuse_some(table, workloads, prepared, sheet)


def why_no_estimate(device: Device, run: RunConfig, calibration: Calibration | None = None) -> str | None:
    """Why no model has an estimate on this device, whatever is recorded of it; None where there are estimates."""
    basis = _basis(device, replace(run, device=device.id), calibration, None)
    return basis if isinstance(basis, str) else None


def layers(workloads: pd.DataFrame, device: Device, run: RunConfig = RunConfig()) -> pd.DataFrame:
    """Where the time of one model goes, call by call in their order.

    Args:
        workloads: of one model, in one precision and layout; `summarise(trace, by_module=True)` keeps its layers apart.
        device: whose data sheet is used.
        run: how the model runs on the device.

    Returns:
        position, module, module_class, operation and calls of the workloads; time_ms, of all these calls together and not
        calibrated; share, of the sum; bound, what takes most of it: compute, memory or overhead. A call that a compiler joins
        with an earlier one takes no time of its own.

    Raises:
        SpeedError: if there is no estimate for the device.
    """
    basis = _basis(device, run, None, None, is_relative=True)
    if isinstance(basis, str):
        raise SpeedError(f"{basis[0].upper()}{basis[1:]}.")
    sheet, constants = basis
    prepared = prepare(workloads.assign(model=""), sheet, batch=run.batch, compiled=run.compiled, key=["model"])
    parts = prepared.parts(constants.array(list(prepared.table))) * prepared.calls["calls"][:, None]
    table = workloads[["position", "module", "module_class", "operation", "calls"]].reset_index(drop=True)
    table["time_ms"] = _MS * parts.sum(axis=1)
    table["share"] = table["time_ms"] / table["time_ms"].sum()
    table["bound"] = np.where(parts.sum(axis=1) > 0, np.array(PARTS)[parts.argmax(axis=1)], "")
    return table.sort_values("position", kind="stable", ignore_index=True)


def _empty(workloads: pd.DataFrame, run: RunConfig, key: Sequence[str]) -> pd.DataFrame:
    """One row a model, in the order of their first calls, without figures."""
    table = workloads[list(key)].drop_duplicates(ignore_index=True)
    for name in ("device", "precision", "layout", "compiled", "batch"):
        table[name] = getattr(run, name)
    for name in FIGURES:
        table[name] = pd.Series(pd.NA, index=table.index, dtype="Float64")
    return table


def _basis(
    device: Device, run: RunConfig, calibration: Calibration | None, constants: Constants | None, *, is_relative: bool = False
) -> tuple[Sheet, Constants] | str:
    """What an estimate rests on, or why there is none."""
    if run.precision not in TRACED:
        return f"no estimate: nothing is known of the precision {run.precision}"
    sheet = sheet_of(device, run.precision.product_dtype)
    if isinstance(sheet, str):
        return sheet
    constants = constants or constants_for(is_gpu=sheet.is_gpu, compiled=run.compiled)
    if calibration is not None:
        if (known := calibration.run) != run.for_calibration():
            return f"no estimate: the calibration is of {known.device}, {known.precision} {known.layout} {known.execution}"
    elif constants.needs_calibration and not is_relative:
        return f"no estimate: a {device.kind} needs a calibration with measurements on it"
    return sheet, constants


def _fill(
    table: pd.DataFrame, prepared: Prepared, constants: Constants, device: Device, calibration: Calibration | None
) -> pd.DataFrame:
    """The table with its figures."""
    values = constants.array(list(prepared.table))
    parts = np.stack([prepared.by_model(part) for part in prepared.parts(values).T], axis=1)
    log_step = np.log(device_and_host(parts.sum(axis=1), prepared.host_s))
    shares = shares_of(parts, np.exp(log_step))
    own = constants.widths(hardness(prepared, values))
    if calibration is None:
        width = np.hypot(own, QUANTILE * device_deviation(constants, device))
    else:
        log_step = log_step + calibration.log_factors(shares)
        width = np.hypot(own, QUANTILE * calibration.errors(shares))
    found = np.column_stack([np.exp(log_step), np.exp(log_step - width), np.exp(log_step + width)]) * _MS
    table[list(FIGURES[:3])] = pd.DataFrame(found, index=table.index, dtype="Float64")
    images = table["batch"].to_numpy(dtype=np.float64)
    table["samples_per_s"] = pd.Series(images / np.exp(log_step), index=table.index, dtype="Float64")
    table[list(SHARES)] = pd.DataFrame(shares, index=table.index, dtype="Float64")
    how = "not calibrated" if calibration is None else f"calibrated with {calibration.measurements} measurements"
    return table.assign(latency_from=f"estimated, {how}")


def shares_of(parts: Array, step_s: Array) -> Array:
    """Of compute, memory and overhead in the time of a step; waiting for the host is overhead."""
    waiting = np.column_stack([np.zeros(len(parts)), np.zeros(len(parts)), step_s - parts.sum(axis=1)])
    shares: Array = (parts + waiting) / step_s[:, None]
    return shares


def hardness(prepared: Prepared, constants: Array) -> Array:
    """Of each model, the share of time in work that is hard to foresee: many kernels compete for it, or threads idle."""
    seconds = (prepared.terms * constants).sum(axis=1)
    hard = prepared.calls.is_any(*HARD)
    return prepared.by_model(seconds * hard) / np.maximum(prepared.by_model(seconds), 1e-30)


HARD = (
    "depthwise", "grouped", "stem", "product", "masked_attention", "softmax", "reduce", "pool", "resample", "copy", "cat",
    "recurrent", "fourier", "sort",
)  # fmt: skip
"""Work whose time is hard to foresee."""


def _refuse_some(table: pd.DataFrame, workloads: pd.DataFrame, prepared: Prepared, sheet: Sheet) -> pd.DataFrame:
    """Takes the figures of models away that nothing supports."""
    unknown = unknown_models(workloads, prepared.model)
    need = needed_bytes(workloads, prepared.model, prepared.calls.batch)
    too_large = need > (sheet.memory_bytes or np.inf)
    table.loc[unknown | too_large, list(FIGURES)] = pd.NA
    table.loc[too_large, "latency_from"] = "no estimate: it does not fit into the memory of the device"
    table.loc[unknown, "latency_from"] = "no estimate: it has operations that nothing is known of"
    return table


def device_deviation(constants: Constants, device: Device) -> float:
    """Standard deviation of the factor between devices: wider on a kind that the constants were not fitted to."""
    return constants.device_deviation if device.kind in constants.kinds else _OTHER_DEVICE_DEVIATION


def unknown_models(workloads: pd.DataFrame, model: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
    """Which models have a call whose work is unknown; `model` numbers the model of each row."""
    counts: npt.NDArray[np.bool_] = np.bincount(model, (workloads["work"] == "unknown").to_numpy(float)) > 0
    return counts


def needed_bytes(workloads: pd.DataFrame, model: npt.NDArray[np.integer], batch: Array) -> Array:
    """Memory of each model's weights and activations at the batch of its rows."""
    first = np.unique(model, return_index=True)[1]
    peak = workloads["model_peak_bytes"].to_numpy()[first] * batch[first]
    need: Array = workloads["model_weight_bytes"].to_numpy()[first] + peak
    return need
