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

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from zoo.estimation.workloads.call_columns import describe_call
from zoo.estimation.workloads.fusion import Access, FusionInput, fuse
from zoo.traces import Trace, TracedTensor

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


def summarise(trace: Trace, *, by_module: bool = False) -> list[dict[str, Any]]:
    """The distinct calls of a trace, in the order of the first of each.

    Args:
        trace: of any precision and layout; a batch of 2 or more, so that strides and what repeats with the batch are seen.
        by_module: keeps equal calls of different modules apart.
    """
    inputs = _describe_calls(trace)
    weight_bytes = sum(storage.nbytes for storage in trace.storages if storage.role == "weight")
    model = {
        "model_weight_bytes": float(weight_bytes + _peak_bytes(trace, of_constants=True)),
        "model_peak_bytes": _peak_bytes(trace, of_constants=False) / trace.batch,
    }
    rows: dict[Any, dict[str, Any]] = {}
    for position, (call, like, fused) in enumerate(zip(trace.calls, inputs, fuse(trace, inputs), strict=True)):
        key = (id(like), fused, call.module if by_module else None)
        if key in rows:
            rows[key]["calls"] += 1
            continue
        where = {"position": position, "module": call.module, "module_class": call.module_class, "calls": 1}
        row = {**where, **like.columns, **fused._asdict(), **model}
        rows[key] = {name: row[name] for name in COLUMNS}
    return list(rows.values())


def _peak_bytes(trace: Trace, *, of_constants: bool) -> int:
    """Most bytes alive at once of calls' results: of those that are the same for every batch, such as casts of weights, or the rest."""
    storages = tuple(
        storage if (storage.role == "constant") == of_constants else storage._replace(nbytes=0) for storage in trace.storages
    )
    return replace(trace, storages=storages).peak_activation_bytes


def _describe_calls(trace: Trace) -> list[FusionInput]:
    """One for each call; calls that look alike share one object."""
    known: dict[Any, FusionInput] = {}
    described = []
    for call in trace.calls:
        tensors = tuple((*t[:4], t.is_batch_free) for t in (*call.inputs, *call.outputs))
        key = (call[2:4], len(call.inputs), tensors, call[6:])
        if key not in known:
            reads, writes = tuple(map(_access, call.inputs)), tuple(map(_access, call.outputs))
            known[key] = FusionInput(describe_call(call, trace.batch), reads, writes, call.is_batch_free)
        described.append(known[key])
    return described


def _access(tensor: TracedTensor) -> Access:
    return Access(tensor.nbytes, tensor.is_batch_free)
