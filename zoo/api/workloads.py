"""Workloads of a model in several precisions and layouts, from as few passes as are exact."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple
from weakref import WeakKeyDictionary

from torch import nn

from zoo.estimation.workloads.fusion import CallSummary, Kernel, KernelTable, group_calls
from zoo.estimation.workloads.workload import (
    SummarisedPass,
    Workload,
    channels_last,
    kept_storages,
    summarise_call,
    summarise_pass,
    weight_bytes,
    widened,
)
from zoo.meta.module_stack import class_name
from zoo.operators.op_record import tensors_in
from zoo.run_config import Precision
from zoo.traces import BATCH_FREE, TRACE_BATCH
from zoo.tracing.derivation.call_types import CallOutcome
from zoo.tracing.derivation.casts import NotDerivableError
from zoo.tracing.derivation.derived_pass import DerivedPass
from zoo.tracing.derivation.memory_use import MemoryUse, Roles
from zoo.tracing.derivation.pass_family import DERIVABLE, FAMILY_BATCH, Known, PassFamily
from zoo.tracing.ordered_calls import CallLayout, OrderedCalls, RecordedCall, contraction
from zoo.tracing.pass_model import PassModel
from zoo.tracing.trace import Arguments, record_pass, traced_call

TraceMode = tuple[Precision, str]
"""Precision and memory layout."""


class RecordedWorkload(NamedTuple):
    """The workload of a model in one mode."""

    workload: Workload
    is_derived: bool  # from the pass in another mode; otherwise from one of its own


class WorkloadRecorder:
    """Records workloads of one model after another, and remembers what they have in common."""

    def __init__(self) -> None:
        self._known = Known.nothing()
        self._summaries: dict[int, _Summaries] = {}  # by batch

    def __len__(self) -> int:
        """How many distinct calls are remembered: the memory that they take grows with them."""
        return sum(len(summaries) for summaries in self._summaries.values())

    def record(
        self, model: PassModel, arguments: Callable[[int], Arguments], modes: Iterable[TraceMode]
    ) -> dict[TraceMode, RecordedWorkload | Exception]:
        """The workload in each mode, or what went wrong in its pass.

        Args:
            model: that the workloads are of.
            arguments: gives those of `forward`, positional and by keyword, for so many images.
            modes: to be recorded.
        """
        modes = list(modes)
        results: dict[TraceMode, RecordedWorkload | Exception] = {}
        if sum(precision in DERIVABLE for precision, _ in modes) > 1:
            derived = self._derive(model, *_batched(arguments), modes)
            if derived is None:
                derived = self._derive(model, arguments(TRACE_BATCH), TRACE_BATCH, modes)
            results.update(derived or {})
        for mode in modes:
            if mode not in results:
                try:
                    results[mode] = self._run(model, arguments(TRACE_BATCH), mode)
                except Exception as error:  # noqa: BLE001  # whatever a model does costs this mode only
                    results[mode] = error
        return {mode: results[mode] for mode in modes}

    def _derive(
        self, model: PassModel, given: Arguments, batch: int, modes: Iterable[TraceMode]
    ) -> dict[TraceMode, RecordedWorkload] | None:
        """The workloads that follow from one pass; None if it mixes its images, so that a large batch says nothing of a small one."""
        found: dict[TraceMode, RecordedWorkload] = {}
        # A model may raise anything in float16, and run in other precisions.
        with contextlib.suppress(Exception):
            family = PassFamily(model, given, batch, self._known)
            summaries = self._of_batch(batch)
            for mode in modes:
                with contextlib.suppress(NotDerivableError):
                    workload = summaries.of_derived(family.derive(*mode), model.parts.names)
                    if batch == FAMILY_BATCH and summaries.mixes_images(workload):
                        return None
                    found[mode] = RecordedWorkload(workload, is_derived=True)
        return found

    def _run(self, model: PassModel, given: Arguments, mode: TraceMode) -> RecordedWorkload:
        recorded = record_pass(model, given, *mode, self._known.memo)
        return RecordedWorkload(self._of_batch(TRACE_BATCH).of_recorded(recorded, model.parts.names), is_derived=False)

    def _of_batch(self, batch: int) -> _Summaries:
        return self._summaries.get(batch) or self._summaries.setdefault(batch, _Summaries(batch))


def _batched(arguments: Callable[[int], Arguments]) -> tuple[Arguments, int]:
    """Arguments with many images, if a tensor has them as its first dimension; detectors take lists of images, and get few."""
    given = arguments(FAMILY_BATCH)
    if any(tensor.dim() and tensor.shape[0] == FAMILY_BATCH for tensor in tensors_in(given)):
        return given, FAMILY_BATCH
    return arguments(TRACE_BATCH), TRACE_BATCH


class _Summaries:
    """Calls and kernels summarised so far, in passes of one batch."""

    def __init__(self, batch: int) -> None:
        self._batch = batch
        self._of_outcomes: dict[tuple[CallOutcome, int, bool], CallSummary] = {}
        self._of_looks: dict[_Look, CallSummary] = {}
        self._in_float32: dict[CallSummary, CallSummary] = {}  # by what is like it in float16
        self._growing: dict[CallSummary, bool] = {}
        self._kernels = KernelTable(batch)
        self._grouped: WeakKeyDictionary[MemoryUse, tuple[list[Kernel], list[int]]] = WeakKeyDictionary()

    def __len__(self) -> int:
        return len(self._of_outcomes)

    def of_derived(self, derived: DerivedPass, names: Mapping[int, str]) -> Workload:
        """The workload of a derived pass; `names` are the paths of modules by their identity."""
        memory, (program, outcomes) = derived.memory, derived[:2]
        known, contractions = self._of_outcomes, program.contractions
        calls = []
        for position, roles in zip(memory.calls, memory.roles, strict=True):
            key = (outcomes[position], id(roles), position in contractions)
            calls.append(known.get(key) or self._add(key, roles))
        grouped = self._grouped.get(memory)
        if grouped is None:
            kernels = group_calls(calls, memory.reads, memory.writes, memory.kept)
            grouped = self._grouped[memory] = kernels, self._kernels.numbers(kernels)
        fused = self._kernels.columns(*grouped, calls)
        places = _Places(lambda call: program.calls[memory.calls[call]].module, names)
        return summarise_pass(SummarisedPass(self._batch, calls, fused, places, derived.weight_bytes, derived.storages))

    def _add(self, key: tuple[CallOutcome, int, bool], roles: Roles) -> CallSummary:
        outcome, _, is_contraction = key
        layout = outcome.call.layout
        assert layout is not None  # the calls of a pass compute or move data
        if is_contraction:
            layout = contraction(layout)
        if outcome.planar is not None:
            summary = self._of_layout(layout, roles, channels_last(self._like(outcome.planar, key, roles)))
        elif outcome.halved is None:
            summary = self._of_layout(layout, roles)
        elif layout.has_only("float16"):
            summary = self._widen(self._like(outcome.halved, key, roles))
        else:
            summary = self._of_layout(layout.with_dtype("float16", "float32"), roles)
        self._of_outcomes[key] = summary
        return summary

    def _like(self, outcome: CallOutcome, key: tuple[CallOutcome, int, bool], roles: Roles) -> CallSummary:
        """That of another outcome of the same call."""
        key = (outcome, *key[1:])
        return self._of_outcomes.get(key) or self._add(key, roles)

    def _of_layout(self, layout: CallLayout, roles: Roles, known: CallSummary | None = None) -> CallSummary:
        """One object for calls that look alike; those in float32 are made from those in float16. `known` is it, if nothing like it was met."""
        if layout.has_only("float32"):
            return self._widen(self._of_layout(layout.with_dtype("float32", "float16"), roles))
        look = _Look(layout, *map(_batch_free, roles))
        return self._of_looks.get(look) or self._of_looks.setdefault(look, known or self._describe(layout, roles))

    def _widen(self, half: CallSummary) -> CallSummary:
        return self._in_float32.get(half) or self._in_float32.setdefault(half, widened(half))

    def mixes_images(self, workload: Workload) -> bool:
        """Whether the size of a call for one image grows with the batch, as where attention goes over images or groups are images."""
        return any(self._grows(call.summary) for call in workload.calls)

    def _grows(self, summary: CallSummary) -> bool:
        known = self._growing.get(summary)
        if known is None:
            sizes = [summary.columns[name] for name in ("elements_out", "m", "n", "k", "groups", "products")]
            known = any(size and size % self._batch == 0 for size in sizes) or sizes[-1] % 1 != 0
            self._growing[summary] = known
        return known

    def of_recorded(self, recorded: OrderedCalls, names: Mapping[int, str]) -> Workload:
        """The workload of a pass that was run."""
        calls = [self._of_layout(call.layout, Roles(tuple(call.read_roles), tuple(call.write_roles))) for call in recorded.calls]
        storages = recorded.storages.listed()
        reads, writes = ([getattr(call, name) for call in recorded.calls] for name in ("reads", "writes"))
        kernels = group_calls(calls, reads, writes, kept_storages(storages))
        fused = self._kernels.columns(kernels, self._kernels.numbers(kernels), calls)
        places = _Places(lambda call: recorded.calls[call].module, names)
        return summarise_pass(SummarisedPass(self._batch, calls, fused, places, weight_bytes(storages), storages))

    def _describe(self, layout: CallLayout, roles: Roles) -> CallSummary:
        reads, writes = ([0] * len(named) for named in roles)  # which memory it is does not matter here
        call = RecordedCall(None, layout, reads, list(roles.reads), writes, list(roles.writes))
        return summarise_call(traced_call(call, {}), self._batch)


class _Look(NamedTuple):
    """What calls that look alike have in common."""

    layout: CallLayout
    free_reads: tuple[bool, ...]  # whether each tensor that it reads is the same for every batch
    free_writes: tuple[bool, ...]


def _batch_free(roles: Sequence[str]) -> tuple[bool, ...]:
    return tuple([role in BATCH_FREE for role in roles])


class _Places:
    """The path and the class of the module of each call, found where they are asked for.

    Args:
        module: gives that of a call.
        names: paths of modules by their identity.
    """

    def __init__(self, module: Callable[[int], nn.Module | None], names: Mapping[int, str]) -> None:
        self._module, self._names = module, names

    def __getitem__(self, call: int) -> tuple[str, str]:
        module = self._module(call)
        return self._names.get(id(module), ""), class_name(module)
