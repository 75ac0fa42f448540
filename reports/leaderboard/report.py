"""A report: everything a renderer needs. Renderers compute nothing and read no cache."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from reports.columns.column import Column
from reports.columns.leaderboard_columns import MODEL_KEY
from reports.columns.section_columns import PUBLISHED_SPEEDS, SPEEDS
from reports.columns.table_rows import typed_table
from reports.selection.budget_answer import BudgetAnswer
from zoo.devices.device import Device
from zoo.run_config import Precision, RunConfig

BREAKDOWN = (*MODEL_KEY, "by", "part", "macs", "bytes_moved")
"""A row for each part of an architecture at one input: `by` is `operation` or `stage`, `bytes_moved` is read and written together."""


def empty_breakdown() -> pd.DataFrame:
    """A breakdown without rows."""
    return pd.DataFrame(columns=list(BREAKDOWN))


@dataclass(frozen=True)
class DataSource:
    """Where figures come from."""

    name: str
    address: str
    retrieved_at: str
    note: str = ""


@dataclass(frozen=True)
class ReportTotals:
    """The size of what a report covers."""

    architectures: int
    weights: int
    rows: int
    exact: int
    bound: int
    failed: int
    unsupported: int = 0  # of the failed ones, those at an input or in a form that the architecture does not support


@dataclass(frozen=True)
class ChangeReport:
    """The changes of a run since the run before it."""

    KINDS: ClassVar = ("changed", "failed", "recovered", "removed", "added", "not compared")
    """Kinds of changes, the ones to look at first."""

    heading: str  # which runs
    counts: Mapping[str, int]  # keys of each kind that occurs, and `unchanged`
    rows: pd.DataFrame  # CHANGES

    def __str__(self) -> str:
        """`3 changed, 1 failed, 2,260 unchanged`; only what occurs."""
        kinds = [kind for kind in (*self.KINDS, "unchanged") if self.counts.get(kind)]
        return ", ".join(f"{self.counts[kind]:,} {kind}" for kind in kinds) or "nothing was compared"


@dataclass(frozen=True)
class AuditReport:
    """A published cost table compared with the counts."""

    VERDICTS: ClassVar = ("unexplained", "explained", "unknown", "agrees")
    """Verdicts, the ones to look at first."""

    title: str
    zoo: str
    counts_as: str  # the table's convention in words
    verdicts: Mapping[str, int]  # rows of each verdict that occurs
    causes: tuple[tuple[str, int], ...]  # each set of causes and how many rows it explains, the most frequent first
    rows: pd.DataFrame  # AUDIT

    def __str__(self) -> str:
        """`161 agrees, 5 explained`; only what occurs."""
        return ", ".join(f"{self.verdicts[v]:,} {v}" for v in reversed(self.VERDICTS) if v in self.verdicts)


@dataclass(frozen=True)
class SpeedReport:
    """The speed of all models on a device in one run configuration. The leaderboard has the additional column `latency`."""

    device: Device
    run: RunConfig
    latency: Column
    rows: pd.DataFrame  # SPEEDS
    note: str  # assumptions


ORIGINS = ("measured", "published", "estimated")
"""How a latency is known, the best first."""


@dataclass(frozen=True)
class DeviceLatencies:
    """Latencies of one step on one device in one run configuration, a value for each row of the leaderboard; NaN is unknown."""

    device: Device
    run: RunConfig
    latency_ms: npt.NDArray[np.float64]
    low_ms: npt.NDArray[np.float64]  # of an estimate: nine in ten measured times lie between low and high
    high_ms: npt.NDArray[np.float64]
    origin: npt.NDArray[np.int8]  # index into `ORIGINS`; -1 where nothing is known
    runtime: str | None = None  # of all of them
    is_on_platform: bool = False  # whether the estimates are among the report's `PlatformEstimates`

    @property
    def title(self) -> str:
        """`float16, channels last`; on platforms, float16 stands for what runtimes run in float32 or float16 as they choose."""
        words = ["mixed precision (amp)" if self.run.precision is Precision.AMP else self.run.precision.dtype]
        if self.stands_for(Precision.FP32) and self.run.precision is Precision.FP16:
            words = [f"{Precision.FP32.dtype} or {Precision.FP16.dtype}"]
        words += ["channels last"] if self.run.layout == "nhwc" else []
        words += [self.runtime] if self.runtime else []
        return ", ".join(words)

    def stands_for(self, precision: Precision) -> bool:
        """Whether these are the latencies in a precision."""
        is_float = {precision, self.run.precision} == {Precision.FP32, Precision.FP16}
        return precision is self.run.precision or (self.is_on_platform and is_float)


@dataclass(frozen=True)
class PlatformEstimates:
    """The estimates on phones, accelerators, boards and CPUs, before anything measured or published, as plain numbers."""

    record: Mapping[str, Any]  # as `zoo.estimation.platforms.portable` describes it
    places: npt.NDArray[np.int64]  # of each row of the leaderboard its model there; the number of models where it is none


@dataclass(frozen=True)
class Report:
    """A whole report.

    `leaderboard`, `coverage` and `unmatched` have the columns of `reports.columns.leaderboard_columns`; whole numbers are `Int64`,
    other figures `Float64`, text `string`, flags `boolean`, and unknown is NA.
    """

    title: str
    created_at: datetime
    convention: str
    versions: dict[str, str]
    totals: ReportTotals
    leaderboard: pd.DataFrame
    coverage: pd.DataFrame
    unmatched: pd.DataFrame
    warnings: tuple[str, ...] = ()
    sources: tuple[DataSource, ...] = ()
    command: str = ""  # makes this report again
    trends_file: str = ""  # of the page of trends beside the report's; empty: there is none
    notes: tuple[str, ...] = ()  # what a reader should know, such as auxiliary heads
    breakdown: pd.DataFrame = field(default_factory=empty_breakdown)  # BREAKDOWN
    changes: ChangeReport | None = None  # None: there was no run before
    budgets: tuple[BudgetAnswer, ...] = ()  # one for each configured budget
    audits: tuple[AuditReport, ...] = ()  # one for each configured audit
    device_speeds: tuple[SpeedReport, ...] = ()  # one for each configured run configuration
    device_latencies: tuple[DeviceLatencies, ...] = ()  # what a reader may choose among
    platforms: PlatformEstimates | None = None  # what a page makes the estimates from that it does not hold
    published_speeds: pd.DataFrame = field(
        default_factory=lambda: typed_table(pd.DataFrame(), PUBLISHED_SPEEDS)
    )  # PUBLISHED_SPEEDS, of the leaderboard's models

    @property
    def latencies(self) -> tuple[Column, ...]:
        """The latency columns that the leaderboard has beside the declared ones."""
        return tuple(speed.latency for speed in self.device_speeds)

    @property
    def speeds(self) -> pd.DataFrame:
        """The speeds in every run configuration, with the columns SPEEDS."""
        rows = [speed.rows for speed in self.device_speeds]
        return pd.concat(rows, ignore_index=True) if rows else typed_table(pd.DataFrame(), SPEEDS)
