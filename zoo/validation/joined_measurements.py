"""Published or own measurements of speed, joined with what the estimate knows of each model, and validated by kind of device."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from zoo.cache.store import Store
from zoo.devices.device_names import DeviceNames
from zoo.devices.device_spec import sheet_of
from zoo.devices.devices import Device, shipped_devices
from zoo.errors import SpeedError
from zoo.estimation.term_matrix import prepare
from zoo.measurement.speed_record import Speed
from zoo.measurement.speed_tables import precision_of, read_speeds
from zoo.records import Architecture, TraceKey, Unmatched
from zoo.refresh.fill_missing import fill_missing_traces, list_architectures
from zoo.run_config import RunConfig
from zoo.settings import Execution, Listener
from zoo.validation.validation import Measured

KEY = ["zoo", "arch", "input", "classes", "variant"]


@dataclass(frozen=True)
class Joined:
    """Measurements ready for validation, and those that could not be used, each with the reason."""

    files: tuple[Measured, ...]
    left_out: tuple[Unmatched, ...]


@dataclass(frozen=True)
class Source:
    """Where workloads come from."""

    cache: str
    execution: Execution = Execution()
    listener: Listener | None = None


def join_measurements(paths: Sequence[Path], source: Source, devices: Mapping[str, Device] | None = None) -> Joined:
    """Reads tables of speeds and finds the workloads of their models; what the cache lacks is traced into it.

    Args:
        paths: timm's speed tables or a user's own (`zoo.measurement.speed_tables`).
        source: where workloads are kept.
        devices: besides those that come with zoometer.

    Raises:
        SpeedError: if a table cannot be read, or none of its rows can be used.
    """
    known = {**shipped_devices(), **(devices or {})}
    architectures = list_architectures(source.cache, ["timm", "torchvision"])
    described = {(a.zoo, a.name): a for a in architectures}
    groups: dict[tuple[Path, RunConfig], list[Speed]] = defaultdict(list)
    left_out: list[Unmatched] = []
    for path in paths:
        table = read_speeds(path, architectures, DeviceNames(known.values()))
        left_out += table.unmatched
        for row in table.rows:
            run = _run_of(row, path, known)
            if isinstance(run, str):
                left_out.append(Unmatched(path.name, f"{row.zoo}/{row.arch}", row.input, run))
            else:
                groups[path, run].append(row)
    wanted = {_trace_key(row, described, run) for (_, run), rows in groups.items() for row in rows}
    fill_missing_traces(wanted, source.cache, source.execution, source.listener)
    files = []
    for (path, run), rows in groups.items():
        file, missing = _measured(path.name, known[run.device], run, _measured_rows(rows, described, run), Store(source.cache))
        left_out += missing
        files += [file] if file is not None else []
    if not files:
        raise SpeedError("None of the measurements can be used: " + (left_out[0].reason if left_out else "there are none") + ".")
    return Joined(tuple(files), tuple(left_out))


def _run_of(row: Speed, path: Path, devices: Mapping[str, Device]) -> RunConfig | str:
    """How a measurement was run, at any batch, or why there is no estimate of it."""
    precision = precision_of(row.dtype, path)
    if row.device not in devices:
        return f"the device {row.device} is not known; describe it with --devices FILE"
    if precision is None:
        return f"nothing is known of the dtype {row.dtype}"
    sheet = sheet_of(devices[row.device], precision.product_dtype)
    if isinstance(sheet, str):
        return sheet
    return RunConfig(row.device, precision, row.layout or "nchw", compiled=bool(row.compiled))


def _trace_key(row: Speed, described: Mapping[tuple[str, str], Architecture], run: RunConfig) -> TraceKey:
    classes = described[row.zoo, row.arch].classes
    return TraceKey(row.zoo, row.arch, row.input, classes, row.variant, precision=run.precision, layout=run.layout)


def _measured_rows(rows: Sequence[Speed], described: Mapping[tuple[str, str], Architecture], run: RunConfig) -> pd.DataFrame:
    """One row a model with its measured time."""
    records = [
        {
            **dict(zip(KEY, _trace_key(row, described, run), strict=False)),
            "batch": row.batch,
            "step_s": row.batch / row.samples_per_s,
            "family": described[row.zoo, row.arch].family or row.arch,
        }
        for row in rows
    ]
    return pd.DataFrame(records).astype({"classes": "Int64"})


def _measured(
    name: str, device: Device, run: RunConfig, rows: pd.DataFrame, store: Store
) -> tuple[Measured | None, list[Unmatched]]:
    """The measurements of one file and run configuration, and those whose models have no workload."""
    workloads = store.workloads(precision=run.precision, layout=run.layout).drop(columns="batch")
    joined = workloads.merge(rows.drop_duplicates(KEY, ignore_index=True), on=KEY)
    have = set(joined[KEY[:3]].itertuples(index=False, name=None))
    missing = [
        Unmatched(name, f"{zoo}/{arch}", input, "it could not be traced")
        for zoo, arch, input in rows[KEY[:3]].itertuples(index=False, name=None)
        if (zoo, arch, input) not in have
    ]
    if joined.empty:
        return None, missing
    sheet = sheet_of(device, run.precision.product_dtype)
    assert not isinstance(sheet, str)
    prepared = prepare(joined, sheet, batch=joined["batch"], compiled=run.compiled, key=KEY)
    models = joined.drop_duplicates(KEY, ignore_index=True)  # in the order of `prepared.keys`
    names = models["zoo"] + "/" + models["arch"] + " " + models["input"]
    macs = prepared.by_model((joined["macs"] * joined["batch"] + joined["free_macs"]).to_numpy(float))
    return Measured(
        name=name, device=device, run=run, family=models["family"].to_numpy(object), model=names.to_numpy(object),
        measured_s=models["step_s"].to_numpy(float), macs=np.maximum(macs, 1.0), prepared=prepared,
    ), missing  # fmt: skip


def by_kind(files: Sequence[Measured]) -> list[list[Measured]]:
    """Files that are validated, and fitted, together: of GPUs or CPUs, eager or compiled."""
    groups: dict[tuple[bool, bool], list[Measured]] = defaultdict(list)
    for file in files:
        groups[file.device.kind.endswith("gpu"), file.run.compiled].append(file)
    return list(groups.values())
