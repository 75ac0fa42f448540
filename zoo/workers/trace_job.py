"""Traces a model inside a worker, once for each mode, and returns rows of `traces` and `workloads`."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from torch import nn

from zoo.adapters.base import Example
from zoo.cache.schema.tables import TABLES, TRACE_KEY, columns_of
from zoo.cache.schema.trace_rows import to_table
from zoo.counting.version import TRACER_VERSION
from zoo.estimation.workloads.workload import summarise
from zoo.jobs import Failure
from zoo.recording.memo import Memo
from zoo.records import Status, TraceKey, Versions
from zoo.run_config import Precision
from zoo.traces import TRACE_BATCH, Trace
from zoo.tracing.derivation import NotDerivableError
from zoo.tracing.derived_traces import PassFamily
from zoo.tracing.graph import TypeTable
from zoo.tracing.trace import trace_model

SUMMARY_COLUMNS = [name for name in TABLES["workloads"].names if name not in (*TRACE_KEY, "counted_at")]
"""Columns of `workloads` that are computed from the trace."""


@dataclass(frozen=True, slots=True)
class TraceResult:
    """A row of `traces`; the nested columns of the trace and its rows of `workloads` stand apart (None for a failure)."""

    key: TraceKey
    row: dict[str, Any]
    trace: pa.Table | None
    workload: pa.Table | None


class ExampleTracer:
    """Traces examples of one model after another; passes that differ in precision and layout only are derived where that is exact."""

    def __init__(self) -> None:
        self._memo, self._types = Memo(), TypeTable()
        self._family: tuple[nn.Module, TraceKey, PassFamily | None] | None = None  # of the last model and input

    def trace(self, model: nn.Module, example: Example, key: TraceKey, *, is_only: bool) -> Trace:
        """The trace of one pass.

        Args:
            model: in evaluation mode.
            example: what it is called with. One with a context of its own changes results of kernels, so it shares nothing.
            key: the model, its input and the mode.
            is_only: whether this input is traced in one mode only.
        """
        with example.context():
            shares = example.context is nullcontext
            trace = None if is_only or not shares else self._derive(model, example, key)
            if trace is None:
                memo = self._memo if shares else Memo()
                trace = trace_model(
                    model, inputs=example.args, kwargs=example.kwargs, precision=key.precision, layout=key.layout, memo=memo
                )
        return dataclasses.replace(trace, batch=TRACE_BATCH)  # detectors take a list of images: no tensor has a batch dimension

    def _derive(self, model: nn.Module, example: Example, key: TraceKey) -> Trace | None:
        """The trace, if it can be derived from the pass that the modes of an input share."""
        at_input = key._replace(precision="", layout="")
        if self._family is None or self._family[0] is not model or self._family[1] != at_input:
            try:
                family = PassFamily(model, example.args, example.kwargs, self._memo, self._types)
            except Exception:  # noqa: BLE001  # a model may raise anything in float16, and run in other precisions
                family = None
            self._family = model, at_input, family
        family = self._family[2]
        precision = Precision.parse(key.precision)
        if family is None or precision is None:
            return None
        try:
            return family.trace(precision, key.layout)
        except NotDerivableError:
            return None


def trace_result(key: TraceKey, trace: Trace, assumption: str | None, versions: Versions, seconds: float) -> TraceResult:
    """The row of a traced model."""
    now = datetime.now(UTC)
    reason = "; ".join(filter(None, [assumption, _uncounted_operators(trace.uncounted)]))
    row = {
        **_common(key, versions, now),
        "status": (Status.BOUND if reason else Status.EXACT).value,
        "reason": reason or None,
        "operations": len(trace.calls),
        "macs": trace.macs,
        "peak_activation_bytes": trace.peak_activation_bytes,
        "seconds": round(seconds, 4),
    }
    return TraceResult(key, row, to_table(trace), _workload_table(key, trace, now))


def failed_trace(key: TraceKey, failure: Failure, versions: Versions) -> TraceResult:
    """A row that only says why there is no trace."""
    row = {**_common(key, versions, datetime.now(UTC)), "status": Status.FAILED.value, "reason": str(failure)}
    return TraceResult(key, row, None, None)


def _common(key: TraceKey, versions: Versions, now: datetime) -> dict[str, Any]:
    return {
        **key._asdict(),
        "variant": str(key.variant),
        "library_version": versions.library,
        "torch_version": versions.torch,
        "counter_version": versions.counter,
        "tracer_version": TRACER_VERSION,
        "counted_at": now,
    }


def _uncounted_operators(uncounted: Mapping[str, int]) -> str | None:
    named = ", ".join(f"{name} ({calls} call{'s' if calls > 1 else ''})" for name, calls in Counter(uncounted).most_common())
    return f"operators nothing is known of: {named}" if named else None


def _workload_table(key: TraceKey, trace: Trace, now: datetime) -> pa.Table:
    rows = summarise(trace)
    shared = {**key._asdict(), "variant": str(key.variant), "counted_at": now}
    return columns_of("workloads", len(rows), {name: [row[name] for row in rows] for name in SUMMARY_COLUMNS}, shared)
