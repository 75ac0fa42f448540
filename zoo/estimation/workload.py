"""What a trace asks of a device: one flat row for each distinct call, from which any batch and any device can be estimated.

    rows = summarise(trace)

Amounts are for one image where they grow with the batch, and apart from these (`free_...`) where they do not: weights, and what
is computed from weights alone. A row has all that eager running needs and, in its `fused_...` columns, what a compiler leaves of it:

| column | meaning |
|---|---|
| position, module, module_class | of the first such call |
| operation, kind | as in the trace |
| work | the class the estimate knows it by: one of `WORKS` |
| dtype | of the products for matrix work, else of the result |
| calls | how many calls are like this |
| macs, free_macs | multiply-accumulates |
| bytes_in, bytes_out, free_bytes | of distinct elements read and written |
| elements_out | elements written |
| m, n, k, products | `products` matrix products of m x k with k x n; m is for one image where one product takes the whole batch |
| groups, group_width | of convolutions: groups, and input channels of one |
| kernel | positions of the window of convolutions and poolings |
| is_channels_last | whether a convolution or resampling writes channels last |
| is_transposed | whether the fastest dimension of the result is another one than that of what is read |
| has_bias, has_mask | of the call |
| planes | images times channels that a bilinear resampling of channels-first data goes through |
| steps | passes that must follow one another: the positions of a recurrent layer, otherwise 1 |
| fused_work | the class of the fused kernel that starts with this call; empty where the call joins an earlier one |
| fused_bytes_in, fused_bytes_out, fused_free_bytes, fused_is_transposed | of that kernel |
| model_weight_bytes, model_peak_bytes | of the whole model: weights and what is made of them alone, and the most bytes of activations alive at once for one image |

Fusion: a call that works on single elements, normalises, reduces, pools or copies joins the kernel that made its latest input; a
kernel reads what others made once, and writes what others read. Convolutions, products, attention and recurrent layers stand alone.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from zoo.traces import Trace, TracedCall, TracedTensor

WORKLOAD_VERSION = 1
"""Changes when the rows of an unchanged trace would."""

MATRIX_WORKS = ("linear", "product", "attention", "masked_attention", "conv", "stem", "grouped", "depthwise", "recurrent")
"""Work with multiply-accumulates. stem: a convolution of at most four channels. product: of two activations."""

WORKS = (
    *MATRIX_WORKS, "elementwise", "cast", "batch_norm", "norm", "softmax", "reduce", "pool", "resample", "copy", "cat", "fourier",
    "sort", "unknown",
)  # fmt: skip
"""Classes of work."""

STANDING_ALONE = frozenset({*MATRIX_WORKS, "fourier", "sort", "unknown"})
"""Work that no compiler joins with other calls."""

_STEM_CHANNELS = 4
_BY_KIND = {"compare": "elementwise", "create": "elementwise", "recurrent": "recurrent", "linear": "linear"}
_BY_OPERATION = {
    **dict.fromkeys(["batch_norm", "native_batch_norm", "cudnn_batch_norm"], "batch_norm"),
    **dict.fromkeys(["to", "_to_copy", "type_as"], "cast"),
    **dict.fromkeys(["cat", "concat", "stack"], "cat"),
    **dict.fromkeys(["clone", "fill", "zero"], "elementwise"),
}
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

AMOUNTS = tuple(name for name in COLUMNS if name not in {"module", "module_class", "kind"})
"""Those that a whole model is estimated from."""


def summarise(trace: Trace, *, by_module: bool = False) -> list[dict[str, Any]]:
    """The distinct calls of a trace, in the order of the first of each.

    Args:
        trace: of any precision and layout; a batch of 2 or more, so that strides and what repeats with the batch are seen.
        by_module: keeps equal calls of different modules apart.
    """
    described = _describe_all(trace)
    kernels = _fuse(trace, described)
    weight_bytes = sum(storage.nbytes for storage in trace.storages if storage.role == "weight")
    model = {
        "model_weight_bytes": float(weight_bytes + _peak_bytes(trace, of_constants=True)),
        "model_peak_bytes": _peak_bytes(trace, of_constants=False) / trace.batch,
    }
    joined: dict[Any, dict[str, Any]] = {}
    for position, (call, like, fused) in enumerate(zip(trace.calls, described, kernels, strict=True)):
        key = (id(like), fused, call.module if by_module else None)
        if key in joined:
            joined[key]["calls"] += 1
            continue
        where = {"position": position, "module": call.module, "module_class": call.module_class, "calls": 1}
        row = {**where, **like.columns, **fused._asdict(), **model}
        joined[key] = {name: row[name] for name in COLUMNS}
    return list(joined.values())


def _peak_bytes(trace: Trace, *, of_constants: bool) -> int:
    """Most bytes alive at once of what calls make: of what is the same for every batch, such as casts of weights, or of the rest."""
    storages = tuple(
        storage if (storage.role == "constant") == of_constants else storage._replace(nbytes=0) for storage in trace.storages
    )
    return replace(trace, storages=storages).peak_activation_bytes


@dataclass(frozen=True, slots=True)
class _Described:
    """What calls that look alike have in common."""

    columns: dict[str, Any]
    reads: tuple[tuple[int, bool], ...]  # bytes of each input and whether it is free of the batch
    writes: tuple[tuple[int, bool], ...]
    stands_alone: bool
    is_free: bool


def _describe_all(trace: Trace) -> list[_Described]:
    """Of each call; calls that look alike share one object."""
    known: dict[Any, _Described] = {}
    described = []
    for call in trace.calls:
        tensors = tuple((*t[:4], t.is_batch_free) for t in (*call.inputs, *call.outputs))
        key = (call[2:4], len(call.inputs), tensors, call[6:])
        if key not in known:
            columns = _describe(call, trace.batch)
            known[key] = _Described(
                columns=columns,
                reads=tuple((tensor.nbytes, tensor.is_batch_free) for tensor in call.inputs),
                writes=tuple((tensor.nbytes, tensor.is_batch_free) for tensor in call.outputs),
                stands_alone=columns["work"] in STANDING_ALONE,
                is_free=call.is_batch_free,
            )
        described.append(known[key])
    return described


def _describe(call: TracedCall, batch: int) -> dict[str, Any]:
    """The columns of one call on its own."""
    is_free = call.is_batch_free
    read, written, free = _bytes(call, batch)
    out = call.outputs[0] if call.outputs else None
    work = work_of(call)
    return {
        "operation": call.operation,
        "kind": call.kind,
        "work": work,
        "dtype": _dtype(call, work),
        "macs": 0.0 if is_free else call.macs / batch,
        "free_macs": float(call.macs) if is_free else 0.0,
        "bytes_in": read,
        "bytes_out": written,
        "free_bytes": free,
        "elements_out": 0.0 if is_free or out is None else math.prod(out.shape) / batch,
        **_dimensions(call, work, 1 if is_free else batch),
        "is_channels_last": out is not None and _is_channels_last(out),
        "is_transposed": _is_transposed(call, work),
        "has_bias": call.has_bias,
        "has_mask": call.has_mask,
        "planes": _planes(call, batch),
        "steps": _steps(call),
    }


def work_of(call: TracedCall) -> str:
    """The class of work of a call."""
    if call.kind == "conv":
        return _conv_work(call)
    if call.kind == "attention":
        return "masked_attention" if call.has_mask else "attention"
    if call.kind == "matmul":
        return "linear" if any(t.is_batch_free and len(t.shape) == 2 for t in call.inputs) else "product"
    return _BY_OPERATION.get(call.operation) or _BY_KIND.get(call.kind) or (call.kind if call.kind in WORKS else "unknown")


def _conv_work(call: TracedCall) -> str:
    groups, channels = call.groups or 1, _shape(call, "input", 0)[1]
    if groups > 1:
        return "depthwise" if groups == channels else "grouped"
    return "stem" if channels <= _STEM_CHANNELS else "conv"


def _shape(call: TracedCall, argument: str, position: int) -> tuple[int, ...]:
    named = [tensor.shape for tensor in call.inputs if tensor.argument == argument]
    return named[0] if named else call.inputs[position].shape


def _bytes(call: TracedCall, batch: int) -> tuple[float, float, float]:
    """Read and written for one image, and what does not grow with the batch."""
    read = sum(t.nbytes for t in call.inputs if not t.is_batch_free) / batch
    written = sum(t.nbytes for t in call.outputs if not t.is_batch_free) / batch
    return read, written, float(sum(t.nbytes for t in (*call.inputs, *call.outputs) if t.is_batch_free))


def _dtype(call: TracedCall, work: str) -> str:
    tensors = call.inputs if work in MATRIX_WORKS else call.outputs
    return next((tensor.dtype for tensor in (*tensors, *call.outputs)), "")


def _dimensions(call: TracedCall, work: str, batch: int) -> dict[str, Any]:
    """Sizes of the matrix products inside a call. A convolution is one of positions, output channels and kernel elements."""
    window = math.prod(call.kernel) if call.kind == "pool" else 1
    none = {"m": 0.0, "n": 0.0, "k": 0.0, "products": 0.0, "groups": 1, "group_width": 0, "kernel": window}
    if work not in MATRIX_WORKS or not call.outputs:
        return none
    out = call.outputs[0].shape
    if call.kind == "conv":
        groups, kernel, channels = call.groups or 1, math.prod(call.kernel), _shape(call, "input", 0)[1]
        width = channels // groups
        size = {"m": float(math.prod(out[2:])), "n": out[1] / groups, "k": float(width * kernel), "products": float(groups)}
        return {**none, **size, "groups": groups, "group_width": width, "kernel": kernel}
    if call.kind == "attention":
        queries, keys = call.inputs[0].shape, call.inputs[1].shape
        return {
            **none,
            "m": float(queries[-2]),
            "n": float(keys[-2]),
            "k": float(queries[-1]),
            "products": math.prod(queries[:-2]) / batch,
        }
    n = float(out[-1]) if out else 1.0
    k = call.macs / max(1, math.prod(out))
    if work == "recurrent":
        return {**none, "m": math.prod(out[:-1]) / batch, "n": 4 * n, "k": k / 4, "products": 1.0}
    if work == "linear":
        return {**none, "m": math.prod(out[:-1]) / batch, "n": n, "k": k, "products": 1.0}
    return {**none, "m": float(out[-2]) if len(out) > 1 else 1.0, "n": n, "k": k, "products": math.prod(out[:-2]) / batch}


def _is_channels_last(tensor: TracedTensor) -> bool:
    return len(tensor.shape) in (4, 5) and tensor.shape[1] > 1 and tensor.strides[1] == 1


def _is_transposed(call: TracedCall, work: str) -> bool:
    """By the largest of what is read; matrix work has transposing kernels of its own."""
    activations = [tensor for tensor in call.inputs if not tensor.is_batch_free]
    if work in MATRIX_WORKS or not activations or not call.outputs:
        return False
    largest, out = max(activations, key=lambda tensor: tensor.elements), call.outputs[0]
    if len(largest.shape) == len(out.shape):
        return _fastest(largest) != _fastest(out)
    return work == "copy" and bool(largest.shape) and largest.strides[-1] != 1


def _fastest(tensor: TracedTensor) -> int:
    """The dimension along which neighbours lie together in memory."""
    dimensions = range(len(tensor.shape) - 1, -1, -1)
    return next((d for d in dimensions if tensor.strides[d] == 1 and tensor.shape[d] > 1), len(tensor.shape) - 1)


def _planes(call: TracedCall, batch: int) -> float:
    if call.operation != "upsample_bilinear2d" or call.is_batch_free or _is_channels_last(call.inputs[0]):
        return 0.0
    return math.prod(call.outputs[0].shape[:2]) / batch


def _steps(call: TracedCall) -> int:
    """Of a recurrent layer: its input is positions x images x width, or images x positions x width."""
    if call.kind != "recurrent" or len(call.inputs[0].shape) < 3:
        return 1
    return call.inputs[0].shape[1 if "batch_first=True" in call.arguments else 0]


class _Fused(NamedTuple):
    """The columns about the compiled graph; those of a call that joins an earlier kernel are empty."""

    fused_work: str = ""
    fused_bytes_in: float = 0.0
    fused_bytes_out: float = 0.0
    fused_free_bytes: float = 0.0
    fused_is_transposed: bool = False


@dataclass(slots=True)
class _Kernel:
    """One kernel of the compiled graph."""

    leader: int  # position of its first call
    stands_alone: bool
    works: set[str] = field(default_factory=set)
    is_transposed: bool = False
    reads: dict[int, tuple[int, bool]] = field(default_factory=dict)  # bytes and whether free of the batch, by storage
    writes: dict[int, tuple[int, bool]] = field(default_factory=dict)


def _fuse(trace: Trace, described: Sequence[_Described]) -> list[_Fused]:
    """What a compiler leaves of each call."""
    kernels = _kernels(trace.calls, described)
    users: dict[int, set[int]] = defaultdict(set)
    for kernel in kernels:
        for storage in kernel.reads:
            users[storage].add(kernel.leader)
    outliving = {i for i, storage in enumerate(trace.storages) if storage.alloc_at >= 0 and storage.free_at is None}
    fused = [_Fused()] * len(trace.calls)
    for kernel in kernels:
        kept = [v for storage, v in kernel.writes.items() if users[storage] - {kernel.leader} or storage in outliving]
        read = sum(nbytes for nbytes, is_free in kernel.reads.values() if not is_free) / trace.batch
        written = sum(nbytes for nbytes, is_free in kept if not is_free) / trace.batch
        free = float(sum(nbytes for nbytes, is_free in (*kernel.reads.values(), *kept) if is_free))
        fused[kernel.leader] = _Fused(_kernel_work(kernel), read, written, free, kernel.is_transposed)
    return fused


def _kernels(calls: Sequence[TracedCall], described: Sequence[_Described]) -> list[_Kernel]:
    kernels: list[_Kernel] = []
    made_by: dict[int, _Kernel] = {}
    made_at: dict[int, int] = {}
    for position, (call, like) in enumerate(zip(calls, described, strict=True)):
        latest = max(
            (made_at.get(t.storage, -1) for t, (_, is_free) in zip(call.inputs, like.reads, strict=True) if not is_free),
            default=-1,
        )
        kernel = next((made_by[t.storage] for t in call.inputs if latest >= 0 and made_at.get(t.storage) == latest), None)
        if like.stands_alone or like.is_free or kernel is None or kernel.stands_alone:
            kernel = _Kernel(position, like.stands_alone)
            kernels.append(kernel)
        kernel.works.add(like.columns["work"])
        kernel.is_transposed |= like.columns["is_transposed"]
        for tensor, (nbytes, is_free) in zip(call.inputs, like.reads, strict=True):
            if made_by.get(tensor.storage) is not kernel:
                kernel.reads[tensor.storage] = (max(kernel.reads.get(tensor.storage, (0, True))[0], nbytes), is_free)
        for tensor, wrote in zip(call.outputs, like.writes, strict=True):
            kernel.writes[tensor.storage] = wrote
            made_by[tensor.storage], made_at[tensor.storage] = kernel, position
    return kernels


def _kernel_work(kernel: _Kernel) -> str:
    """A fused kernel is as slow as the slowest kind of work in it."""
    if kernel.stands_alone:
        return next(iter(kernel.works))
    slow = next((work for work in ("norm", "softmax", "reduce", "pool", "resample") if work in kernel.works), None)
    return slow or ("copy" if kernel.is_transposed else "elementwise")
