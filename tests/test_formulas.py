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
from models_for_tests import macs, on_meta
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own habit

from zoo.counting.operations import Kind

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
    sizes: dict[str, int]

    def products(self) -> int:
        """Contracted two at a time from the left; what only one of the two has, and nobody needs later, is added up before."""
        total, left = 0, set(self.operands[0])
        for i, right in enumerate(self.operands[1:], 2):
            needed = set(self.out).union(*self.operands[i:])
            contracted = (left & set(right)) - needed
            multiplied = contracted | ((left | set(right)) & needed)
            if contracted:  # otherwise nothing is summed: an outer or elementwise product
                total += math.prod(self.sizes[label] for label in multiplied)
            left = multiplied - contracted
        return total


@st.composite
def einsums(draw: st.DrawFn) -> Einsum:
    labels = "abcd"
    sizes = {label: draw(st.integers(2, 4)) for label in f"{labels}XY"}  # torch takes no notice of dimensions of size 1
    written, operands = [], []
    for _ in range(draw(st.integers(1, 4))):
        own = "".join(draw(st.lists(st.sampled_from(labels), min_size=1, max_size=4)))  # repeated: a diagonal
        batch = draw(st.sampled_from(["", "", "Y", "XY"]))
        place = draw(st.integers(0, len(own))) if batch else 0
        written.append(f"{own[:place]}...{own[place:]}" if batch else own)
        operands.append(own[:place] + batch + own[place:])
    used = sorted(set("".join(operands)) & set(labels))
    out = "".join(draw(st.permutations(used))[: draw(st.integers(0, len(used)))])
    widest = max((set(operand) & set("XY") for operand in operands), key=len)
    equation = f"{','.join(written)}->{'...' if widest else ''}{out}"
    return Einsum(equation, operands, out + "".join(widest), sizes)


@given(einsums())
@example(Einsum("ij,jk,kl->il", ["ij", "jk", "kl"], "il", dict(zip("ijkl", (2, 3, 4, 5), strict=True))))
@example(Einsum("ijk,kl->il", ["ijk", "kl"], "il", dict(zip("ijkl", (2, 3, 4, 5), strict=True))))
def test_einsum_multiplies_what_its_pairwise_contractions_multiply(einsum: Einsum) -> None:
    operands = [on_meta(*(einsum.sizes[label] for label in operand)) for operand in einsum.operands]
    with torch.backends.opt_einsum.flags(enabled=False):  # if it is installed, it chooses another order
        counted = macs(Kind.MATMUL, torch.einsum, einsum.equation, *operands)
    assert counted == einsum.products()


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
