"""Each formula against the arithmetic it stands for, counted one product after another, through the recorder on random shapes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes
from models_for_tests import Calling, count_call, macs, on_meta
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own habit
from torch.utils.flop_counter import FlopCounterMode

import zoo
from zoo.counting.conventions import CONVENTIONS
from zoo.operators import macs_formulas
from zoo.operators.einsum_contractions import parse
from zoo.operators.operator_kinds import Kind
from zoo.records import Status

small = st.integers(1, 4)


def products(function: Callable[..., Tensor], *shapes: Sequence[int]) -> int:
    """Products that a multilinear function really sums: with ones for operands each product is 1, so they add up to their number."""
    return int(function(*(torch.ones(tuple(shape), dtype=torch.float64) for shape in shapes)).sum())


class Window(NamedTuple):
    """One spatial dimension of a convolution."""

    size: int
    kernel: int
    stride: int
    padding: int
    dilation: int

    def starts(self) -> range:
        """Where the kernel begins in the padded input."""
        return range(0, self.size + 2 * self.padding - self.dilation * (self.kernel - 1), self.stride)


class Convolution(NamedTuple):
    """A random convolution."""

    windows: list[Window]
    groups: int
    batch: int
    group_in: int
    group_out: int

    def over(self, name: str) -> list[int]:
        """One setting of every dimension."""
        return [getattr(window, name) for window in self.windows]

    def input(self) -> Tensor:
        return on_meta(self.batch, self.groups * self.group_in, *self.over("size"))

    def products(self, positions: list[range]) -> int:
        """One by one: image, group, position of the window, output channel, input channel, tap of the kernel."""
        taps = [range(window.kernel) for window in self.windows]
        loops = (range(self.batch), range(self.groups), *positions, range(self.group_out), range(self.group_in), *taps)
        return sum(1 for _ in product(*loops))


@st.composite
def convolutions(draw: st.DrawFn) -> Convolution:
    windows = []
    for _ in range(draw(st.integers(1, 3))):
        kernel, dilation, padding = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(0, 2))
        fewest = max(1, dilation * (kernel - 1) + 1 - 2 * padding)
        windows.append(Window(draw(st.integers(fewest, fewest + 3)), kernel, draw(st.integers(1, 3)), padding, dilation))
    return Convolution(windows, *(draw(st.integers(1, 2)) for _ in range(4)))


CONV = (F.conv1d, F.conv2d, F.conv3d)
CONV_TRANSPOSE = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)


@given(convolutions(), st.booleans())
def test_a_convolution_multiplies_every_tap_at_every_position_padding_included(conv: Convolution, has_bias: bool) -> None:
    weight = on_meta(conv.groups * conv.group_out, conv.group_in, *conv.over("kernel"))
    bias = on_meta(conv.groups * conv.group_out) if has_bias else None
    settings = conv.over("stride"), conv.over("padding"), conv.over("dilation"), conv.groups
    counted = macs(Kind.CONV, CONV[len(conv.windows) - 1], conv.input(), weight, bias, *settings)
    assert counted == conv.products([window.starts() for window in conv.windows])


@given(convolutions(), st.integers(0, 2))
def test_a_transposed_convolution_multiplies_every_input_with_every_tap_cropped_or_not(conv: Convolution, extra: int) -> None:
    windows = [w._replace(padding=min(w.padding, w.dilation * (w.kernel - 1) // 2)) for w in conv.windows]  # leaves an output
    conv = conv._replace(windows=windows)
    output_padding = [min(extra, max(window.stride, window.dilation) - 1) for window in conv.windows]
    weight = on_meta(conv.groups * conv.group_in, conv.group_out, *conv.over("kernel"))
    settings = conv.over("stride"), conv.over("padding"), output_padding, conv.groups, conv.over("dilation")
    counted = macs(Kind.CONV, CONV_TRANSPOSE[len(conv.windows) - 1], conv.input(), weight, None, *settings)
    assert counted == conv.products([range(window.size) for window in conv.windows])


@given(convolutions(), st.booleans())
def test_the_general_operator_counts_as_the_one_it_stands_for(conv: Convolution, transposed: bool) -> None:
    windows = [w._replace(padding=0) for w in conv.windows if w.size > w.dilation * (w.kernel - 1)] or [Window(3, 2, 1, 0, 1)]
    conv = conv._replace(windows=windows)
    channels = (conv.group_in, conv.group_out) if transposed else (conv.group_out, conv.group_in)
    weight = on_meta(conv.groups * channels[0], channels[1], *conv.over("kernel"))
    zeros = [0] * len(windows)
    settings = conv.over("stride"), zeros, conv.over("dilation"), transposed, zeros, conv.groups
    counted = macs(Kind.CONV, torch.convolution, conv.input(), weight, None, *settings)
    assert counted == conv.products([range(w.size) if transposed else w.starts() for w in windows])


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@given(convolutions())
def test_padding_same_has_a_position_for_every_input(conv: Convolution) -> None:
    weight = on_meta(conv.groups * conv.group_out, conv.group_in, *conv.over("kernel"))
    settings = 1, "same", conv.over("dilation"), conv.groups
    counted = macs(Kind.CONV, CONV[len(conv.windows) - 1], conv.input(), weight, None, *settings)
    assert counted == conv.products([range(window.size) for window in conv.windows])


@given(convolutions())
def test_a_convolution_of_a_single_image_needs_no_batch(conv: Convolution) -> None:
    weight = on_meta(conv.groups * conv.group_out, conv.group_in, *conv.over("kernel"))
    settings = conv.over("stride"), conv.over("padding"), conv.over("dilation"), conv.groups
    counted = macs(Kind.CONV, CONV[len(conv.windows) - 1], conv.input()[0], weight, None, *settings)
    assert counted == conv._replace(batch=1).products([window.starts() for window in conv.windows])


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
def test_how_a_convolution_is_padded_does_not_matter(mode: Any) -> None:
    conv = Convolution([Window(7, 3, 2, 1, 1), Window(6, 3, 1, 2, 1)], 1, 2, 3, 4)
    layer = nn.Conv2d(3, 4, (3, 3), (2, 1), (1, 2), padding_mode=mode, device="meta")
    assert macs(Kind.CONV, layer, conv.input()) == conv.products([window.starts() for window in conv.windows])


@given(convolutions(), st.booleans())
def test_a_deformable_convolution_multiplies_like_a_convolution_wherever_it_samples(conv: Convolution, has_mask: bool) -> None:
    conv = conv._replace(windows=[*conv.windows[:2], *conv.windows[:1]][:2])
    positions = [window.starts() for window in conv.windows]
    taps, outputs = math.prod(conv.over("kernel")), [len(starts) for starts in positions]
    weight = on_meta(conv.groups * conv.group_out, conv.group_in, *conv.over("kernel"))
    offset, mask = on_meta(conv.batch, 2 * taps, *outputs), on_meta(conv.batch, taps, *outputs) if has_mask else None
    settings = conv.over("stride"), conv.over("padding"), conv.over("dilation"), mask
    counted = macs(Kind.CONV, torchvision.ops.deform_conv2d, conv.input(), offset, weight, None, *settings)
    assert counted == conv.products(positions)


@given(st.lists(small, min_size=0, max_size=4), small, small, st.booleans())
def test_a_linear_layer_is_a_matrix_product_for_every_row(leading: list[int], inner: int, features: int, has_bias: bool) -> None:
    bias = on_meta(features) if has_bias else None
    counted = macs(Kind.LINEAR, F.linear, on_meta(*leading, inner), on_meta(features, inner), bias)
    assert counted == products(F.linear, [*leading, inner], [features, inner])


@given(st.lists(small, min_size=1, max_size=3), small)
def test_a_linear_layer_with_a_vector_for_weight_has_one_output(leading: list[int], inner: int) -> None:
    assert macs(Kind.LINEAR, F.linear, on_meta(*leading, inner), on_meta(inner)) == math.prod(leading) * inner


@given(mutually_broadcastable_shapes(signature=np.matmul.signature, max_dims=3, max_side=4))
def test_matmul_broadcasts_batches_and_takes_vectors(shapes: Any) -> None:
    first, second = shapes.input_shapes
    summed = int(np.matmul(np.ones(first), np.ones(second)).sum())
    assert macs(Kind.MATMUL, torch.matmul, on_meta(*first), on_meta(*second)) == summed


@given(small, small, small, small)
def test_matrix_products_by_their_other_names(b: int, m: int, k: int, n: int) -> None:
    calls: list[tuple[Callable[..., Tensor], *tuple[tuple[int, ...], ...]]] = [
        (torch.mm, (m, k), (k, n)),
        (torch.bmm, (b, m, k), (b, k, n)),
        (torch.mv, (m, k), (k,)),
        (torch.dot, (k,), (k,)),
        (torch.vdot, (k,), (k,)),
        (torch.linalg.vecdot, (b, m, k), (m, k)),
        (lambda *matrices: torch.linalg.multi_dot(matrices), (m, k), (k, n)),
        (torch.inner, (b, m, k), (n, k)),
        (lambda x, y: torch.tensordot(x, y, 2), (b, m, k), (m, k, n)),
        (lambda x, y: x @ y.mT, (b, m, k), (n, k)),
        (lambda x, y: torch.mm(x, y, out=x.new_empty(m, n)), (m, k), (k, n)),
    ]
    for function, *shapes in calls:
        assert macs(Kind.MATMUL, function, *(on_meta(*shape) for shape in shapes)) == products(function, *shapes)


@given(small, small, small, small)
def test_adding_to_a_product_is_no_product(b: int, m: int, k: int, n: int) -> None:
    for name, added, *shapes in [
        ("addmm", (m, n), (m, k), (k, n)),
        ("addmv", (m,), (m, k), (k,)),
        ("baddbmm", (b, m, n), (b, m, k), (b, k, n)),
        ("addbmm", (m, n), (b, m, k), (b, k, n)),
    ]:
        for function in (getattr(torch, name), getattr(Tensor, f"{name}_")):
            real = function(torch.zeros(added), *(torch.ones(shape) for shape in shapes))
            assert macs(Kind.MATMUL, function, on_meta(*added), *(on_meta(*shape) for shape in shapes)) == int(real.sum())


class Einsum(NamedTuple):
    """A random equation with the labels of each operand; the dimensions of an ellipsis have upper-case labels."""

    equation: str
    operands: list[str]
    out: str
    sizes: list[dict[str, int]]  # of each operand's labels: a dimension of size 1 is broadcast

    def products(self) -> int:
        """Contracted two at a time from the left; what only one of the two has, and nobody needs later, is added up before.

        So is what one of them, or everyone later, has with size 1 only, which is broadcast.
        """
        total, left = 0, self.sizes[0]
        for i, right in enumerate(self.sizes[1:], 2):
            kept, contracted = {}, {}
            later = self.sizes[i:]
            for label in left.keys() | right.keys():
                first, second = left.get(label, 1), right.get(label, 1)
                is_shared = label in left and label in right
                if label in self.out or any(sizes.get(label, 1) > 1 for sizes in later):
                    kept[label] = max(first, second)
                elif is_shared and min(first, second) > 1:
                    contracted[label] = first
                elif any(label in sizes for sizes in later):
                    kept[label] = 1
                elif is_shared:
                    contracted[label] = 1
            if contracted:  # otherwise nothing is summed: an outer or elementwise product
                total += math.prod(kept.values()) * math.prod(contracted.values())
            left = kept
        return total


@st.composite
def einsums(draw: st.DrawFn) -> Einsum:
    labels = "abcd"
    full = {label: draw(st.integers(1, 4)) for label in f"{labels}XY"}
    written, operands, sizes = [], [], []
    for _ in range(draw(st.integers(1, 4))):
        own = "".join(draw(st.lists(st.sampled_from(labels), min_size=1, max_size=4)))  # repeated: a diagonal
        batch = draw(st.sampled_from(["", "", "Y", "XY"]))
        place = draw(st.integers(0, len(own))) if batch else 0
        written.append(f"{own[:place]}...{own[place:]}" if batch else own)
        operands.append(own[:place] + batch + own[place:])
        sizes.append({label: draw(st.sampled_from([full[label], full[label], 1])) for label in operands[-1]})
    used = sorted(set("".join(operands)) & set(labels))
    out = "".join(draw(st.permutations(used))[: draw(st.integers(0, len(used)))])
    widest = max((set(operand) & set("XY") for operand in operands), key=len)
    equation = f"{','.join(written)}->{'...' if widest else ''}{out}"
    return Einsum(equation, operands, out + "".join(widest), sizes)


@given(einsums())
@example(Einsum("ij,jk,kl->il", ["ij", "jk", "kl"], "il", [{"i": 2, "j": 3}, {"j": 3, "k": 4}, {"k": 4, "l": 5}]))
@example(Einsum("ijk,kl->il", ["ijk", "kl"], "il", [{"i": 2, "j": 3, "k": 4}, {"k": 4, "l": 5}]))
@example(Einsum("ij,jk->ik", ["ij", "jk"], "ik", [{"i": 2, "j": 1}, {"j": 1, "k": 4}]))
def test_einsum_multiplies_what_its_pairwise_contractions_multiply(einsum: Einsum) -> None:
    operands = [
        on_meta(*(sizes[label] for label in operand)) for operand, sizes in zip(einsum.operands, einsum.sizes, strict=True)
    ]
    with torch.backends.opt_einsum.flags(enabled=False):  # if it is installed, it chooses another order
        counted = macs(Kind.MATMUL, torch.einsum, einsum.equation, *operands)
    assert counted == einsum.products()


@given(small, small, small)
def test_a_matrix_product_counts_alike_however_it_is_written_and_whatever_its_size(m: int, k: int, n: int) -> None:
    x, y = on_meta(m, k), on_meta(k, n)
    written: list[Callable[..., Tensor]] = [
        torch.matmul,
        lambda x, y: torch.einsum("mk,kn->mn", x, y),
        lambda x, y: torch.einsum("m k, k n", x, y),
        lambda x, y: torch.einsum("...k,kn->...n", x, y),
    ]
    for function in written:
        cost = count_call(function, x, y)
        totals = [cost.total(name) for name in ("matmul", "all", "fvcore", "ptflops-aten")]
        assert totals == [m * k * n, 2 * m * k * n, m * k * n, m * k * n]
        assert zoo.trace(Calling(function), inputs=(x, y)).macs == m * k * n


@pytest.mark.parametrize(
    ("equation", "dims", "operands", "out"),
    [
        ("ij,jk", (2, 2), [("i", "j"), ("j", "k")], ("i", "k")),
        ("ba", (2,), [("b", "a")], ("a", "b")),
        ("ii->i", (2,), [("i", "i")], ("i",)),
        ("i...j,...jk->...k", (4, 3), [("i", "1", "0", "j"), ("0", "j", "k")], ("1", "0", "k")),
        ("...i,i", (3, 1), [("1", "0", "i"), ("i",)], ("1", "0")),
    ],
)
def test_equations_of_einsum_are_read_as_torch_reads_them(
    equation: str, dims: tuple[int, ...], operands: list[tuple[str, ...]], out: tuple[str, ...]
) -> None:
    assert parse(equation, dims) == (operands, out)


def test_einsum_takes_its_operands_by_number_too() -> None:
    counted = macs(Kind.MATMUL, torch.einsum, on_meta(2, 3), [0, 1], on_meta(3, 4), [1, 2], [0, 2])
    assert counted == macs(Kind.MATMUL, torch.einsum, "ij,jk->ik", on_meta(2, 3), on_meta(3, 4)) == 2 * 3 * 4


@given(st.lists(small, max_size=2), small, small, small)
def test_a_bilinear_layer_multiplies_one_input_with_the_weight_and_the_result_with_the_other(
    leading: list[int], first: int, second: int, features: int
) -> None:
    counted = macs(
        Kind.LINEAR, nn.Bilinear(first, second, features, device="meta"), on_meta(*leading, first), on_meta(*leading, second)
    )
    by_weight = products(lambda x, w: torch.einsum("ra,fab->rfb", x, w), (math.prod(leading), first), (features, first, second))
    by_other = products(
        lambda x, y: torch.einsum("rfb,rb->rf", x, y), (math.prod(leading), features, second), (math.prod(leading), second)
    )
    assert counted == by_weight + by_other


@given(mutually_broadcastable_shapes(signature="(p,m),(r,m)->(p,r)", max_dims=2, max_side=4), st.sampled_from([1.0, 2.0, 3.0]))
def test_a_distance_takes_a_product_for_each_coordinate_of_each_pair(shapes: Any, norm: float) -> None:
    first, second = shapes.input_shapes
    counted = macs(Kind.MATMUL, lambda x, y: torch.cdist(x, y, p=norm), on_meta(*first), on_meta(*second))
    assert counted == math.prod(shapes.result_shape) * first[-1]


@given(small, st.integers(1, 4))
def test_distances_within_a_set_are_between_each_pair_once(points: int, coordinates: int) -> None:
    pairs = sum(1 for i in range(points) for _ in range(i))
    assert macs(Kind.MATMUL, torch.pdist, on_meta(points, coordinates)) == pairs * coordinates


@given(small, small, small, st.integers(1, 3), small)
def test_a_convolution_of_time_first(time: int, batch: int, channels: int, kernel: int, features: int) -> None:
    shapes = (time + kernel - 1, batch, channels), (kernel, channels, features)
    counted = macs(Kind.CONV, torch.conv_tbc, *(on_meta(*shape) for shape in shapes), on_meta(features))
    assert counted == products(lambda x, w: torch.conv_tbc(x, w, torch.zeros(features, dtype=x.dtype)), *shapes)


@given(small, small, small)
def test_a_grid_is_transformed_point_by_point(batch: int, height: int, width: int) -> None:
    counted = macs(
        Kind.MATMUL, lambda theta: F.affine_grid(theta, [batch, 3, height, width], align_corners=False), on_meta(batch, 2, 3)
    )
    assert counted == sum(1 for _ in product(range(batch), range(height), range(width), range(2), range(3)))


@pytest.mark.parametrize("axis", ["rows", "columns", "inner", "none"])
def test_a_grouped_product_multiplies_what_its_groups_share_out(axis: str) -> None:
    groups, m, k, n = 2, 16, 32, 48
    shapes = {
        "rows": ((m, k), (groups, k, n), m * k * n),  # each row has one group's matrix
        "columns": ((groups, m, k), (k, n), m * k * n),
        "inner": ((m, k), (k, n), m * k * n),  # each group sums over its part of k
        "none": ((groups, m, k), (groups, k, n), groups * m * k * n),
    }
    first, second, expected = shapes[axis]
    out = {"rows": (m, n), "columns": (m, n)}.get(axis, (groups, m, n))
    assert macs_formulas.grouped_matmul_macs((on_meta(*first), on_meta(*second)), {}, on_meta(*out)) == expected


@given(st.integers(1, 3), small, small, st.integers(1, 3), small)
def test_the_fast_paths_of_transformers_are_the_layers_they_stand_for(
    batch: int, length: int, width: int, heads: int, hidden: int
) -> None:
    width *= heads
    layer = nn.TransformerEncoderLayer(width, heads, hidden, batch_first=True, device="meta").eval()
    x = on_meta(batch, length, width)
    attention, ffn = layer.self_attn, (on_meta(hidden, width), None, on_meta(width, hidden), None)
    fast = macs_formulas.multi_head_attention_macs((x, x, x, width), {}, x)
    assert fast == count_call(lambda: attention(x, x, x, need_weights=False)).macs
    assert macs_formulas.transformer_layer_macs((x, width, *[None] * 12, *ffn), {}, x) == count_call(layer, x).macs


@given(st.integers(1, 4), st.integers(1, 3), st.booleans())
def test_recurrent_kernels_count_as_the_layers_they_are_for(steps: int, layers: int, is_bidirectional: bool) -> None:
    layer = nn.LSTM(3, 4, layers, bidirectional=is_bidirectional, device="meta")
    x = on_meta(steps, 2, 3)
    whole = count_call(layer, x).macs
    assert macs_formulas.recurrent_kernel_macs((x, list(layer.parameters())), {}, None) == whole
    if layers == 1 and not is_bidirectional:
        assert macs_formulas.recurrent_layer_macs((x, layer.weight_ih_l0, layer.weight_hh_l0), {}, None) == whole


def test_a_list_of_products_is_each_of_them() -> None:
    pairs = [((2, 3), (3, 4)), ((5, 6), (6, 7))]
    firsts, seconds = ([on_meta(*pair[i]) for pair in pairs] for i in (0, 1))
    outs = [on_meta(2, 4), on_meta(5, 7)]
    assert macs_formulas.each_matmul_macs((firsts, seconds), {}, outs) == 2 * 3 * 4 + 5 * 6 * 7


@pytest.mark.parametrize(
    ("function", "points", "is_real"),
    [
        (lambda x: torch.fft.fft(x + 0j), 8, False),
        (lambda x: torch.fft.fft2(x + 0j), 4 * 8, False),
        (torch.fft.rfft, 8, True),
        (torch.fft.rfft2, 4 * 8, True),
        (lambda x: torch.fft.irfft(x + 0j, n=14), 14, True),
    ],
)
def test_fourier_transforms_are_counted_by_all_only(function: Callable[..., Tensor], points: int, is_real: bool) -> None:
    images, elements = 3, 3 * 4 * 8
    cost = count_call(function, on_meta(images, 4, 8))
    assert cost.macs == 0
    assert cost.status == Status.EXACT
    transforms = elements // 8 if points in {8, 14} else images
    flops = 5 * points * math.log2(points) * transforms / (2 if is_real else 1)
    (row,) = [row for row in cost.rows if row.op.kind == Kind.FOURIER]
    assert CONVENTIONS["all"].weight(row) == round(flops)


@pytest.mark.parametrize(
    ("function", "shapes", "flops"),
    [
        (torch.addr, [(3, 4), (3,), (4,)], 2 * 3 * 4),
        (torch.linalg.cross, [(5, 3), (5, 3)], 3 * 5 * 3),
        (lambda v, g: torch._weight_norm(v, g, 0), [(4, 6), (4, 1)], 3 * 4 * 6),
        (
            lambda table: F.embedding_bag(torch.zeros(2, 5, dtype=torch.long, device="meta"), table, mode="sum"),
            [(100, 6)],
            2 * 5 * 6,
        ),
    ],
    ids=["addr", "cross", "weight norm", "embedding bag"],
)
def test_what_is_free_of_macs_still_counts_in_all(
    function: Callable[..., Tensor], shapes: list[tuple[int, ...]], flops: int
) -> None:
    cost = count_call(function, *(on_meta(*shape) for shape in shapes))
    assert (cost.status, cost.macs, cost.total("all")) == (Status.EXACT, 0, flops)


UNSEEN_BY_TORCH: dict[str, tuple[Callable[..., Any], tuple[tuple[int, ...], ...], int]] = {
    "mv": (torch.mv, ((4, 8), (8,)), 4 * 8),
    "addmv": (torch.addmv, ((4,), (4, 8), (8,)), 4 * 8),
    "dot": (torch.dot, ((8,), (8,)), 8),
    "vecdot": (torch.linalg.vecdot, ((4, 8), (4, 8)), 4 * 8),
    "bilinear": (F.bilinear, ((3, 4), (3, 5), (6, 4, 5)), 3 * 6 * 5 * (4 + 1)),
    "cdist": (torch.cdist, ((3, 4), (5, 4)), 3 * 5 * 4),
    "affine_grid": (lambda theta: F.affine_grid(theta, [2, 3, 4, 5], align_corners=False), ((2, 2, 3),), 2 * 4 * 5 * 2 * 3),
    "conv_tbc": (torch.conv_tbc, ((5, 2, 3), (3, 3, 4), (4,)), 3 * 2 * 4 * 3 * 3),
}


@pytest.mark.parametrize("name", UNSEEN_BY_TORCH)
def test_what_torchs_counter_counts_as_nothing_is_counted_and_named_by_the_convention(name: str) -> None:
    function, shapes, macs = UNSEEN_BY_TORCH[name]
    tensors = [on_meta(*shape) for shape in shapes]
    with FlopCounterMode(display=False) as counter:
        function(*tensors)
    assert (counter.get_total_flops(), count_call(function, *tensors).macs) == (0, macs)
    assert name in CONVENTIONS["matmul"].citation


def test_a_product_of_complex_numbers_is_one_mac() -> None:
    """It takes four products of real numbers; the convention says that they count as one."""
    x, y = on_meta(3, 4, dtype=torch.complex64), on_meta(4, 5, dtype=torch.complex64)
    assert count_call(torch.mm, x, y).macs == 3 * 4 * 5
    assert "complex" in CONVENTIONS["matmul"].citation
