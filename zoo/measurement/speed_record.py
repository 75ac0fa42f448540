"""Measured speeds: the row of the `speed` table, and what one table of them gives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from zoo.records import SPEED_KEY, Unmatched

__all__ = ["SPEED_KEY", "Setting", "Speed", "SpeedTable", "as_records", "canonical_dtype"]

_DTYPES = {"fp32": "float32", "fp16": "float16", "half": "float16", "bf16": "bfloat16", "fp8": "float8"}


@dataclass(frozen=True, slots=True)
class Speed:
    """One measured speed: a row of the `speed` table. `SPEED_KEY` names what makes it another measurement."""

    zoo: str
    arch: str
    input: str
    variant: str
    device: str  # id of `devices.yaml` where it is known there, else the name in the table
    runtime: str | None
    dtype: str  # float32, float16, bfloat16, int8, or amp: float32 weights under float16 autocast
    layout: str | None  # nchw or nhwc
    compiled: bool | None
    batch: int
    samples_per_s: float  # images a second
    latency_ms: float  # of one step of the whole batch
    spread: float | None  # interquartile range of the repetitions as a share of the median
    source: str
    measured_at: str | None  # ISO 8601
    threads: int | None = None  # of a CPU


@dataclass(frozen=True, slots=True)
class SpeedTable:
    """What a table gave: its rows, and those that could not be used, each with the reason."""

    rows: tuple[Speed, ...] = ()
    unmatched: tuple[Unmatched, ...] = ()


@dataclass(frozen=True, slots=True)
class Setting:
    """What holds for all rows of a table that do not say it themselves."""

    device: str | None = None
    runtime: str | None = None
    dtype: str | None = None
    layout: str | None = None
    compiled: bool | None = None
    source: str | None = None


PRECISION_OF: Mapping[str, str] = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16", "amp": "amp"}
"""Of a measurement's dtype, the precision of the trace that stands for it; other dtypes have none."""


def canonical_dtype(name: str) -> str:
    """`float16` for `fp16` and `half`; a name that is not known stays as it is."""
    return _DTYPES.get(name.strip().lower(), name.strip().lower())


def as_records(rows: Iterable[Speed]) -> Iterator[dict[str, Any]]:
    """Rows as the cache's tables take them."""
    for row in rows:
        yield {name: getattr(row, name) for name in Speed.__slots__}
