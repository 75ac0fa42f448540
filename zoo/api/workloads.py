"""Workloads of a model in several precisions and layouts, from as few passes as are exact."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from torch import nn

from zoo.estimation.workloads.fusion import CallSummary
from zoo.estimation.workloads.workload import SummarisedPass, summarise_call, summarise_pass
from zoo.meta.module_stack import class_name
from zoo.recording.memo import Memo
from zoo.run_config import Precision
from zoo.traces import TRACE_BATCH
from zoo.tracing.derivation import NotDerivableError
from zoo.tracing.derived_traces import PassFamily
from zoo.tracing.graph import TypeTable
from zoo.tracing.ordered_calls import OrderedCalls
from zoo.tracing.trace import record_pass, traced_call

TraceMode = tuple[Precision, str]
"""Precision and memory layout."""


class Workload(NamedTuple):
    """What a pass asks of a device."""

    rows: list[dict[str, Any]]  # as `zoo.estimation.workloads.workload` describes them
    is_derived: bool  # from the pass in another mode; otherwise from one of its own


class WorkloadRecorder:
    """Records workloads of one model after another, and remembers what they have in common."""

    def __init__(self) -> None:
        self._memo = Memo()
        self._table = TypeTable()
        self._summaries: dict[Any, CallSummary] = {}

    def record(
        self, model: nn.Module, inputs: Sequence[Any], kwargs: Mapping[str, Any], modes: Iterable[TraceMode]
    ) -> dict[TraceMode, Workload | Exception]:
        """The workload in each mode, or what went wrong in its pass.

        Args:
            model: in evaluation mode; it is not changed.
            inputs: positional arguments of `forward`, for `TRACE_BATCH` images.
            kwargs: its keyword arguments.
            modes: to be recorded.
        """
        try:
            family = PassFamily(model, inputs, kwargs, self._memo, self._table)
        except Exception:  # noqa: BLE001  # a model may raise anything in float16, and run in other precisions
            family = None
        results: dict[TraceMode, Workload | Exception] = {}
        for precision, layout in modes:
            try:
                results[precision, layout] = self._workload(model, (inputs, kwargs), family, (precision, layout))
            except Exception as error:  # noqa: BLE001  # whatever a model does costs this mode only
                results[precision, layout] = error
        return results

    def _workload(self, model: nn.Module, given: Any, family: PassFamily | None, mode: TraceMode) -> Workload:
        if family is not None:
            try:
                return Workload(self._summarise(family.derive(*mode), family.names), is_derived=True)
            except NotDerivableError:
                pass
        recorded, names = record_pass(model, given, mode[0], mode[1], self._memo)
        return Workload(self._summarise(recorded, names), is_derived=False)

    def _summarise(self, recorded: OrderedCalls, names: Mapping[int, str]) -> list[dict[str, Any]]:
        calls = []
        for call in recorded.calls:
            key = (call.layout, tuple(call.read_roles), tuple(call.write_roles))
            summary = self._summaries.get(key)
            if summary is None:
                summary = self._summaries[key] = summarise_call(traced_call(call, {}), TRACE_BATCH)
            calls.append(summary)
        return summarise_pass(
            SummarisedPass(
                TRACE_BATCH,
                calls,
                [(names.get(id(call.module), ""), class_name(call.module)) for call in recorded.calls],
                [call.reads for call in recorded.calls],
                [call.writes for call in recorded.calls],
                recorded.storages.listed(),
            )
        )
