"""The rules of the convention `all`: every arithmetic operation of a call, in FLOPs.

A MAC counts as two; each other addition, product, quotient, comparison or function evaluation (`exp`, `erf`, `sigmoid`, `gelu`) as one. The
arithmetic of an operator is stated next to its rate, and a test compares each rate with that arithmetic in single operations. Operations
once per row or channel of a normalisation or softmax (a division by its length, a root, a logarithm) are left out, as are sorting,
random numbers, and copies.
"""

from __future__ import annotations

import contextlib
import math
from typing import NamedTuple

from zoo.counting.convention_rules import (
    RECURRENT_ELEMENTWISE,
    Rule,
    attention_scores,
    input_elements,
    per_output,
    recurrent_work,
)
from zoo.counting.rows import Call
from zoo.operators.operator_kinds import Kind
from zoo.operators.shape_text import Shapes


class Rate(NamedTuple):
    """FLOPs of an operator for each element of its first input and of its result."""

    an_input: int
    an_output: int
    arithmetic: str
    operators: str


RATES = (
    Rate(0, 0, "nothing: dropout in evaluation mode, nearest neighbours", """dropout feature_dropout upsample_nearest1d upsample_nearest2d
        upsample_nearest3d _upsample_nearest_exact1d _upsample_nearest_exact2d _upsample_nearest_exact3d"""),
    Rate(0, 2, "a + t1 * t2", "addcmul addcdiv addr"),
    Rate(0, 2, "a * sigmoid(b)", "glu"),
    Rate(0, 2, "(q - zero) * scale", "dequantize"),
    Rate(0, 2, "a + b, limited", "_add_relu"),
    Rate(0, 3, "start + weight * (end - start)", "lerp"),
    Rate(0, 3, "a * b - c * d", "linalg_cross"),
    Rate(0, 5, "x * scale, rounded, + zero, two limits", "quantize_per_tensor quantize_per_channel"),
    Rate(1, 1, "sum; division by the number", "mean adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d _adaptive_avg_pool2d _adaptive_avg_pool3d"),
    Rate(2, 0, "not a number?; sum", "nansum count_nonzero"),
    Rate(2, 0, "smallest; largest", "aminmax _aminmax"),
    Rate(4, 2, "mean, difference, square, sum; two divisions", "var"),
    Rate(4, 3, "var; root", "std"),
    Rate(4, 2, "largest, difference, exp, sum; log, + largest", "logsumexp"),
    Rate(3, 0, "square, sum, scaled", "_weight_norm_interface renorm"),
    Rate(6, 6, "x * y, x², y², three sums; two roots, two limits, their product, quotient", "cosine_similarity"),
    Rate(0, 3, "two weights, two products' sum", "upsample_linear1d"),
    Rate(0, 7, "four products, summed", "upsample_bilinear2d _upsample_bilinear2d_aa"),
    Rate(0, 15, "eight products, summed", "upsample_trilinear3d"),
    Rate(0, 31, "sixteen products, summed", "upsample_bicubic2d _upsample_bicubic2d_aa"),
    Rate(1, 0, "each is added somewhere", "col2im"),
)  # fmt: skip
"""Operators whose rate is not that of their kind."""

_LOSSES = {
    "mse_loss": 2,  # difference, square
    "smooth_l1_loss": 6,  # difference, absolute, compared, square, two scalings
    "huber_loss": 6,
    "soft_margin_loss": 4,  # product, negative, exp, log1p
    "binary_cross_entropy": 7,  # two logarithms, 1 - x, 1 - y, two products, sum
    "binary_cross_entropy_with_logits": 7,  # 1 - y, product, absolute, negative, exp, log1p, sum
}
"""FLOPs an element before the reduction."""

_SOFTMAX = 5  # largest, difference, exp, sum, and quotient (or difference of the logarithm)


def _argument_texts(op: Call) -> list[str]:
    """The arguments of a call that are not tensors, in order; a list in brackets is one argument."""
    parts, depth = [""], 0
    for sign in op.arguments:
        depth += (sign == "[") - (sign == "]")
        if sign == "," and not depth:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts if part.strip()]


def _numeric_arguments(op: Call) -> list[float]:
    """The arguments that are single numbers."""
    numbers = []
    for argument in _argument_texts(op):
        with contextlib.suppress(ValueError):
            numbers.append(float(argument))
    return numbers


def _per_element(rate: Rate) -> Rule:
    return lambda op, shapes: rate.an_input * shapes.elements(0) + rate.an_output * math.prod(shapes.output())


def _doubled(op: Call, shapes: Shapes) -> int:
    return 2 * op.macs


def _with_bias(position: int) -> Rule:
    """A product, and the addition of a bias if the tensor at this position is present."""
    return lambda op, shapes: 2 * op.macs + (op.elements_out if shapes.has(position) else 0)


def _added_product(op: Call, shapes: Shapes) -> int:
    """beta * a + alpha * (b @ c): the addition, unless beta is 0, and each scaling by another number than 1."""
    scalings = _numeric_arguments(op)
    is_added = not scalings or scalings[0] != 0
    return 2 * op.macs + op.elements_out * (is_added + sum(value not in {0.0, 1.0} for value in scalings))


def _scaled_sum(op: Call, shapes: Shapes) -> int:
    """x + alpha * y."""
    is_scaled = shapes.has(1) and any(value != 1 for value in _numeric_arguments(op))
    return op.elements_out * (2 if is_scaled else 1)


def _attention(op: Call, shapes: Shapes) -> int:
    """q scaled, both products, softmax, and a mask added: that of the caller, or the one of a causal attention."""
    is_masked = shapes.has(3) or _argument_texts(op)[1:2] == ["True"]
    return 2 * op.macs + shapes.elements(0) + (_SOFTMAX + is_masked) * attention_scores(shapes)


def _flex_attention(op: Call, shapes: Shapes) -> int:
    """Attention in the blocks that the mask does not exclude; functions of single scores are not counted."""
    scores = op.macs // (shapes.input(1)[-1] + shapes.input(2)[-1])
    return 2 * op.macs + shapes.elements(0) + _SOFTMAX * scores


def _normalised(rate: int, *, can_have_bias: bool = True) -> Rule:
    """(x, weight, bias, …): a rate for each element, plus one with a weight and one with a bias."""
    return lambda op, shapes: shapes.elements(0) * (rate + shapes.has(1) + (can_have_bias and shapes.has(2)))


def _batch_norm(op: Call, shapes: Shapes) -> int:
    """Difference and product by known statistics; in training those are computed too."""
    return _normalised(5 if _argument_texts(op)[:1] == ["True"] else 2)(op, shapes)


def _vector_norm(op: Call, shapes: Shapes) -> int:
    """Of order 2: square, sum, root; 1 and infinity: absolute, sum or largest; 0: compared, sum; others: absolute, power, sum, root."""
    order = next(iter(_numeric_arguments(op)), 2.0)
    if order == 2:
        return 2 * shapes.elements(0) + op.elements_out
    return 2 * shapes.elements(0) if order in {0, 1, math.inf, -math.inf} else 3 * shapes.elements(0) + op.elements_out


def _with_mean(op: Call, shapes: Shapes) -> int:
    """Variance or deviation with the mean, which it needs anyway."""
    return 4 * shapes.elements(0) + (3 if op.operation == "std_mean" else 2) * op.elements_out // 2


def _loss(op: Call, shapes: Shapes) -> int:
    """The loss of each element, and the sum over all unless the reduction is `none`; the mean has one more division."""
    reduction = next(iter(_argument_texts(op)), "1")
    reduced = {"0": 0, "1": shapes.elements(0) + 1, "2": shapes.elements(0)}.get(reduction, shapes.elements(0) + 1)
    return _LOSSES[op.operation] * shapes.elements(0) + reduced


def _distance(op: Call, shapes: Shapes) -> int:
    """Difference, square (or absolute), sum; and a root."""
    return 3 * op.macs + op.elements_out


def _window(op: Call, shapes: Shapes) -> int:
    """One operation for each element under the window, and for an average one division, for each output."""
    outputs = math.prod(shapes.output())
    sizes = _argument_texts(op)[0].strip("[]").split(", ")
    return outputs * (math.prod(int(size) for size in sizes if size) + op.operation.startswith("avg"))


def _embedding_bag(op: Call, shapes: Shapes) -> int:
    """(table, indices, …): the sum of the looked-up rows, each times its weight if there are weights."""
    return 2 * op.macs or shapes.elements(1) * shapes.input(0)[-1]


def _deformable(op: Call, shapes: Shapes) -> int:
    """(x, weight, offset, mask, bias): four neighbours for each sampled value, which a mask multiplies, and the convolution."""
    channels, _, *kernel = shapes.input(1)
    sampled = op.elements_out // channels * shapes.input(0)[1] * math.prod(kernel)
    return 2 * op.macs + sampled * (8 if shapes.elements(3) else 7) + (op.elements_out if shapes.has(4) else 0)


def _recurrent_cell(op: Call, shapes: Shapes) -> int:
    """(x, state, both matrices, both biases): one step."""
    hidden = shapes.input(3)[-1]
    biases = shapes.elements(4) + shapes.elements(5)
    rows = math.prod(shapes.input(0)[:-1])
    return 2 * op.macs + rows * (biases + hidden * RECURRENT_ELEMENTWISE[op.operation.removesuffix("_cell")])


def _grid_sample(op: Call, shapes: Shapes) -> int:
    """By its mode: four neighbours, one, or sixteen."""
    return op.elements_out * {"0": 7, "1": 0, "2": 31}.get(next(iter(_argument_texts(op)), "0"), 7)


def _fourier(op: Call, shapes: Shapes) -> int:
    """5 n log2(n) for each complex transform of n points, the field's customary figure (fftw.org/speed); real ones take half.

    Several dimensions are transformed one after another, which is the same as n = their product. In real transforms the input and the output
    differ in size; the larger one, which is real, has the number of points.
    """
    dims = [int(dim) for dim in op.arguments.partition("]")[0].lstrip("[").split(", ")]
    inputs, outputs = shapes.input(0), shapes.output()
    points = math.prod(max(inputs[dim], outputs[dim]) for dim in dims)
    transforms = math.prod(inputs) // math.prod(inputs[dim] for dim in dims)
    flops = transforms * points * math.log2(points) * 5
    return round(flops if op.operation == "_fft_c2c" else flops / 2)


_POOLS = (
    "max_pool1d max_pool2d max_pool3d max_pool2d_with_indices max_pool3d_with_indices avg_pool1d avg_pool2d avg_pool3d".split()
)

ALL_BY_KIND: dict[Kind, Rule] = {
    Kind.MATMUL: _doubled,
    Kind.RECURRENT: _doubled,
    Kind.CONV: _with_bias(2),
    Kind.LINEAR: _with_bias(2),
    Kind.ATTENTION: _attention,
    Kind.NORM: _normalised(5),  # mean, difference, square, sum, product
    Kind.SOFTMAX: per_output(_SOFTMAX),
    Kind.ELEMENTWISE: per_output(1),
    Kind.COMPARE: per_output(1),
    Kind.POOL: input_elements,
    Kind.REDUCE: input_elements,
    Kind.FOURIER: _fourier,
}
ALL_RULES: dict[str, Rule] = {
    **{name: _per_element(rate) for rate in RATES for name in rate.operators.split()},
    **dict.fromkeys(_LOSSES, _loss),
    **dict.fromkeys(["add", "sub", "rsub"], _scaled_sum),
    **dict.fromkeys(["addmm", "addmv", "baddbmm", "addbmm", "_addmm_activation"], _added_product),
    **dict.fromkeys(["cdist", "_cdist_forward", "_euclidean_dist", "_pdist_forward"], _distance),
    **dict.fromkeys(["batch_norm", "native_batch_norm", "cudnn_batch_norm", "miopen_batch_norm", "instance_norm"], _batch_norm),
    **dict.fromkeys(["rms_norm", "_fused_rms_norm"], _normalised(3, can_have_bias=False)),  # square, sum, product
    **dict.fromkeys(["linalg_vector_norm", "norm", "native_norm"], _vector_norm),
    **dict.fromkeys(["var_mean", "std_mean"], _with_mean),
    **dict.fromkeys(["_embedding_bag", "_embedding_bag_forward_only"], _embedding_bag),
    **dict.fromkeys(_POOLS, _window),
    **dict.fromkeys(["grid_sampler", "grid_sampler_2d", "grid_sampler_3d"], _grid_sample),
    **dict.fromkeys(["lstm", "gru", "rnn_tanh", "rnn_relu"], lambda op, shapes: op.macs + recurrent_work(op, shapes)),
    **dict.fromkeys(["lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"], _recurrent_cell),
    **dict.fromkeys(
        ["index_add", "index_reduce", "scatter_add", "scatter_reduce"], lambda op, shapes: shapes.elements(2)
    ),  # (x, index, added)
    "bilinear": _with_bias(3),
    "flex_attention": _flex_attention,
    "torchvision::deform_conv2d": _deformable,
    "dist": lambda op, shapes: 3 * shapes.elements(0) + 1,  # difference, square, sum; root
    "trace": lambda op, shapes: min(shapes.input(0), default=0),
}
