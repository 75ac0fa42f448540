"""Measured speeds: a row of the table `speed`, and what one file of them gives."""

from __future__ import annotations

from typing import NamedTuple

from zoo.records import Unmatched


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
    """What a table gave: its rows, and those that could not be used, each with the reason."""

    rows: tuple[Speed, ...] = ()
    unmatched: tuple[Unmatched, ...] = ()
