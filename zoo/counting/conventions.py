"""Conventions: which operations a total includes, and with what weight.

A convention is a pure function over recorded operations, so a total in another convention never needs a new count. Each names
its unit, the tool and version whose rules it states, and where that tool departs from its own rules (its *defects*), which are
not imitated unless the tool's own figure is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from zoo.counting.operations import Kind
from zoo.counting.shapes import Shapes, parse_shapes
from zoo.errors import UnknownNameError, did_you_mean


class Facts(Protocol):
    """What a rule may look at: one distinct call. `zoo.counting.recorder.OperationFacts`, or a row of the cache."""

    @property
    def operation(self) -> str: ...
    @property
    def kind(self) -> Kind: ...
    @property
    def shapes(self) -> str: ...
    @property
    def arguments(self) -> str: ...
    @property
    def macs(self) -> int: ...
    @property
    def elements_out(self) -> int: ...


class Row(Protocol):
    """All calls of one module that are alike."""

    @property
    def module(self) -> str: ...
    @property
    def module_class(self) -> str: ...
    @property
    def facts(self) -> Facts: ...
    @property
    def calls(self) -> int: ...


Rule = Callable[[Facts, Shapes], int]
"""What one call of an operation weighs."""


def _macs(facts: Facts, shapes: Shapes) -> int:
    return facts.macs


def _first(times: int) -> Rule:
    return lambda facts, shapes: times * shapes.elements(0)


def _out(times: int) -> Rule:
    return lambda facts, shapes: times * facts.elements_out


def _macs_and_bias(facts: Facts, shapes: Shapes) -> int:
    """Convolutions and linear layers: (x, weight, bias). One addition for each output where there is a bias."""
    return facts.macs + (facts.elements_out if shapes.has(2) else 0)


def _affine(plain: int, with_weight: int) -> Rule:
    """Normalisations (x, weight, bias, …), a multiple of |x| that depends on whether there is a weight."""
    return lambda facts, shapes: shapes.elements(0) * (with_weight if shapes.has(1) else plain)


def _fvcore_batch_norm(facts: Facts, shapes: Shapes) -> int:
    """fvcore: in training 5 or 4 times |x|, in evaluation 2 or 1 times."""
    is_training = facts.arguments.startswith("True")
    return _affine(4, 5)(facts, shapes) if is_training else _affine(1, 2)(facts, shapes)


def _attention_scores(shapes: Shapes) -> int:
    """Entries of softmax(q k^T): heads * L * S."""
    q, k = shapes.input(0), shapes.input(1)
    return math.prod(q[:-1]) * k[-2]


def _ptflops_attention(facts: Facts, shapes: Shapes) -> int:
    """ptflops' attention: scaling of q, both products, softmax at one operation an entry."""
    return facts.macs + shapes.elements(0) + _attention_scores(shapes)


_RECURRENT_ELEMENTWISE = {"lstm": 10, "gru": 7, "rnn_tanh": 1, "rnn_relu": 1}
"""Elementwise operations a hidden unit takes in a time step, as ptflops' `rnn_flops` adds them up."""


def _ptflops_recurrent(facts: Facts, shapes: Shapes) -> int:
    """Both matrices, both biases and the elementwise work of every layer and direction, each time step."""
    x = shapes.input(0)
    weights = max(shapes.lists(), key=len)
    matrices = [shape for shape in weights if len(shape) == 2]
    biases = sum(math.prod(shape) for shape in weights if len(shape) == 1)
    hidden = [shape[1] for shape in matrices[1::2]]
    steps = math.prod(x) // x[-1]
    return facts.macs + steps * (biases + _RECURRENT_ELEMENTWISE[facts.operation] * sum(hidden))


def _ptflops_deformable(facts: Facts, shapes: Shapes) -> int:
    """torchvision::deform_conv2d (x, weight, offset, mask, bias): 24 or, with a mask, 25 extra for each sampled point."""
    kernel = math.prod(shapes.input(1)[2:])
    positions = facts.elements_out // shapes.input(1)[0]
    extra = 25 if shapes.elements(3) else 24
    return facts.macs + positions * kernel * extra + (facts.elements_out if shapes.has(4) else 0)


def _kernel_size(arguments: str) -> int:
    """|kernel| of a pooling call, whose first argument it is: `[3, 3], [2, 2], …`."""
    first = arguments.partition("]")[0].lstrip("[")
    return math.prod(int(size) for size in first.split(", ")) if first else 1


def _pool_window(facts: Facts, shapes: Shapes) -> int:
    """One operation for each element under the window, for each output."""
    return facts.elements_out * _kernel_size(facts.arguments)


def _all_attention(facts: Facts, shapes: Shapes) -> int:
    scores = _attention_scores(shapes)
    return 2 * facts.macs + shapes.elements(0) + _SOFTMAX * scores + (scores if shapes.has(3) else 0)


_SOFTMAX = 5  # maximum, difference, exponential, sum and quotient of each entry
_MATRIX_RULES: dict[str, Rule] = dict.fromkeys(
    """conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d convolution _convolution
    torchvision::deform_conv2d linear bilinear matmul mm bmm mv dot addmm addmv baddbmm addbmm cdist _cdist_forward
    scaled_dot_product_attention lstm gru rnn_tanh rnn_relu lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell""".split(),
    _macs,
)
_CONVOLUTIONS = [name for name in _MATRIX_RULES if name.startswith(("conv", "_conv"))]

_FVCORE_RULES: dict[str, Rule] = {
    **_MATRIX_RULES,
    "batch_norm": _fvcore_batch_norm,
    "group_norm": _affine(4, 5),
    "layer_norm": _affine(4, 5),
    "instance_norm": _affine(4, 5),
    "upsample_nearest2d": _out(1),
    "upsample_bilinear2d": _out(4),
    "adaptive_avg_pool2d": _first(1),
    "grid_sampler": _out(4),
}

_PTFLOPS_ATEN_RULES: dict[str, Rule] = {
    **_MATRIX_RULES,
    **dict.fromkeys([*_CONVOLUTIONS, "linear"], _macs_and_bias),
    "addmm": lambda facts, shapes: facts.macs + facts.elements_out,
}

_ALL_BY_KIND: dict[Kind, Rule] = {
    Kind.MATMUL: lambda facts, shapes: 2 * facts.macs,
    Kind.RECURRENT: lambda facts, shapes: 2 * facts.macs,
    Kind.CONV: lambda facts, shapes: facts.macs + _macs_and_bias(facts, shapes),
    Kind.LINEAR: lambda facts, shapes: facts.macs + _macs_and_bias(facts, shapes),
    Kind.ATTENTION: _all_attention,
    Kind.NORM: _affine(5, 7),
    Kind.SOFTMAX: _out(_SOFTMAX),
    Kind.ELEMENTWISE: _out(1),
    Kind.POOL: _first(1),
    Kind.REDUCE: _first(1),
    Kind.RESAMPLE: _out(8),
}
_ALL_RULES: dict[str, Rule] = {
    "batch_norm": _affine(2, 4),
    "rms_norm": _affine(3, 4),
    **dict.fromkeys(["max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d"], _pool_window),
    **dict.fromkeys(["upsample_nearest1d", "upsample_nearest2d", "upsample_nearest3d", "dropout", "feature_dropout"], _out(0)),
    **dict.fromkeys(["upsample_bicubic2d", "_upsample_bicubic2d_aa"], _out(32)),
    **dict.fromkeys(
        ["gru", "lstm", "rnn_tanh", "rnn_relu"], lambda facts, shapes: facts.macs + _ptflops_recurrent(facts, shapes)
    ),
}

# ptflops' rules are by exact class of module; within a module, by the operation that does its work.
_WEIGHT_LAYER: dict[str, Rule] = dict.fromkeys([*_CONVOLUTIONS, "linear"], _macs_and_bias)
_ATTENTION_MODULE: dict[str, Rule] = {
    "linear": _macs_and_bias,
    **dict.fromkeys(["matmul", "bmm", "baddbmm"], _macs),
    "scaled_dot_product_attention": _ptflops_attention,
    "softmax": _out(1),
    "mul": _out(1),  # the scaling of q, where attention is not fused
}
_MODULE_RULES: dict[str, dict[str, Rule]] = {
    **dict.fromkeys("Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d Linear".split(), _WEIGHT_LAYER),
    **dict.fromkeys(
        "ReLU PReLU ELU LeakyReLU ReLU6 GELU".split(),
        dict.fromkeys("relu prelu elu leaky_relu hardtanh relu6 gelu".split(), _out(1)),
    ),
    **dict.fromkeys(
        [f"{kind}{n}d" for kind in ("MaxPool", "AvgPool", "AdaptiveMaxPool", "AdaptiveAvgPool") for n in (1, 2, 3)],
        dict.fromkeys([f"{kind}{n}d" for kind in ("max_pool", "avg_pool", "adaptive_max_pool", "adaptive_avg_pool") for n in (1, 2, 3)], _first(1)),
    ),
    **dict.fromkeys(
        [f"{kind}{n}d" for kind in ("BatchNorm", "InstanceNorm") for n in (1, 2, 3)],
        dict.fromkeys(["batch_norm", "instance_norm"], _affine(1, 2)),
    ),
    "GroupNorm": {"group_norm": _affine(1, 2)},
    "LayerNorm": {"layer_norm": _first(1)},
    "Upsample": dict.fromkeys([f"upsample_{kind}" for kind in ("nearest1d", "nearest2d", "nearest3d", "linear1d", "bilinear2d", "bicubic2d", "trilinear3d")], _out(1)),
    **dict.fromkeys("RNN GRU LSTM".split(), dict.fromkeys(["lstm", "gru", "rnn_tanh", "rnn_relu"], _ptflops_recurrent)),
    "MultiheadAttention": _ATTENTION_MODULE,
    "torchvision.ops.deform_conv.DeformConv2d": {"torchvision::deform_conv2d": _ptflops_deformable},
    "timm.layers.attention.Attention": _ATTENTION_MODULE,
}  # fmt: skip


_FAST_PATH_MODULE = "MultiheadAttention"  # in evaluation without gradients, one opaque kernel on real devices
_RECURRENT = frozenset("lstm gru rnn_tanh rnn_relu".split())
_UNSEEN_BY_FVCORE = _RECURRENT | set(
    "scaled_dot_product_attention baddbmm mv dot cdist bilinear torchvision::deform_conv2d".split()
)


def _is_unseen_by_fvcore(row: Row) -> bool:
    facts = row.facts
    has_named_padding = facts.kind == Kind.CONV and ("same" in facts.arguments or "valid" in facts.arguments)
    return facts.operation in _UNSEEN_BY_FVCORE or has_named_padding or row.module_class == _FAST_PATH_MODULE


def _is_unseen_by_ptflops_aten(row: Row) -> bool:
    """On the CPU attention is fused for 4-dimensional operands and masks of 2 or 4; else its matrix products are seen."""
    facts = row.facts
    if row.module_class == _FAST_PATH_MODULE:
        return True
    if facts.operation == "scaled_dot_product_attention":
        shapes = parse_shapes(facts.shapes)
        return len(shapes.input(0)) == 4 and (not shapes.has(3) or len(shapes.input(3)) in (2, 4))
    return facts.operation in _RECURRENT or facts.operation == "baddbmm"


@dataclass(frozen=True, slots=True)
class Convention:
    """A way of adding up operations.

    `defects` say where the tool itself gives another figure than its own rules; `unseen_by_tool` and `opaque_to_tool` are what
    is behind them, which `as_tool` leaves out.
    """

    name: str
    unit: str  # MACs or FLOPs
    meaning: str
    version: str
    citation: str
    rules: Mapping[str, Rule]
    kind_rules: Mapping[Kind, Rule]
    module_rules: Mapping[str, Mapping[str, Rule]] | None = None
    defects: tuple[str, ...] = ()
    unseen_by_tool: Callable[[Row], bool] = lambda row: False
    opaque_to_tool: frozenset[str] = frozenset()  # classes of modules inside which the tool does not look

    def weight(self, row: Row) -> int:
        """What all calls of a row weigh."""
        rules = self.rules if self.module_rules is None else self.module_rules.get(row.module_class, {})
        rule = rules.get(row.facts.operation) or self.kind_rules.get(row.facts.kind)
        return rule(row.facts, parse_shapes(row.facts.shapes)) * row.calls if rule else 0

    def total(self, rows: Iterable[Row], *, as_tool: bool = False) -> int:
        """The sum over a model, by the rules; with `as_tool`, by what the tool itself makes of them."""
        rows = list(rows)
        if not as_tool:
            return sum(self.weight(row) for row in rows)
        closed = tuple(f"{row.module}." for row in rows if row.module_class in self.opaque_to_tool)
        return sum(self.weight(row) for row in rows if not self.unseen_by_tool(row) and not row.module.startswith(closed))


class _WeightsOnly(Convention):
    """Counts parameters rather than operations: every weight tensor once, however often it is used."""

    def total(self, rows: Iterable[Row], *, as_tool: bool = False) -> int:  # noqa: ARG002  # there is no tool
        weights = {
            row.module: parse_shapes(row.facts.shapes).elements(1)
            for row in rows
            if row.facts.kind in (Kind.CONV, Kind.LINEAR) and row.module_class in _WEIGHTED_MODULES
        }
        return 2 * sum(weights.values())

    def weight(self, row: Row) -> int:
        return self.total([row])


_WEIGHTED_MODULES = frozenset("Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d Linear".split())

_ALL = (
    Convention(
        "matmul",
        "MACs",
        "products that are summed: convolutions, linear layers, matrix products, attention, recurrent layers",
        "1",
        "what papers and torchvision's `_ops` mean; equal to torch.utils.flop_counter.FlopCounterMode / 2 on the meta device",
        _MATRIX_RULES,
        {Kind.CONV: _macs, Kind.LINEAR: _macs, Kind.MATMUL: _macs, Kind.ATTENTION: _macs, Kind.RECURRENT: _macs},
    ),
    Convention(
        "all",
        "FLOPs",
        "every arithmetic operation: two for a MAC, one for each other addition, product, comparison or function evaluated",
        "1",
        "zoometer's own: biases, normalisations (7 an element with weight, batch norm 4), softmax 5, pooling windows, interpolation",
        _ALL_RULES,
        _ALL_BY_KIND,
    ),
    Convention(
        "fvcore",
        "MACs",
        "fvcore's FlopCountAnalysis: matrix products, and normalisation, adaptive pooling and upsampling at rough rates",
        "fvcore 0.1.5.post20221221",
        "facebookresearch/fvcore, fvcore/nn/flop_count.py and jit_handles.py",
        _FVCORE_RULES,
        {},
        defects=(
            "fused attention, recurrent layers, baddbmm and convolutions with padding='same' have no rule and count as nothing",
            "torch's fast path of nn.MultiheadAttention hides its projections too",
        ),
        unseen_by_tool=_is_unseen_by_fvcore,
    ),
    Convention(
        "ptflops-aten",
        "MACs",
        "ptflops' aten backend: matrix products, and one operation for each output with a bias",
        "ptflops 0.7.5",
        "sovrasov/flops-counter.pytorch, ptflops/aten_ops.py",
        _PTFLOPS_ATEN_RULES,
        {},
        defects=(
            "on real tensors fused attention, oneDNN's LSTM and baddbmm have no rule and count as nothing",
            "torch's fast path of nn.MultiheadAttention hides its projections too",
            "the bias of a linear layer whose input is not contiguous is a separate addition, which it does not see",
        ),
        unseen_by_tool=_is_unseen_by_ptflops_aten,
    ),
    Convention(
        "ptflops-pytorch",
        "MACs",
        "ptflops' rules for modules: layers, normalisations, activations and poolings that are modules of torch's own classes",
        "ptflops 0.7.5",
        'sovrasov/flops-counter.pytorch, ptflops/pytorch_ops.py, with backend_specific_config={"count_functional": False}',
        {},
        {},
        module_rules=_MODULE_RULES,
        defects=(
            "layers inside timm's Attention are lost, because the tool does not look inside a module that has a rule",
            "a module registered under several parents is counted once for each",
        ),
        opaque_to_tool=frozenset({"timm.layers.attention.Attention", "MultiheadAttention"}),
    ),
    _WeightsOnly(
        "weights-only",
        "FLOPs",
        "twice the weights of linear and convolution layers, whatever the size of their output: misleading for convolutions",
        "1",
        "a hand-written estimate found in tutorials",
        {},
        {},
    ),
)

CONVENTIONS: dict[str, Convention] = {convention.name: convention for convention in _ALL}


def find_convention(name: str) -> Convention:
    """The convention of this name.

    Raises:
        UnknownNameError: if there is none.
    """
    try:
        return CONVENTIONS[name.replace("_", "-")]
    except KeyError:
        raise UnknownNameError(f"There is no convention '{name}'.{did_you_mean(name, CONVENTIONS)}") from None
