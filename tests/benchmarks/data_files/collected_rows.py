"""Rows of the collected tables of published speeds, read as `zoo.published.published` keeps them."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.errors import SpeedError
from zoo.published.published import FLOAT

_COLUMNS = (
    "source_file", "model_as_published", "zoo_arch", "input", "device", "soc", "processor", "runtime", "dtype", "batch", "latency_ms",
    "throughput_per_s", "macs_published", "params_published", "date", "note",
)  # fmt: skip
_DTYPES = {"float": FLOAT, "fp32/fp16 (ncnn default)": FLOAT, "w8a8": "int8"}
_CORES = {0: "all", 1: "little", 2: "big"}
"""By ncnn's power save mode."""
_THREADS = re.compile(r"(?P<processor>\w+)-(?P<threads>\d+)t")
_NCNN = re.compile(r"min (?P<min>[\d.]+) max (?P<max>[\d.]+) loops (?P<loops>\d+) powersave (?P<powersave>\d) (?P<gpu>.*)")
_LAYERS = re.compile(r"layers (?P<layers>\d+) of which npu (?P<npu>[\d.]+|nan); (?P<versions>.*)")


@dataclass(frozen=True, slots=True)
class Collected:
    """One row of a collected table."""

    source: str
    model: str
    guess: str  # the table's own idea of the architecture
    input: str
    device: str  # as published
    soc: str
    params: str
    macs: str
    fields: Mapping[str, Any]  # columns of `zoo.published.published.SCHEMA` that say how it was measured
    problem: str | None = None  # why it cannot be used


def read_collected(path: Path, source: str) -> Iterator[Collected]:
    """The rows of one table.

    Raises:
        SpeedError: if it cannot be read, or lacks a column.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise SpeedError(f"'{path}' cannot be read: {error}") from None
    if not rows or (missing := set(_COLUMNS) - set(rows[0])):
        raise SpeedError(f"'{path}' is no table of collected speeds: it has no {', '.join(sorted(missing)) if rows else 'rows'}.")
    for row in rows:
        yield _collected(row, source)


def _collected(row: Mapping[str, str], source: str) -> Collected:
    model = (source, row["model_as_published"], row["zoo_arch"], row["input"])
    figures = (row["device"].strip(), row["soc"].strip(), row["params_published"], row["macs_published"])
    try:
        return Collected(*model, *figures, _fields(row))
    except (ValueError, ZeroDivisionError):
        return Collected(*model, *figures, {"date": row["date"]}, "neither a time nor a rate is published")


def _fields(row: Mapping[str, str]) -> dict[str, Any]:
    batch = int(row["batch"])
    is_rate = not row["latency_ms"]
    latency_ms = 1000 * batch / float(row["throughput_per_s"]) if is_rate else float(row["latency_ms"])
    threads = _THREADS.fullmatch(row["processor"])
    return {
        "file": row["source_file"],
        "processor": threads["processor"] if threads else row["processor"].replace("?", "cpu"),
        "threads": int(threads["threads"]) if threads else None,
        "runtime": row["runtime"].partition(",")[0].lower().replace(" ", "-").replace("_", "-"),
        "dtype": _DTYPES.get(row["dtype"], row["dtype"]),
        "batch": batch,
        "latency_ms": latency_ms,
        "is_rate": is_rate,
        "date": row["date"] or None,
        **_conditions(row),
    }


def _conditions(row: Mapping[str, str]) -> dict[str, Any]:
    """What a row's note says of how it was measured."""
    if match := _NCNN.fullmatch(row["note"]):
        words = [f"mean of {match['loops']} runs"]
        if match["gpu"].strip():
            words.append(f"GPU driver of {match['gpu'].strip()}")
        cores = _CORES.get(int(match["powersave"])) if row["processor"] != "gpu" else None
        times = {"latency_min_ms": float(match["min"]), "latency_max_ms": float(match["max"])}
        return {"cores": cores, "conditions": "; ".join(words), **times}
    if match := _LAYERS.fullmatch(row["note"]):
        on_npu = None if match["npu"] == "nan" else int(float(match["npu"]))
        versions = ", ".join(part.strip() for part in match["versions"].split(";"))
        return {"layers": int(match["layers"]), "layers_on_npu": on_npu, "conditions": versions}
    version = row["runtime"].partition(",")[2].strip()
    return {"conditions": "; ".join(filter(None, [version, row["note"].strip()])) or None}
