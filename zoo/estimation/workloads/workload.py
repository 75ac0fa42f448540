"""The workload of a trace: one flat row for each distinct call.

    rows = summarise(trace)

Amounts that grow with the batch are for one image. Those that do not, of weights and what is computed from weights alone, stand apart
(`free_...`). A row describes eager execution and, in its `fused_...` columns, what a compiler leaves of the call:

| column | meaning |
|---|---|
| position, module, module_class | of the first such call |
| operation, kind | as in the trace |
| work | its class of work: one of `zoo.estimation.workloads.work.WORKS` |
| dtype | of the operands for matrix work, else of the result |
| calls | how many calls are like this |
| macs, free_macs | multiply-accumulates |
| bytes_in, bytes_out, free_bytes | of distinct elements read and written |
| elements_out | elements written |
| m, n, k, products | `products` matrix products of m x k with k x n; m is for one image where one product takes the whole batch |
| groups, group_width | of convolutions: groups, and input channels of one |
| kernel | positions of the window of convolutions and poolings |
| is_channels_last | whether a convolution or resampling writes channels last |
| is_transposed | whether the contiguous dimension of the result is another one than that of what is read |
| has_bias, has_mask | of the call |
| planes | images times channels that a bilinear resampling of channels-first data goes through |
| steps | passes that must follow one another: the positions of a recurrent layer, otherwise 1 |
| fused_work | work of the fused kernel that starts with this call; empty where the call joins an earlier one |
| fused_bytes_in, fused_bytes_out, fused_free_bytes, fused_is_transposed | of that kernel |
| model_weight_bytes | bytes of the model's weights, and of what is computed from them alone |
| model_peak_bytes | most bytes of activations alive at once, for one image |
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from zoo.estimation.workloads.call_columns import BYTE_COLUMNS, Size, describe_call
from zoo.estimation.workloads.fusion import CallSummary, FusedColumns, KernelTable, group_calls
from zoo.estimation.workloads.work import UNFUSED_WORKS
from zoo.traces import Trace, TracedCall, TracedStorage

_TEXTS = {"module": str, "module_class": str, "operation": str, "kind": str, "work": str, "dtype": str, "fused_work": str}
_FLAGS = dict.fromkeys(["is_channels_last", "is_transposed", "has_bias", "has_mask", "fused_is_transposed"], bool)
_WHOLE = dict.fromkeys(["position", "calls", "groups", "group_width", "kernel", "steps"], int)
_AMOUNTS = dict.fromkeys(
    """macs free_macs bytes_in bytes_out free_bytes elements_out m n k products planes fused_bytes_in fused_bytes_out
    fused_free_bytes model_weight_bytes model_peak_bytes""".split(),
    float,
)
COLUMNS: Mapping[str, type] = {**_TEXTS, **_FLAGS, **_WHOLE, **_AMOUNTS}
"""The columns of a row and their types; amounts are floats because they are for one image of a traced batch."""

MODEL_COLUMNS = tuple(name for name in COLUMNS if name not in {"module", "module_class", "kind"})
"""Columns that a whole model is estimated from."""

EAGER_COLUMNS = tuple(name for name in MODEL_COLUMNS if not name.startswith("fused_"))
"""Columns that a whole model is estimated from where it is run eagerly."""


_FUSED_PLACES = {name: place for place, name in enumerate(FusedColumns._fields)}


class DistinctCall(NamedTuple):
    """Calls of a pass that look alike, of which a compiler makes alike kernels."""

    position: int  # of the first
    module: str
    module_class: str
    calls: int
    summary: CallSummary
    fused: FusedColumns


@dataclass(frozen=True, slots=True)
class Workload:
    """What a pass asks of a device: its distinct calls, in the order of the first of each."""

    calls: Sequence[DistinctCall]
    model_weight_bytes: float
    model_peak_bytes: float

    def rows(self) -> list[dict[str, Any]]:
        """One for each call, with all columns."""
        columns = self.columns(COLUMNS)
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]

    def columns(self, names: Iterable[str]) -> dict[str, list[Any]]:
        """The values of columns, each in the order of the calls."""
        summaries = [call.summary.columns for call in self.calls]
        fused = [call.fused for call in self.calls]
        columns: dict[str, list[Any]] = {}
        for name in names:
            if name in _FUSED_PLACES:
                place = _FUSED_PLACES[name]
                columns[name] = [values[place] for values in fused]
            elif name in DistinctCall._fields:
                columns[name] = [getattr(call, name) for call in self.calls]
            elif name in {"model_weight_bytes", "model_peak_bytes"}:
                columns[name] = [getattr(self, name)] * len(self.calls)
            else:
                columns[name] = [values[name] for values in summaries]
        return columns

    @property
    def macs(self) -> float:
        """Multiply-accumulates for one image."""
        return float(sum(call.calls * (call.summary.columns["macs"] + call.summary.columns["free_macs"]) for call in self.calls))


class Places(Protocol):
    """Module and class of each call."""

    def __getitem__(self, call: int, /) -> tuple[str, str]:
        """Those of one."""


class SummarisedPass(NamedTuple):
    """A pass as it is summarised: its calls, each as what it has in common with others like it, and its memory."""

    batch: int
    calls: Sequence[CallSummary]
    fused: Sequence[FusedColumns]  # of each call
    places: Places
    weight_bytes: int
    storages: Sequence[TracedStorage]  # at least those that its calls make


def weight_bytes(storages: Iterable[TracedStorage]) -> int:
    """Bytes of the weights among storages."""
    return sum([storage.nbytes for storage in storages if storage.role == "weight"])


def kept_storages(storages: Iterable[TracedStorage]) -> set[int]:
    """Numbers of those that a pass makes and that outlive it."""
    return {number for number, storage in enumerate(storages) if storage.alloc_at >= 0 and storage.free_at is None}


def summarise(trace: Trace, *, by_module: bool = False) -> list[dict[str, Any]]:
    """The distinct calls of a trace, in the order of the first of each.

    Args:
        trace: of any precision and layout; a batch of 2 or more, so that strides and what repeats with the batch are seen.
        by_module: keeps equal calls of different modules apart.
    """
    known: dict[Any, CallSummary] = {}
    calls = []
    for call in trace.calls:
        tensors = tuple((*t[:4], t.is_batch_free) for t in (*call.inputs, *call.outputs))
        key = (call[2:4], len(call.inputs), tensors, call[6:])
        if key not in known:
            known[key] = summarise_call(call, trace.batch)
        calls.append(known[key])
    reads = [[tensor.storage for tensor in call.inputs] for call in trace.calls]
    writes = [[tensor.storage for tensor in call.outputs] for call in trace.calls]
    kernels, table = group_calls(calls, reads, writes, kept_storages(trace.storages)), KernelTable(trace.batch)
    fused = table.columns(kernels, table.numbers(kernels), calls)
    places = [(call.module, call.module_class) for call in trace.calls]
    summarised = SummarisedPass(trace.batch, calls, fused, places, weight_bytes(trace.storages), trace.storages)
    return summarise_pass(summarised, by_module=by_module).rows()


def summarise_pass(given: SummarisedPass, *, by_module: bool = False) -> Workload:
    """The workload of a pass; see `summarise`. Equal `fused` columns have to be one object."""
    constant_bytes, other_bytes = _peak_bytes(given)
    found: dict[Any, list[int]] = {}
    for position, (call, fused) in enumerate(zip(given.calls, given.fused, strict=True)):
        key = (id(call), id(fused), given.places[position][0] if by_module else None)
        known = found.get(key)
        if known is None:
            found[key] = [position, 1]
        else:
            known[1] += 1
    calls = [
        DistinctCall(position, *given.places[position], count, given.calls[position], given.fused[position])
        for position, count in found.values()
    ]
    return Workload(calls, float(given.weight_bytes + constant_bytes), other_bytes / given.batch)


def _peak_bytes(given: SummarisedPass) -> tuple[int, int]:
    """Most bytes alive at once of what calls make: of what is the same for every batch, such as casts of weights, and of the rest."""
    end = len(given.calls)
    changes = [0] * (end + 1), [0] * (end + 1)
    for nbytes, role, alloc_at, free_at in given.storages:
        if alloc_at >= 0:
            change = changes[role != "constant"]
            change[alloc_at] += nbytes
            change[end if free_at is None else free_at] -= nbytes
    constants, others = (max(itertools.accumulate(change)) for change in changes)
    return constants, others


def summarise_call(call: TracedCall, batch: int) -> CallSummary:
    """What calls like this one have in common."""
    reads, writes = ([Size(tensor.nbytes, tensor.is_batch_free) for tensor in tensors] for tensors in (call.inputs, call.outputs))
    columns = describe_call(call, batch, reads, writes)
    return CallSummary(
        columns,
        columns["work"],
        columns["is_transposed"],
        columns["work"] not in UNFUSED_WORKS,
        all(size.is_batch_free for size in (*reads, *writes)),
        tuple([size.nbytes for size in reads]),
        tuple([size.nbytes for size in writes]),
        tuple([size.is_batch_free for size in reads]),
        tuple([size.is_batch_free for size in writes]),
    )


def widened(call: CallSummary) -> CallSummary:
    """The same with float32 in place of float16, which all its tensors are of."""
    columns = {**call.columns, "dtype": "float32", **{name: 2 * call.columns[name] for name in BYTE_COLUMNS}}
    reads, writes = (tuple([2 * nbytes for nbytes in sizes]) for sizes in (call.reads, call.writes))
    return replace(call, columns=columns, reads=reads, writes=writes)


def channels_last(call: CallSummary) -> CallSummary:
    """The same on channels-last images, which makes such an image."""
    return replace(call, columns={**call.columns, "is_channels_last": True})
