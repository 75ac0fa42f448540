"""Sets of measurements with the terms of their models: the input of validation and of the fit of constants."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from zoo.cache.store import Store, key_tuples
from zoo.devices.data_sheets import shipped_devices
from zoo.devices.device import Device
from zoo.devices.device_names import DeviceNames
from zoo.devices.device_spec import device_spec
from zoo.errors import SpeedError
from zoo.estimation.arrays import Array
from zoo.estimation.fitting import Sample
from zoo.estimation.terms.term_matrix import TermMatrix
from zoo.estimation.terms.term_models import term_model
from zoo.measurement.speed_tables import Speed, precision_of, read_speeds
from zoo.records import Unmatched
from zoo.refresh.fill_missing import list_architectures
from zoo.run_config import RunConfig
from zoo.validation.measured_models import TRACED_MODEL, TraceSource, measured_trace_keys, with_architectures

_NAME = ["zoo", "arch", "input"]


@dataclass(frozen=True)
class MeasuredSet:
    """Measurements of one file in one run configuration, each with the terms of its model."""

    name: str
    device: Device
    run: RunConfig  # of any batch
    family: npt.NDArray[np.object_]
    model: npt.NDArray[np.object_]  # `timm/resnet50 3x224x224`
    measured_s: Array  # of a step
    macs: Array  # of a step
    matrix: TermMatrix  # one model a measurement, in the same order

    @classmethod
    def of(cls, name: str, device: Device, run: RunConfig, workloads: pd.DataFrame) -> MeasuredSet:
        """The set of measurements whose workloads are given.

        Args:
            name: of the set.
            device: measured on.
            run: the configuration measured.
            workloads: rows of the table `workloads`, with the batch measured, the time step_s of a step, and the family.
        """
        spec, batch = device_spec(device, run.precision.product_dtype), workloads["batch"]
        matrix = TermMatrix.of(workloads, term_model(device, run), spec, batch=batch, key=TRACED_MODEL)
        models = workloads.drop_duplicates(TRACED_MODEL, ignore_index=True)  # in the order of the matrix
        macs = matrix.by_model((workloads["macs"] * batch + workloads["free_macs"]).to_numpy(float))
        return cls(
            name=name,
            device=device,
            run=run,
            family=models["family"].to_numpy(object),
            model=(models["zoo"] + "/" + models["arch"] + " " + models["input"]).to_numpy(object),
            measured_s=models["step_s"].to_numpy(float),
            macs=np.maximum(macs, 1.0),
            matrix=matrix,
        )

    @functools.cached_property
    def sample(self) -> Sample:
        """The set as input of the fit."""
        return Sample(self.matrix.model_seconds(), self.matrix.host_s(), self.measured_s)


@dataclass(frozen=True)
class JoinedFiles:
    """Measurements for validation, and those that cannot be used, each with the reason."""

    sets: tuple[MeasuredSet, ...]
    left_out: tuple[Unmatched, ...]


def join_files(paths: Sequence[Path], source: TraceSource, devices: Mapping[str, Device] | None = None) -> JoinedFiles:
    """Reads tables of speeds and the workloads of their models; models that the cache lacks are traced.

    Args:
        paths: timm's speed tables or a user's own (`zoo.measurement.speed_tables`).
        source: of workloads.
        devices: besides those that come with zoometer.

    Raises:
        SpeedError: if a table cannot be read, or none of its rows can be used.
    """
    known = {**shipped_devices(), **(devices or {})}
    architectures = list_architectures(source.cache, ["timm", "torchvision"])
    speeds: dict[tuple[str, RunConfig], list[Speed]] = defaultdict(list)
    left_out: list[Unmatched] = []
    for path in paths:
        table = read_speeds(path, architectures, DeviceNames(known.values()))
        left_out += table.unmatched
        for row in table.rows:
            try:
                speeds[path.name, _measured_run(row, path, known)].append(row)
            except SpeedError as error:
                left_out.append(Unmatched(path.name, f"{row.zoo}/{row.arch}", row.input, str(error)))
    frames = {group: with_architectures(pd.DataFrame(rows), architectures) for group, rows in speeds.items()}
    needed = {key for (_, run), frame in frames.items() for key in measured_trace_keys(frame, run)}
    source.trace(needed)
    sets = []
    for (name, run), frame in frames.items():
        workloads, untraced = _join_workloads(source.store, name, run, frame)
        left_out += untraced
        sets += [MeasuredSet.of(name, known[run.device], run, workloads)] if len(workloads) else []
    if not sets:
        raise SpeedError("None of the measurements can be used: " + (left_out[0].reason if left_out else "there are none") + ".")
    return JoinedFiles(tuple(sets), tuple(left_out))


def _measured_run(row: Speed, path: Path, devices: Mapping[str, Device]) -> RunConfig:
    """The run configuration of a measurement, without its batch; raises SpeedError if it cannot be estimated."""
    if row.device not in devices:
        raise SpeedError(f"the device {row.device} is not known; describe it with --devices FILE")
    precision = precision_of(row.dtype, path)
    if precision is None:
        raise SpeedError(f"nothing is known of the dtype {row.dtype}")
    run = RunConfig(row.device, precision, row.layout or "nchw", compiled=bool(row.compiled))
    try:
        term_model(devices[row.device], run)
        device_spec(devices[row.device], precision.product_dtype)
    except SpeedError as error:
        raise SpeedError(f"no estimate: {error}") from None
    return run


def _join_workloads(store: Store, name: str, run: RunConfig, rows: pd.DataFrame) -> tuple[pd.DataFrame, list[Unmatched]]:
    """The workloads of measured models with their measurements, and the models without workloads."""
    rows = rows.assign(step_s=rows["batch"] / rows["samples_per_s"]).drop_duplicates(TRACED_MODEL, ignore_index=True)
    workloads = store.workloads(precision=run.precision, layout=run.layout).drop(columns="batch")
    joined = workloads.merge(rows[[*TRACED_MODEL, "batch", "step_s", "family"]], on=TRACED_MODEL)
    is_traced = pd.MultiIndex.from_frame(rows[_NAME]).isin(pd.MultiIndex.from_frame(joined[_NAME]))
    missing = [
        Unmatched(name, f"{zoo}/{arch}", input, "it could not be traced")
        for zoo, arch, input in key_tuples(rows[~is_traced], _NAME)
    ]
    return joined, missing


def by_term_model(sets: Sequence[MeasuredSet]) -> list[list[MeasuredSet]]:
    """The sets grouped by term model; those of a group are validated and fitted together."""
    groups: dict[str, list[MeasuredSet]] = defaultdict(list)
    for one in sets:
        groups[one.matrix.term_model.name].append(one)
    return list(groups.values())
