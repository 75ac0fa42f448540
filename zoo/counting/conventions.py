"""Conventions: which operations a total includes, and with what weight.

A convention is a pure function over recorded operations, so a total in another convention never needs a new count. Each states its unit,
the tool and version whose rules it has, and where that tool deviates from its own rules (its *defects*). Defects are only imitated with
`as_tool`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from zoo.counting.arithmetic_rules import ALL_BY_KIND, ALL_RULES
from zoo.counting.convention_rules import CONVOLUTIONS, FVCORE_RULES, MATRIX_BY_KIND, MODULE_RULES, PTFLOPS_ATEN_RULES, Rule
from zoo.counting.rows import CallRow
from zoo.errors import UnknownNameError, did_you_mean
from zoo.operators.operator_kinds import Kind
from zoo.operators.shape_text import parse_shapes

_FAST_PATH_MODULE = "MultiheadAttention"  # one opaque kernel on real devices, in evaluation without gradients
_SEEN_PRODUCTS = frozenset([*CONVOLUTIONS, "linear", "matmul", "mm", "bmm", "addmm", "einsum"])
_SEEN_BY_FVCORE = _SEEN_PRODUCTS | FVCORE_RULES.keys()
_SEEN_BY_PTFLOPS_ATEN = _SEEN_PRODUCTS | {"lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"}


def _is_unseen_by_fvcore(row: CallRow) -> bool:
    op = row.op
    has_named_padding = op.kind == Kind.CONV and ("same" in op.arguments or "valid" in op.arguments)
    return op.operation not in _SEEN_BY_FVCORE or has_named_padding or row.module_class == _FAST_PATH_MODULE


def _is_unseen_by_ptflops_aten(row: CallRow) -> bool:
    """On the CPU attention is fused for 4-dimensional operands and masks of 2 or 4 dimensions; else its matrix products are seen."""
    op = row.op
    if row.module_class == _FAST_PATH_MODULE:
        return True
    if op.operation == "scaled_dot_product_attention":
        shapes = parse_shapes(op.shapes)
        return len(shapes.input(0)) == 4 and (not shapes.has(3) or len(shapes.input(3)) in (2, 4))
    return op.operation not in _SEEN_BY_PTFLOPS_ATEN


@dataclass(frozen=True, slots=True)
class Convention:
    """Rules for a total over operations.

    `defects` describe where the tool's own result differs from its rules. `unseen_by_tool` and `opaque_to_tool` are the causes: the operations
    that `as_tool` leaves out.
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
    unseen_by_tool: Callable[[CallRow], bool] = lambda row: False
    opaque_to_tool: frozenset[str] = frozenset()  # classes of modules inside which the tool does not look

    def weight(self, row: CallRow) -> int:
        """The contribution of all calls of a row to the total."""
        rules = self.rules if self.module_rules is None else self.module_rules.get(row.module_class, {})
        rule = rules.get(row.op.operation) or self.kind_rules.get(row.op.kind)
        return rule(row.op, parse_shapes(row.op.shapes)) * row.calls if rule else 0

    def total(self, rows: Iterable[CallRow], *, as_tool: bool = False) -> int:
        """The sum over a model by the rules; with `as_tool`, the result of the tool itself."""
        rows = list(rows)
        if not as_tool:
            return sum(self.weight(row) for row in rows)
        closed = tuple(f"{row.module}." for row in rows if row.module_class in self.opaque_to_tool)
        return sum(self.weight(row) for row in rows if not self.unseen_by_tool(row) and not row.module.startswith(closed))


class _WeightsOnly(Convention):
    """Counts parameters rather than operations: every weight tensor once, however often it is used."""

    def total(self, rows: Iterable[CallRow], *, as_tool: bool = False) -> int:  # there is no tool
        weights = {
            row.module: parse_shapes(row.op.shapes).elements(1)
            for row in rows
            if row.op.kind in (Kind.CONV, Kind.LINEAR) and row.module_class in _WEIGHTED_MODULES
        }
        return 2 * sum(weights.values())

    def weight(self, row: CallRow) -> int:
        return self.total([row])


_WEIGHTED_MODULES = frozenset("Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d Linear".split())

_ALL = (
    Convention(
        "matmul",
        "MACs",
        "products that are summed: convolutions, linear layers, matrix products, attention, recurrent layers",
        "1",
        "what papers and torchvision's `_ops` mean; equal to torch.utils.flop_counter.FlopCounterMode / 2 on the meta device, but for what "
        "that counts as nothing: mv, addmv, dot, vecdot, bilinear, cdist, affine_grid, conv_tbc, weighted embedding bags. A product of complex numbers is one MAC",
        {},
        MATRIX_BY_KIND,
    ),
    Convention(
        "all",
        "FLOPs",
        "every arithmetic operation: two for a MAC, one for each other addition, product, comparison or function evaluated",
        "2",
        "zoometer's own rates, in zoo/counting/arithmetic_rules.py: biases, normalisations (5 an element, 6 with a weight, 7 with a bias; "
        "batch norm 2 to 4), softmax 5, pooling windows, interpolation. Not sorting, random numbers, copies",
        ALL_RULES,
        ALL_BY_KIND,
    ),
    Convention(
        "fvcore",
        "MACs",
        "fvcore's FlopCountAnalysis: matrix products, and normalisation, adaptive pooling and upsampling at rough rates",
        "fvcore 0.1.5.post20221221",
        "facebookresearch/fvcore, fvcore/nn/flop_count.py and jit_handles.py",
        FVCORE_RULES,
        MATRIX_BY_KIND,
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
        PTFLOPS_ATEN_RULES,
        MATRIX_BY_KIND,
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
        module_rules=MODULE_RULES,
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
