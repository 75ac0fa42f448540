"""The rules of conventions: what one call adds to a total, by operation, by kind and by module.

Each rule has the form and the constants of its tool. Those of `all` are in `zoo.counting.arithmetic_rules`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from zoo.counting.rows import Call
from zoo.operators.operator_kinds import Kind
from zoo.operators.shape_text import Shapes

Rule = Callable[[Call, Shapes], int]
"""What one call of an operation adds to a total."""


def macs_of(op: Call, shapes: Shapes) -> int:
    """The products of the call."""
    return op.macs


def input_elements(op: Call, shapes: Shapes) -> int:
    """Elements of the first input."""
    return shapes.elements(0)


def per_output(times: int) -> Rule:
    """A multiple of the elements of all results."""
    return lambda op, shapes: times * op.elements_out


def _macs_and_bias(op: Call, shapes: Shapes) -> int:
    """Convolutions and linear layers: (x, weight, bias). One addition for each output where there is a bias."""
    return op.macs + (op.elements_out if shapes.has(2) else 0)


def _affine(plain: int, with_weight: int) -> Rule:
    """Normalisations (x, weight, bias, …): a multiple of |x|, which is larger with a weight."""
    return lambda op, shapes: shapes.elements(0) * (with_weight if shapes.has(1) else plain)


def _fvcore_batch_norm(op: Call, shapes: Shapes) -> int:
    """fvcore: in training 5 or 4 times |x|, in evaluation 2 or 1 times."""
    is_training = op.arguments.startswith("True")
    return _affine(4, 5)(op, shapes) if is_training else _affine(1, 2)(op, shapes)


def attention_scores(shapes: Shapes) -> int:
    """Entries of softmax(q k^T): heads * L * S."""
    out, k = shapes.output(), shapes.input(1)
    return math.prod(out[:-1]) * k[-2]


def _ptflops_attention(op: Call, shapes: Shapes) -> int:
    """ptflops' attention: scaling of q, both products, softmax at one operation an entry."""
    return op.macs + shapes.elements(0) + attention_scores(shapes)


RECURRENT_ELEMENTWISE = {"lstm": 10, "gru": 7, "rnn_tanh": 1, "rnn_relu": 1}
"""Elementwise operations of a hidden unit in a time step, as in ptflops' `rnn_flops`."""


def recurrent_work(op: Call, shapes: Shapes) -> int:
    """Both matrices, both biases and the elementwise work of every layer and direction, each time step."""
    x = shapes.input(0)
    weights = max(shapes.lists(), key=len)
    matrices = [shape for shape in weights if len(shape) == 2]
    biases = sum(math.prod(shape) for shape in weights if len(shape) == 1)
    hidden = [shape[1] for shape in matrices[1::2]]
    steps = math.prod(x) // x[-1]
    return op.macs + steps * (biases + RECURRENT_ELEMENTWISE[op.operation] * sum(hidden))


def _ptflops_deformable(op: Call, shapes: Shapes) -> int:
    """torchvision::deform_conv2d (x, weight, offset, mask, bias): 24 or, with a mask, 25 extra for each sampled point."""
    kernel = math.prod(shapes.input(1)[2:])
    positions = op.elements_out // shapes.input(1)[0]
    extra = 25 if shapes.elements(3) else 24
    return op.macs + positions * kernel * extra + (op.elements_out if shapes.has(4) else 0)


MATRIX_BY_KIND: dict[Kind, Rule] = dict.fromkeys((Kind.CONV, Kind.LINEAR, Kind.MATMUL, Kind.ATTENTION, Kind.RECURRENT), macs_of)
"""The products of every matrix operation, those of a user's own formula included."""

CONVOLUTIONS = "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d convolution _convolution".split()

FVCORE_RULES: dict[str, Rule] = {
    "batch_norm": _fvcore_batch_norm,
    "group_norm": _affine(4, 5),
    "layer_norm": _affine(4, 5),
    "instance_norm": _affine(4, 5),
    "upsample_nearest2d": per_output(1),
    "upsample_bilinear2d": per_output(4),
    "adaptive_avg_pool2d": input_elements,
    "grid_sampler": per_output(4),
}

PTFLOPS_ATEN_RULES: dict[str, Rule] = {
    **dict.fromkeys([*CONVOLUTIONS, "linear"], _macs_and_bias),
    "addmm": lambda op, shapes: op.macs + op.elements_out,
}

# ptflops' rules are by exact class of module; within a module, by the operation that does its work.
_WEIGHT_LAYER: dict[str, Rule] = dict.fromkeys([*CONVOLUTIONS, "linear"], _macs_and_bias)
_ATTENTION_MODULE: dict[str, Rule] = {
    "linear": _macs_and_bias,
    **dict.fromkeys(["matmul", "bmm", "baddbmm"], macs_of),
    "scaled_dot_product_attention": _ptflops_attention,
    "softmax": per_output(1),
    "mul": per_output(1),  # the scaling of q, where attention is not fused
}
MODULE_RULES: dict[str, dict[str, Rule]] = {
    **dict.fromkeys("Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d Linear".split(), _WEIGHT_LAYER),
    **dict.fromkeys(
        "ReLU PReLU ELU LeakyReLU ReLU6 GELU".split(),
        dict.fromkeys("relu prelu elu leaky_relu hardtanh relu6 gelu".split(), per_output(1)),
    ),
    **dict.fromkeys(
        [f"{kind}{n}d" for kind in ("MaxPool", "AvgPool", "AdaptiveMaxPool", "AdaptiveAvgPool") for n in (1, 2, 3)],
        dict.fromkeys([f"{kind}{n}d" for kind in ("max_pool", "avg_pool", "adaptive_max_pool", "adaptive_avg_pool") for n in (1, 2, 3)], input_elements),
    ),
    **dict.fromkeys(
        [f"{kind}{n}d" for kind in ("BatchNorm", "InstanceNorm") for n in (1, 2, 3)],
        dict.fromkeys(["batch_norm", "instance_norm"], _affine(1, 2)),
    ),
    "GroupNorm": {"group_norm": _affine(1, 2)},
    "LayerNorm": {"layer_norm": input_elements},
    "Upsample": dict.fromkeys([f"upsample_{kind}" for kind in ("nearest1d", "nearest2d", "nearest3d", "linear1d", "bilinear2d", "bicubic2d", "trilinear3d")], per_output(1)),
    **dict.fromkeys("RNN GRU LSTM".split(), dict.fromkeys(["lstm", "gru", "rnn_tanh", "rnn_relu"], recurrent_work)),
    "MultiheadAttention": _ATTENTION_MODULE,
    "torchvision.ops.deform_conv.DeformConv2d": {"torchvision::deform_conv2d": _ptflops_deformable},
    "timm.layers.attention.Attention": _ATTENTION_MODULE,
}  # fmt: skip
