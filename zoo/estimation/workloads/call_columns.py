"""The columns of a workload that a single call has, whatever calls come before and after it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from zoo.estimation.workloads.work import MATRIX_WORKS, input_channels, work_of
from zoo.traces import TracedCall, TracedTensor


class Size(NamedTuple):
    """Of a tensor that a call reads or writes."""

    nbytes: int
    is_batch_free: bool  # the same for every batch


BYTE_COLUMNS = ("bytes_in", "bytes_out", "free_bytes")
"""Those that grow with the size of an element."""


def describe_call(call: TracedCall, batch: int, reads: Sequence[Size], writes: Sequence[Size]) -> dict[str, Any]:
    """Columns of `zoo.estimation.workloads.workload.COLUMNS`, from operation to steps.

    Args:
        call: of a trace.
        batch: of the trace.
        reads: of its inputs.
        writes: of its outputs.
    """
    is_free = all(size.is_batch_free for size in (*reads, *writes))
    out = call.outputs[0] if call.outputs else None
    work = work_of(call)
    return {
        "operation": call.operation,
        "kind": call.kind,
        "work": work,
        "dtype": _dtype(call, work),
        "macs": 0.0 if is_free else call.macs / batch,
        "free_macs": float(call.macs) if is_free else 0.0,
        "bytes_in": sum([size.nbytes for size in reads if not size.is_batch_free]) / batch,
        "bytes_out": sum([size.nbytes for size in writes if not size.is_batch_free]) / batch,
        "free_bytes": float(sum([size.nbytes for size in (*reads, *writes) if size.is_batch_free])),
        "elements_out": 0.0 if is_free or out is None else math.prod(out.shape) / batch,
        **_product_sizes(call, work, 1 if is_free else batch),
        "is_channels_last": out is not None and _is_channels_last(out),
        "is_transposed": _is_transposed(call, work),
        "has_bias": call.has_bias,
        "has_mask": call.has_mask,
        "planes": 0.0 if is_free else _planes(call, batch),
        "steps": _steps(call),
    }


def _dtype(call: TracedCall, work: str) -> str:
    tensors = call.inputs if work in MATRIX_WORKS else call.outputs
    return next((tensor.dtype for tensor in (*tensors, *call.outputs)), "")


def _product_sizes(call: TracedCall, work: str, batch: int) -> dict[str, Any]:
    """Sizes of the matrix products inside a call. A convolution is one of positions, output channels and kernel elements."""
    sizes = {"m": 0.0, "n": 0.0, "k": 0.0, "products": 0.0, "groups": 1, "group_width": 0, "kernel": 1}
    if call.kind == "pool":
        sizes["kernel"] = math.prod(call.kernel)
    if work not in MATRIX_WORKS or not call.outputs:
        return sizes
    out = call.outputs[0].shape
    if call.kind == "conv":
        return sizes | _conv_sizes(call, out)
    if call.kind == "attention":
        queries, keys = call.inputs[0].shape, call.inputs[1].shape
        products = math.prod(queries[:-2]) / batch
        return sizes | {"m": float(queries[-2]), "n": float(keys[-2]), "k": float(queries[-1]), "products": products}
    n = float(out[-1]) if out else 1.0
    k = call.macs / max(1, math.prod(out))
    if work == "recurrent":
        return sizes | {"m": math.prod(out[:-1]) / batch, "n": 4 * n, "k": k / 4, "products": 1.0}
    if work == "linear":
        return sizes | {"m": math.prod(out[:-1]) / batch, "n": n, "k": k, "products": 1.0}
    return sizes | {"m": float(out[-2]) if len(out) > 1 else 1.0, "n": n, "k": k, "products": math.prod(out[:-2]) / batch}


def _conv_sizes(call: TracedCall, out: tuple[int, ...]) -> dict[str, Any]:
    groups, kernel = call.groups or 1, math.prod(call.kernel)
    width = input_channels(call) // groups
    sizes = {"m": float(math.prod(out[2:])), "n": out[1] / groups, "k": float(width * kernel), "products": float(groups)}
    return {**sizes, "groups": groups, "group_width": width, "kernel": kernel}


def _is_channels_last(tensor: TracedTensor) -> bool:
    return len(tensor.shape) in (4, 5) and tensor.shape[1] > 1 and tensor.strides[1] == 1


def _is_transposed(call: TracedCall, work: str) -> bool:
    """By the largest tensor that is read. Kernels of matrix work transpose on their own."""
    activations = [tensor for tensor in call.inputs if not tensor.is_batch_free]
    if work in MATRIX_WORKS or not activations or not call.outputs:
        return False
    largest, out = max(activations, key=lambda tensor: tensor.elements), call.outputs[0]
    if len(largest.shape) == len(out.shape):
        return _contiguous_dimension(largest) != _contiguous_dimension(out)
    return work == "copy" and bool(largest.shape) and largest.strides[-1] != 1


def _contiguous_dimension(tensor: TracedTensor) -> int:
    dimensions = range(len(tensor.shape) - 1, -1, -1)
    return next((d for d in dimensions if tensor.strides[d] == 1 and tensor.shape[d] > 1), len(tensor.shape) - 1)


def _planes(call: TracedCall, batch: int) -> float:
    if call.operation != "upsample_bilinear2d" or _is_channels_last(call.inputs[0]):
        return 0.0
    return math.prod(call.outputs[0].shape[:2]) / batch


def _steps(call: TracedCall) -> int:
    """Of a recurrent layer: its input is positions x images x width, or images x positions x width."""
    if call.kind != "recurrent" or len(call.inputs[0].shape) < 3:
        return 1
    return call.inputs[0].shape[1 if "batch_first=True" in call.arguments else 0]
