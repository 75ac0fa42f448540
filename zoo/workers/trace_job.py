"""Records the workloads of a model inside a worker, and returns rows of `traces` and `workloads`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime

from torch import nn

from zoo.adapters.base import Example, Zoo
from zoo.api.workloads import RecordedWorkload, TraceMode, WorkloadRecorder
from zoo.cache.schema.tables import TABLES, TRACE_KEY, columns_of
from zoo.estimation.workloads.workload import Workload
from zoo.records import CostKey, Status, TraceKey, Versions
from zoo.run_config import parse_trace_mode
from zoo.tracing.pass_model import PassModel
from zoo.tracing.trace import Arguments
from zoo.workers.job_rows import JobResult, key_columns, version_columns

SUMMARY_COLUMNS = [name for name in TABLES["workloads"].names if name not in (*TRACE_KEY, "counted_at")]
"""Columns of `workloads` that are computed from the pass."""


_MOST_REMEMBERED = 40_000
"""Distinct calls after which a worker forgets them, so that its memory does not grow with the zoo. A family has some thousand."""


@dataclass(frozen=True, slots=True)
class _Recorded:
    """The workloads of a model at one input."""

    model: nn.Module
    key: CostKey
    assumption: str | None
    workloads: dict[TraceMode, RecordedWorkload | Exception]
    seconds: float  # for each of them


class TraceJob:
    """Records workloads of one model after another: those of an input together, and each is asked for by its key."""

    def __init__(self) -> None:
        self._recorder = WorkloadRecorder()
        self._model: PassModel | None = None  # the last one
        self._recorded: _Recorded | None = None  # of the last model and input

    def result(self, zoo: Zoo, model: nn.Module, key: TraceKey, keys: Sequence[TraceKey], versions: Versions) -> JobResult:
        """The row of one key.

        Args:
            zoo: of the model.
            model: in evaluation mode.
            key: the input and the mode.
            keys: all that is asked of the model.
            versions: of the libraries.

        Raises:
            Exception: whatever the model raises in this mode.
        """
        recorded = self._recorded
        if recorded is None or recorded.model is not model or recorded.key != key.cost_key:
            modes = [_mode_of(other) for other in keys if other.cost_key == key.cost_key]
            recorded = self._recorded = self._record(zoo, model, key.cost_key, modes)
        found = recorded.workloads[_mode_of(key)]
        if isinstance(found, Exception):
            raise found
        return trace_result(key, found.workload, recorded.assumption, versions, recorded.seconds)

    def _record(self, zoo: Zoo, model: nn.Module, key: CostKey, modes: Sequence[TraceMode]) -> _Recorded:
        started = time.perf_counter()
        example = zoo.example(model, key)

        def arguments(batch: int) -> Arguments:
            made: Example = zoo.example(model, key._replace(batch=batch))
            return made.args, made.kwargs

        if len(self._recorder) > _MOST_REMEMBERED:
            self._recorder = WorkloadRecorder()
        # A context of its own changes results of kernels, so such a model shares nothing with others.
        recorder = self._recorder if example.context is nullcontext else WorkloadRecorder()
        with example.context():
            workloads = recorder.record(self._prepared(model), arguments, modes)
        return _Recorded(model, key, example.assumption, workloads, (time.perf_counter() - started) / len(modes))

    def _prepared(self, model: nn.Module) -> PassModel:
        if self._model is None or self._model.module is not model:
            self._model = PassModel(model)
        return self._model


def _mode_of(key: TraceKey) -> TraceMode:
    return parse_trace_mode(key.mode).precision, key.layout


def trace_result(key: TraceKey, workload: Workload, assumption: str | None, versions: Versions, seconds: float) -> JobResult:
    """The row of a key, and its workload."""
    reason = "; ".join(filter(None, [assumption, _uncounted_operators(workload)]))
    shared = key_columns(key, datetime.now(UTC))
    row = {
        **shared,
        **version_columns(key, versions),
        "status": (Status.BOUND if reason else Status.EXACT).value,
        "reason": reason or None,
        "operations": sum(call.calls for call in workload.calls),
        "macs": round(workload.macs),
        "peak_activation_bytes": round(workload.model_peak_bytes),
        "seconds": round(seconds, 4),
    }
    rows = columns_of("workloads", len(workload.calls), workload.columns(SUMMARY_COLUMNS), shared)
    return JobResult(key, row, rows)


def _uncounted_operators(workload: Workload) -> str | None:
    uncounted: Counter[str] = Counter()
    for call in workload.calls:
        if call.summary.columns["kind"] == "unknown":
            uncounted[call.summary.columns["operation"]] += call.calls
    named = ", ".join(f"{name} ({calls} call{'s' if calls > 1 else ''})" for name, calls in uncounted.most_common())
    return f"operators nothing is known of: {named}" if named else None
