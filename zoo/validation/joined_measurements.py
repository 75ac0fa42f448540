"""Published or own measurements of speed, joined with what the estimate knows of each model, and validated by kind of device."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from zoo.cache.store import Store
from zoo.devices.device_spec import sheet_of
from zoo.devices.devices import Device, DeviceNames, shipped_devices
from zoo.errors import SpeedError
from zoo.estimation.estimate import DTYPES, TracedWay
from zoo.estimation.term_matrix import prepare
from zoo.measurement.speed_record import PRECISION_OF, Setting, Speed
from zoo.measurement.speed_tables import read_speeds, timm_setting
from zoo.records import Architecture, TraceKey, Unmatched
from zoo.refresh.fill_missing import ensure_traced, list_architectures
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
    sets: dict[tuple[Any, ...], list[Speed]] = defaultdict(list)
    left_out: list[Unmatched] = []
    for path in paths:
        table = read_speeds(path, architectures, DeviceNames(known.values()))
        left_out += table.unmatched
        for row in table.rows:
            sets[path, row.device, _precision(row, path), row.layout or "nchw", bool(row.compiled)].append(row)
    for (path, device, precision, _, _), rows in list(sets.items()):
        reason = _why_not(known.get(device), device, precision)
        if reason:
            left_out += [Unmatched(path.name, f"{row.zoo}/{row.arch}", row.input, reason) for row in rows]
            sets = {key: value for key, value in sets.items() if value is not rows}
    wanted = {_trace_key(row, described, key) for key, rows in sets.items() for row in rows}
    ensure_traced(wanted, source.cache, source.execution, source.listener)
    files = []
    for key, rows in sets.items():
        file, missing = _measured(key, rows, described, known, Store(source.cache))
        left_out += missing
        files += [file] if file is not None else []
    if not files:
        raise SpeedError("None of the measurements can be used: " + (left_out[0].reason if left_out else "there are none") + ".")
    return Joined(tuple(files), tuple(left_out))


def _precision(row: Speed, path: Path) -> str:
    """timm's own files of mixed precision behave as if measured with `--fast-norm`."""
    precision = PRECISION_OF.get(row.dtype, row.dtype)
    return "amp-fast-norm" if precision == "amp" and timm_setting(path) != Setting() else precision


def _why_not(device: Device | None, name: str, precision: str) -> str | None:
    if device is None:
        return f"the device {name} is not known; describe it with --devices FILE"
    if precision not in DTYPES:
        return f"nothing is known of the dtype {precision}"
    sheet = sheet_of(device, DTYPES[precision])
    return sheet if isinstance(sheet, str) else None


def _trace_key(row: Speed, described: Mapping[tuple[str, str], Architecture], key: tuple[Any, ...]) -> TraceKey:
    _, _, precision, layout, _ = key
    classes = described[row.zoo, row.arch].classes
    return TraceKey(row.zoo, row.arch, row.input, classes, row.variant, precision=precision, layout=layout)


def _measured(
    key: tuple[Any, ...],
    rows: Sequence[Speed],
    described: Mapping[tuple[str, str], Architecture],
    known: Mapping[str, Device],
    store: Store,
) -> tuple[Measured | None, list[Unmatched]]:
    """The measurements of one file on one device in one way, and those whose models have no workload."""
    path, device_id, precision, layout, compiled = key
    measured = pd.DataFrame(
        [
            {**dict(zip(KEY, _trace_key(row, described, key), strict=False)), "batch": row.batch, "step_s": row.batch / row.samples_per_s,
             "family": described[row.zoo, row.arch].family or row.arch}
            for row in rows
        ]
    ).drop_duplicates(KEY, ignore_index=True)  # fmt: skip
    workloads = store.workloads(precision=precision, layout=layout).drop(columns="batch")
    joined = workloads.merge(measured.astype({"classes": "Int64"}), on=KEY)
    have = set(joined[KEY[:3]].itertuples(index=False, name=None))
    missing = [
        Unmatched(path.name, f"{row.zoo}/{row.arch}", row.input, "it could not be traced")
        for row in rows
        if (row.zoo, row.arch, row.input) not in have
    ]
    if joined.empty:
        return None, missing
    device, way = known[device_id], TracedWay(precision, layout, compiled)
    sheet = sheet_of(device, DTYPES[precision])
    assert not isinstance(sheet, str)
    prepared = prepare(joined, sheet, batch=joined["batch"], compiled=compiled, key=KEY)
    models = joined.drop_duplicates(KEY, ignore_index=True)  # in the order of `prepared.keys`
    names = models["zoo"] + "/" + models["arch"] + " " + models["input"]
    macs = prepared.by_model((joined["macs"] * joined["batch"] + joined["free_macs"]).to_numpy(float))
    return Measured(
        name=path.name, device=device, way=way, family=models["family"].to_numpy(object), model=names.to_numpy(object),
        measured_s=models["step_s"].to_numpy(float), macs=np.maximum(macs, 1.0), prepared=prepared,
    ), missing  # fmt: skip


def by_kind(files: Sequence[Measured]) -> list[list[Measured]]:
    """Files that are validated, and fitted, together: of GPUs or CPUs, eager or compiled."""
    groups: dict[tuple[bool, bool], list[Measured]] = defaultdict(list)
    for file in files:
        groups[file.device.kind.endswith("gpu"), file.way.compiled].append(file)
    return list(groups.values())
