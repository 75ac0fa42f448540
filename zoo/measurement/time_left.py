"""Estimates the remaining time of a measurement run: from cached FLOPs at first, then in proportion to the time so far."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from zoo.measurement.plan import MeasureJob
from zoo.records import MODEL_COLUMNS
from zoo.run_config import RunConfig

_BUILDING_S = 3.0
"""Initial guess of the time of a measurement beside its repetitions: process, building and counting."""

_USUAL_SHARE = 0.25
"""Initial guess of the share of the peak rate that networks reach."""

_USUAL_REPETITIONS = 30


class TimeLeft:
    """The remaining time."""

    def __init__(
        self,
        absent: Sequence[tuple[MeasureJob, int]],
        costs: pd.DataFrame,
        peaks: Mapping[RunConfig, float | None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        counted = costs[costs["flops"].notna() & (costs["batch"] == 1)]
        flops = {tuple(key): int(amount) for *key, amount in counted[[*MODEL_COLUMNS, "flops"]].itertuples(index=False)}
        self._expected_s = {
            _job_name({**job.key._asdict(), **replace(job.run, batch=batch).columns()}): _expected_s_of(
                job, batch, flops.get(tuple(str(getattr(job.key, name)) for name in MODEL_COLUMNS)), peaks.get(job.run)
            )
            for job, batch in absent
        }
        self._done_s = 0.0
        self._clock, self._started = clock, clock()
        self.most_s = sum(2 * job.target.time_s + _BUILDING_S for job, _ in absent)  # where no model hangs

    def done(self, row: Mapping[Any, Any]) -> None:
        """Records a finished measurement, possibly of a smaller batch than planned."""
        name = _job_name(row)
        if name in self._expected_s:
            self._done_s += self._expected_s.pop(name)

    def seconds(self) -> float:
        """Expected remaining seconds, in proportion to the time so far."""
        pace = (self._clock() - self._started) / self._done_s if self._done_s else 1.0
        return pace * sum(self._expected_s.values())


def _job_name(row: Mapping[Any, Any]) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in (*MODEL_COLUMNS, "dtype", "layout", "compiled", "batch"))


def _expected_s_of(job: MeasureJob, batch: int, flops: int | None, peak_gflops_per_s: float | None) -> float:
    """Seconds of one measurement; the time limit for a model without a count."""
    target = job.target
    if flops is None or not peak_gflops_per_s:
        return _BUILDING_S + target.warm_up_s + target.time_s
    step_s = flops * batch / (peak_gflops_per_s * 1e9 * _USUAL_SHARE)
    return _BUILDING_S + max(target.warm_up_s, step_s) + min(target.time_s, step_s * _USUAL_REPETITIONS)
