"""All calls of a forward pass in order, with the input of speed estimates: shapes, strides, dtypes and data flow.

    trace = zoo.trace(model, (3, 224, 224), precision="amp", layout="nhwc")
    trace.to_frame()

A trace is only recorded on request, separately from the count, and once for each precision and memory layout. It is recorded at batch
2: with one image, strides of the batch dimension are arbitrary, and copies look like views. Calls are those that compute or move data;
views are left out, because strides and storages show their effects. The internals of a kernel (a layout conversion, scratch memory)
are not recorded: the strides of its arguments show when they are needed.

Layouts and casts are those of a GPU, but the model runs on the meta device and may depend on its name: timm's EfficientViT computes
attention in float32 under autocast on all devices except meta. The output of attention whose head width is not a multiple of 8 is
assumed to be contiguous, without the padding that a GPU leaves.

Reading a trace needs no torch.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from zoo.records import full_operator_name

if TYPE_CHECKING:
    import pandas as pd

TRACE_BATCH = 2

BATCH_FREE = frozenset({"weight", "constant"})
"""Roles of tensors that are the same for every batch, in values and size."""


class TracedTensor(NamedTuple):
    """One tensor that a call reads or writes.

    Its role says what it is made of: a weight; a constant, made of weights and numbers only; the same *repeated*, with a copy for
    each image, such as an expanded table; an input of the model; or an activation, made of inputs.
    """

    argument: str  # the operator's name for it; of a result, its position
    shape: tuple[int, ...]
    strides: tuple[int, ...]  # in elements
    dtype: str
    role: str  # weight, constant, repeated, input or activation
    storage: int  # which memory: an index into `Trace.storages`

    @property
    def is_batch_free(self) -> bool:
        """Whether it is the same for every batch, in values and size."""
        return self.role in BATCH_FREE

    @property
    def elements(self) -> int:
        """Elements that differ in memory: an expanded dimension (stride 0) is one."""
        return math.prod(size for size, stride in zip(self.shape, self.strides, strict=True) if stride != 0)

    @property
    def nbytes(self) -> int:
        """Bytes of these elements."""
        return self.elements * BYTES_OF[self.dtype]


BYTES_OF: Mapping[str, int] = {
    **dict.fromkeys(["bool", "int8", "uint8", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz"], 1),
    **dict.fromkeys(["int16", "uint16", "float16", "bfloat16"], 2),
    **dict.fromkeys(["int32", "uint32", "float32", "complex32"], 4),
    **dict.fromkeys(["int64", "uint64", "float64", "complex64"], 8),
    "complex128": 16,
}
"""Size of an element of each dtype."""


class TracedCall(NamedTuple):
    """One call of an operator as it happened."""

    module: str  # path of the module that made it
    module_class: str
    operation: str  # as in a count, without the underscore of in-place forms
    kind: str
    inputs: tuple[TracedTensor, ...]
    outputs: tuple[TracedTensor, ...]
    arguments: str  # what is neither a tensor nor absent: `stride=[2, 2], padding=[1, 1]`
    groups: int | None  # of convolutions
    kernel: tuple[int, ...]  # of convolutions and poolings
    has_bias: bool
    has_mask: bool
    in_place: bool
    macs: int  # at the batch of the trace

    @property
    def is_batch_free(self) -> bool:
        """Whether it computes with weights and numbers only, once for a whole batch."""
        return all(tensor.is_batch_free for tensor in (*self.inputs, *self.outputs))


class TracedStorage(NamedTuple):
    """A piece of memory and how long it lives."""

    nbytes: int
    role: str  # of its tensors; in the end, as a constant into which activations are written is an activation
    alloc_at: int  # position of the call that makes it; -1 before the first
    free_at: int | None  # position of the first call before which it is gone; None: it outlives the pass


@dataclass(frozen=True)
class Trace:
    """A forward pass, call by call."""

    precision: str
    layout: str
    batch: int
    calls: tuple[TracedCall, ...] = field(repr=False)
    storages: tuple[TracedStorage, ...] = field(repr=False)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the whole batch, in the `matmul` convention."""
        return sum(call.macs for call in self.calls)

    @property
    def batch_free_macs(self) -> int:
        """Those of calls that compute with weights only: a larger batch does not multiply them."""
        return sum(call.macs for call in self.calls if call.is_batch_free)

    @property
    def uncounted(self) -> Counter[str]:
        """Calls of each operator without a formula, by its full name."""
        return Counter(full_operator_name(call.operation) for call in self.calls if call.kind == "unknown")

    @property
    def peak_activation_bytes(self) -> int:
        """Most bytes alive at once of what calls make: without weights, input, and scratch inside kernels."""
        change = [0] * (len(self.calls) + 1)
        for storage in self.storages:
            if storage.alloc_at >= 0:
                change[storage.alloc_at] += storage.nbytes
                change[len(self.calls) if storage.free_at is None else storage.free_at] -= storage.nbytes
        return max(itertools.accumulate(change))

    def to_frame(self) -> pd.DataFrame:
        """One row a call.

        Columns: position; module, module_class; operation, kind; shapes, strides and dtypes, each "inputs -> outputs" in the
        operator's order; roles and reads, the role and the storage of each input; writes, the storage of each output; arguments;
        groups, kernel, has_bias, has_mask, in_place, is_batch_free; macs; bytes_in and bytes_out, distinct elements of all
        inputs and outputs; bytes_weights, the part of bytes_in that is weights or made of them.
        """
        import pandas as pd

        return pd.DataFrame([{"position": i, **_frame_row(call)} for i, call in enumerate(self.calls)]).astype(
            {"groups": "Int64"}
        )


def _frame_row(call: TracedCall) -> dict[str, Any]:
    ins, outs = call.inputs, call.outputs
    return {
        "module": call.module,
        "module_class": call.module_class,
        "operation": call.operation,
        "kind": call.kind,
        "shapes": _format_both(ins, outs, lambda tensor: "x".join(map(str, tensor.shape)) or "scalar"),
        "strides": _format_both(ins, outs, lambda tensor: ":".join(map(str, tensor.strides)) or "scalar"),
        "dtypes": _format_both(ins, outs, lambda tensor: tensor.dtype),
        "roles": ", ".join(tensor.role for tensor in ins),
        "reads": ", ".join(str(tensor.storage) for tensor in ins),
        "writes": ", ".join(str(tensor.storage) for tensor in outs),
        "arguments": call.arguments,
        "groups": call.groups,
        "kernel": "x".join(map(str, call.kernel)),
        "has_bias": call.has_bias,
        "has_mask": call.has_mask,
        "in_place": call.in_place,
        "is_batch_free": call.is_batch_free,
        "macs": call.macs,
        "bytes_in": sum(tensor.nbytes for tensor in ins),
        "bytes_out": sum(tensor.nbytes for tensor in outs),
        "bytes_weights": sum(tensor.nbytes for tensor in ins if tensor.is_batch_free),
    }


def _format_both(ins: Sequence[TracedTensor], outs: Sequence[TracedTensor], text: Callable[[TracedTensor], str]) -> str:
    return f"{', '.join(map(text, ins))} -> {', '.join(map(text, outs))}"
