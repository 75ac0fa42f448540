"""Reads measured speeds: timm's tables of inference speed, and tables of users.

timm's tables (`benchmark-infer-*.csv`, `speed-infer-*.csv`) say what was measured in their file name; rates are per image, times
per step of a whole batch. A user's table is a CSV with a header. Its columns:

| column | meaning |
|---|---|
| model | `zoo/arch`, `zoo/arch.tag`, or `arch` where one zoo alone has it |
| input | `224`, `384x512` or `3x224x224`; left out: the native input of the architecture |
| batch | images in a step; left out: 1 |
| latency_ms, samples_per_s | milliseconds of a step, images a second: one of them, or both |
| device, runtime, dtype | such as `rtx-4090`, `torch-2.9.1`, `fp16`; device and dtype must be there or be given for the whole table |
| layout, compiled, variant | `nchw` or `nhwc`; `true` or `false`; `base` or `deploy` |
| threads | of a CPU |
| spread_percent | interquartile range of the repetitions, in percent of the median |
| source, measured_at | where the row comes from, and when (ISO 8601) |
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from zoo.devices.device_names import DeviceNames
from zoo.documents.csv_table import CsvRow, CsvTable, read_table
from zoo.documents.files import DocumentKind
from zoo.errors import InputError, SpeedError, did_you_mean
from zoo.inputs import resize_input
from zoo.records import FORMER_VARIANTS, SPEED_KEY, Architecture, Unmatched, Variant
from zoo.run_config import TRACED, Precision, canonical_dtype

COLUMNS = (
    "model", "input", "batch", "latency_ms", "samples_per_s", "device", "runtime", "dtype", "layout", "compiled", "variant", "threads",
    "spread_percent", "source", "measured_at",
)  # fmt: skip
"""The columns of a user's table."""

_TIMM_COLUMNS = {
    "infer_img_size": "input", "infer_batch_size": "batch", "infer_step_time": "latency_ms", "infer_samples_per_sec": "samples_per_s",
}  # fmt: skip
_TIMM_NAME = re.compile(
    r"(?:benchmark|speed)-infer-(?P<dtype>\w+)-(?P<layout>nchw|nhwc)-pt(?P<torch>\d+)-(?:(?P<cuda>cu\d+)|cpu)"
    r"-(?P<device>\w+(?:-\w+)*?)(?P<dynamo>-dynamo)?",
)
_KIND = DocumentKind("table of speeds", SpeedError, 32_000_000)
_LEAST, _MOST = 1e-9, 1e12
"""Range of valid numbers."""

_DISAGREEMENT = 0.05
"""Tolerance between a stated rate and a stated time, beyond their rounding; timm's own files agree within 2 %."""


class Speed(NamedTuple):
    """One measured speed: a row of the `speed` table. `SPEED_KEY` names what makes it another measurement."""

    zoo: str
    arch: str
    input: str
    variant: str
    device: str  # id of `devices.yaml` where it is known there, else the name in the table
    runtime: str | None
    dtype: str  # of a `Precision` (float32, float16, bfloat16, int8, amp), or what the table calls it
    layout: str | None  # nchw or nhwc
    compiled: bool | None
    batch: int
    samples_per_s: float  # images a second
    latency_ms: float  # of one step of the whole batch
    spread: float | None  # interquartile range of the repetitions as a share of the median
    source: str
    measured_at: str | None  # ISO 8601
    threads: int | None = None  # of a CPU


class SpeedTable(NamedTuple):
    """The rows of a table, and those that cannot be used, each with the reason."""

    rows: tuple[Speed, ...] = ()
    unmatched: tuple[Unmatched, ...] = ()


def read_speeds(
    path: str | Path,
    architectures: Iterable[Architecture],
    devices: DeviceNames | None = None,
    given: Mapping[str, Any] | None = None,
) -> SpeedTable:
    """The measurements of a CSV: one of timm's speed tables, known by its columns, or a user's own.

    Args:
        path: the file.
        architectures: of its models; rows of other models are returned apart, with the reason.
        devices: those that a device's name may stand for (`rtx4090` for `rtx-4090`); another name stays as it is.
        given: values of columns, by name, for rows that lack them; what the name of one of timm's files says goes first.

    Raises:
        SpeedError: if there is no such table, it lacks a column, or every row of it is wrong.
    """
    table = read_table(path, _KIND)
    defaults, candidates = {"source": Path(path).name, **(given or {})}, list(architectures)
    if "infer_samples_per_sec" in table.headings:
        table = _from_timm(table, path)
        candidates = [architecture for architecture in candidates if architecture.zoo == "timm"]
        defaults |= timm_columns(path)
    _check_columns(table, path, defaults)
    by_name: dict[str, list[Architecture]] = defaultdict(list)
    for architecture in candidates:
        by_name[architecture.name].append(architecture)
        by_name[f"{architecture.zoo}/{architecture.name}"].append(architecture)
    rows: dict[tuple[Any, ...], Speed] = {}
    unmatched, mistakes = [], []
    for line, stated in ((row.line, row.cells) for row in table.rows):
        try:
            row = _parse_speed(defaults | stated, by_name, devices or DeviceNames(()))
            key = tuple(getattr(row, name) for name in SPEED_KEY)
            if key in rows:
                raise InputError("measured by an earlier row of the table already")
            rows[key] = row
        except (InputError, ValueError) as error:
            unmatched.append(Unmatched(str(defaults["source"]), stated.get("model", ""), stated.get("input", ""), str(error)))
            if isinstance(error, ValueError):
                mistakes.append(f"{path}, line {line}: {error}")
    if mistakes and len(mistakes) == len(table.rows):
        raise SpeedError(mistakes[0])
    return SpeedTable(tuple(rows.values()), tuple(unmatched))


def precision_of(dtype: str, source: str | Path) -> Precision | None:
    """The precision of the traces that a measurement is compared with; None if models are not traced in it.

    Args:
        dtype: of the measurement.
        source: the file it comes from. timm's own files of mixed precision behave as if measured with `--fast-norm`.
    """
    precision = Precision.parse(dtype)
    if precision is Precision.AMP and _TIMM_NAME.fullmatch(Path(source).stem):
        return Precision.AMP_FAST_NORM
    return precision if precision in TRACED else None


def timm_columns(path: str | Path) -> dict[str, Any]:
    """Values of columns from the name of one of timm's files: `speed-infer-amp-nhwc-pt240-cu124-rtx4090-dynamo.csv`."""
    match = _TIMM_NAME.fullmatch(Path(path).stem)
    if not match:
        return {}
    version = _torch_version(match["torch"])
    runtime = f"torch-{version}" + (f"+{match['cuda']}" if match["cuda"] else "")
    stated = {name: match[name] for name in ("device", "dtype", "layout")}
    return {**stated, "runtime": runtime, "compiled": bool(match["dynamo"])}


def _torch_version(digits: str) -> str:
    """`1.13` for 113, `2.4.0` for 240, `2.10.0` for 2100."""
    if digits.startswith("1") or len(digits) < 3:
        return f"{digits[0]}.{digits[1:]}"
    return f"{digits[0]}.{digits[1:-1]}.{digits[-1]}"


def _from_timm(table: CsvTable, path: str | Path) -> CsvTable:
    missing = {"model", *_TIMM_COLUMNS} - set(table.headings)
    if missing:
        raise SpeedError(f"'{path}' is not one of timm's speed tables: it has no column {', '.join(sorted(missing))}.")
    names = {"model": "model", **_TIMM_COLUMNS}
    rows = [
        CsvRow(row.line, {ours: row.cells[theirs] for theirs, ours in names.items() if theirs in row.cells}) for row in table.rows
    ]
    for row in rows:
        if row.cells.get("input", "").endswith(".0"):
            row.cells["input"] = row.cells["input"].removesuffix(".0")
    return CsvTable(tuple(names.values()), rows)


def _check_columns(table: CsvTable, path: str | Path, defaults: Mapping[str, Any]) -> None:
    for name in table.headings:
        near = did_you_mean(name, COLUMNS)
        if name not in COLUMNS and near.startswith(" Did you mean"):
            raise SpeedError(f"'{path}' has a column '{name}'.{near} Rename it; other columns are not read.")
    if "model" not in table.headings or not {"latency_ms", "samples_per_s"} & set(table.headings):
        raise SpeedError(f"'{path}' is no speed table: it needs a column model, and latency_ms or samples_per_s.")
    for name in ("device", "dtype"):
        if name not in table.headings and defaults.get(name) is None:
            raise SpeedError(f"'{path}' does not say the {name}. Add a column {name}.")


def _parse_speed(values: Mapping[str, Any], by_name: Mapping[str, list[Architecture]], devices: DeviceNames) -> Speed:
    """One row; InputError excludes it with the reason, ValueError is a mistake in the table."""
    for name in ("model", "device", "dtype"):
        if name not in values:
            raise InputError(f"no {name} is named")
    architecture = _find_architecture(str(values["model"]), by_name)
    size = str(values.get("input", "native"))
    batch, threads = int(_parse_positive(values, "batch") or 1), _parse_positive(values, "threads")
    latency_ms, samples_per_s = _complete_speed(
        _parse_positive(values, "latency_ms"), _parse_positive(values, "samples_per_s"), batch
    )
    device = str(values["device"])
    spread = _parse_positive(values, "spread_percent")
    variant = str(values.get("variant", Variant.BASE))
    return Speed(
        architecture.zoo,
        architecture.name,
        architecture.input if size == "native" else resize_input(size, architecture.input),
        FORMER_VARIANTS.get(variant, variant),
        devices.find(device) or device,
        values.get("runtime"),
        canonical_dtype(str(values["dtype"])),
        values.get("layout"),
        _parse_flag(values.get("compiled")),
        batch,
        samples_per_s,
        latency_ms,
        None if spread is None else spread / 100,
        str(values["source"]),
        values.get("measured_at"),
        None if threads is None else int(threads),
    )


def _find_architecture(name: str, by_name: Mapping[str, list[Architecture]]) -> Architecture:
    """The architecture of `zoo/arch`, `zoo/arch.tag` or `arch`; raises InputError with the reason if there is not exactly one."""
    matches = by_name.get(name) or by_name.get(name.partition(".")[0], [])
    if not matches:
        raise InputError(f"no architecture {name.partition('.')[0]}")
    if len(matches) > 1:
        raise InputError(f"{' and '.join(a.zoo for a in matches)} both have it; write zoo/{name}")
    return matches[0]


def _parse_positive(values: Mapping[str, Any], name: str) -> float | None:
    if name not in values:
        return None
    try:
        number = float(values[name])
    except ValueError:
        number = math.nan
    if not (_LEAST < number < _MOST) and not (name == "spread_percent" and number == 0):
        raise ValueError(f"{name} is '{values[name]}', and must be a number above 0.")
    return number


def _complete_speed(latency_ms: float | None, samples_per_s: float | None, batch: int) -> tuple[float, float]:
    """Time of a step and rate, the missing one from the other: samples_per_s = 1000 x batch / latency_ms.

    If both are given, they must agree within their rounding: 0.05 images a second may be 0.047. The one with fewer digits is then
    computed from the other.
    """
    if latency_ms is None and samples_per_s is None:
        raise InputError("neither a latency nor a rate")
    if latency_ms is None or samples_per_s is None:
        return latency_ms or 1000 * batch / float(samples_per_s or 0), samples_per_s or 1000 * batch / float(latency_ms or 0)
    stated = 1000 * batch / latency_ms
    of_rate, of_time = _rounding(samples_per_s), _rounding(latency_ms)
    if abs(stated / samples_per_s - 1) > _DISAGREEMENT + of_rate + of_time:
        raise InputError(f"{latency_ms:g} ms for {batch} images are {stated:.4g} images a second, not {samples_per_s:.4g}")
    if max(of_rate, of_time) <= _DISAGREEMENT:
        return latency_ms, samples_per_s
    return (latency_ms, stated) if of_rate > of_time else (1000 * batch / samples_per_s, samples_per_s)


def _rounding(number: float) -> float:
    """Rounding error of a number as a share of it: half a unit of its last digit."""
    digits = f"{number:.12f}".rstrip("0").partition(".")[2]
    return 0.5 * 10.0 ** -len(digits) / number


def _parse_flag(value: Any) -> bool | None:
    if value is None:
        return None
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if (text := str(value).strip().lower()) not in words:
        raise ValueError(f"compiled is '{value}', and must be true or false.")
    return words[text]
