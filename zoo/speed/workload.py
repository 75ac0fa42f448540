"""What an estimate of speed reads of a trace: its distinct calls, each with how often it is made and what it moves."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from zoo.traces import Trace, TracedCall

_Call = tuple[int, TracedCall, int]  # position and call where it is made first, and how often it is made


def summarise(trace: Trace) -> list[dict[str, Any]]:
    """One row for each distinct call, in the order in which they are first made: the columns of the table `workloads`.

    Calls are the same if they do the same work on tensors that look alike, whichever module makes them; `module` is the first.
    Every figure is that of all `calls` together, at the batch of the trace: macs; macs_fixed, those of calls that compute with
    weights only and are the same for any batch; bytes_in and bytes_out, elements that differ in memory; bytes_weights, the part
    of bytes_in that is weights or made of them.
    """
    distinct: dict[Hashable, _Call] = {}
    for position, call in enumerate(trace.calls):
        first, example, calls = distinct.get(look := _look(call), (position, call, 0))
        distinct[look] = first, example, calls + 1
    return [_row(*call) for call in distinct.values()]


def _look(call: TracedCall) -> Hashable:
    tensors = tuple((t.argument, t.shape, t.strides, t.dtype, t.role) for t in (*call.inputs, *call.outputs))
    return call.operation, call.arguments, call.in_place, len(call.inputs), tensors


def _row(position: int, call: TracedCall, calls: int) -> dict[str, Any]:
    return {
        "position": position,
        "module": call.module,
        "module_class": call.module_class,
        "operation": call.operation,
        "kind": call.kind,
        "calls": calls,
        "macs": calls * call.macs,
        "macs_fixed": calls * call.macs if call.is_batch_free else 0,
        "bytes_in": calls * sum(tensor.nbytes for tensor in call.inputs),
        "bytes_out": calls * sum(tensor.nbytes for tensor in call.outputs),
        "bytes_weights": calls * sum(tensor.nbytes for tensor in call.inputs if tensor.is_batch_free),
    }
