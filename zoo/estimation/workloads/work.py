"""Classes of work: calls of one class have terms of an estimate in common."""

from __future__ import annotations

from zoo.traces import TracedCall

MATRIX_WORKS = ("linear", "product", "attention", "masked_attention", "conv", "stem", "grouped", "depthwise", "recurrent")
"""Work with multiply-accumulates. stem: a convolution of at most four channels. product: of two activations."""

WORKS = (
    *MATRIX_WORKS, "elementwise", "cast", "batch_norm", "norm", "softmax", "reduce", "pool", "resample", "copy", "cat", "fourier",
    "sort", "unknown",
)  # fmt: skip

UNFUSED_WORKS = frozenset({*MATRIX_WORKS, "fourier", "sort", "unknown"})
"""Work that compilers do not fuse with other calls."""

_STEM_CHANNELS = 4
_BY_KIND = {"compare": "elementwise", "create": "elementwise"}
_BY_OPERATION = {
    **dict.fromkeys(["batch_norm", "native_batch_norm", "cudnn_batch_norm"], "batch_norm"),
    **dict.fromkeys(["to", "_to_copy", "type_as"], "cast"),
    **dict.fromkeys(["cat", "concat", "stack"], "cat"),
    **dict.fromkeys(["clone", "fill", "zero"], "elementwise"),
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
    groups, channels = call.groups or 1, input_channels(call)
    if groups > 1:
        return "depthwise" if groups == channels else "grouped"
    return "stem" if channels <= _STEM_CHANNELS else "conv"


def input_channels(call: TracedCall) -> int:
    """Channels of the tensor that a convolution reads."""
    return next((tensor.shape for tensor in call.inputs if tensor.argument == "input"), call.inputs[0].shape)[1]
