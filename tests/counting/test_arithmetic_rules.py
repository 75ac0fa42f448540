"""The convention `all`: what an operator weighs is what the same arithmetic weighs when it is spelled out in single operations."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from models_for_tests import count_call, on_meta
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own habit

from zoo.counting.arithmetic_rules import ALL_RULES, RATES
from zoo.operators.operator_kinds import OPERATIONS

ROWS, WIDTH = 6, 10
SIZE = ROWS * WIDTH
IMAGE = (2, 4, 6, 6)
PIXELS = math.prod(IMAGE)


def flops(function: Callable[..., Any], *shapes: tuple[int, ...]) -> int:
    cost = count_call(function, *(on_meta(*shape) for shape in shapes))
    assert not cost.reason
    return cost.total("all")


def mean(x: Tensor) -> Tensor:
    return x.sum(-1, keepdim=True) / WIDTH


def squares_from_mean(x: Tensor) -> Tensor:
    difference = x - mean(x)
    return (difference * difference).sum(-1, keepdim=True)


def softmax(x: Tensor) -> Tensor:
    powers = (x - x.amax(-1, keepdim=True)).exp()
    return powers / powers.sum(-1, keepdim=True)


def cosine(x: Tensor, y: Tensor) -> Tensor:
    norms = [(each * each).sum(-1).sqrt().clamp_min(1e-8) for each in (x, y)]
    return (x * y).sum(-1) / (norms[0] * norms[1])


def attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    scores = (q * 0.5) @ k.mT
    return softmax(scores if mask is None else scores + mask) @ v


def cross_entropy(x: Tensor, y: Tensor) -> Tensor:
    """The negative sign goes with the mean's division."""
    return (y * x.log() + (1 - y) * (1 - x).log()).sum() / -SIZE


def with_logits(x: Tensor, y: Tensor) -> Tensor:
    return ((1 - y) * x + x.abs().neg().exp().log1p()).sum() / SIZE


MATRIX, VECTOR = (ROWS, WIDTH), (WIDTH,)
SPELLED: dict[str, tuple[Callable[..., Any], Callable[..., Any], tuple[tuple[int, ...], ...]]] = {
    "addmm": (torch.addmm, lambda a, b, c: a + b @ c, ((4, 5), (4, 8), (8, 5))),
    "addmm of a row": (torch.addmm, lambda a, b, c: a + b @ c, ((5,), (4, 8), (8, 5))),
    "addmm scaled": (lambda a, b, c: torch.addmm(a, b, c, beta=2, alpha=3), lambda a, b, c: 2 * a + 3 * (b @ c), ((4, 5), (4, 8), (8, 5))),
    "addmm without": (lambda a, b, c: torch.addmm(a, b, c, beta=0), lambda a, b, c: b @ c, ((4, 5), (4, 8), (8, 5))),
    "addmv": (torch.addmv, lambda a, b, c: a + b @ c, ((4,), (4, 8), (8,))),
    "baddbmm": (torch.baddbmm, lambda a, b, c: a + b @ c, ((3, 4, 5), (3, 4, 8), (3, 8, 5))),
    "add scaled": (lambda a, b: torch.add(a, b, alpha=2), lambda a, b: a + 2 * b, (MATRIX, MATRIX)),
    "add a number": (lambda a: a + 2.5, lambda a: a.sub(1), (MATRIX,)),
    "lerp": (lambda a, b: torch.lerp(a, b, 0.1), lambda a, b: a + 0.1 * (b - a), (MATRIX, MATRIX)),
    "addcmul": (torch.addcmul, lambda a, b, c: a + b * c, (MATRIX,) * 3),
    "addcdiv": (torch.addcdiv, lambda a, b, c: a + b / c, (MATRIX,) * 3),
    "addr": (torch.addr, lambda a, b, c: a + b[:, None] * c, (MATRIX, (ROWS,), VECTOR)),
    "glu": (F.glu, lambda x: x[:, :5] * x[:, 5:].sigmoid(), (MATRIX,)),
    "linalg_cross": (torch.linalg.cross, lambda a, b: a.roll(1, 1) * b.roll(2, 1) - a.roll(2, 1) * b.roll(1, 1), ((5, 3), (5, 3))),
    "mean": (lambda x: x.mean(-1), mean, (MATRIX,)),
    "var": (lambda x: x.var(-1), lambda x: squares_from_mean(x) / (WIDTH - 1), (MATRIX,)),
    "std": (lambda x: x.std(-1), lambda x: (squares_from_mean(x) / (WIDTH - 1)).sqrt(), (MATRIX,)),
    "var_mean": (lambda x: torch.var_mean(x, -1), lambda x: squares_from_mean(x) / (WIDTH - 1), (MATRIX,)),
    "std_mean": (lambda x: torch.std_mean(x, -1), lambda x: (squares_from_mean(x) / (WIDTH - 1)).sqrt(), (MATRIX,)),
    "nansum": (lambda x: x.nansum(-1), lambda x: x.isnan().sum(-1), (MATRIX,)),
    "aminmax": (lambda x: x.aminmax(dim=-1), lambda x: (x.amin(-1), x.amax(-1)), (MATRIX,)),
    "norm": (lambda x: torch.linalg.vector_norm(x, dim=-1), lambda x: (x * x).sum(-1).sqrt(), (MATRIX,)),
    "norm 1": (lambda x: torch.linalg.vector_norm(x, 1, dim=-1), lambda x: x.abs().sum(-1), (MATRIX,)),
    "norm inf": (lambda x: torch.linalg.vector_norm(x, math.inf, dim=-1), lambda x: x.abs().amax(-1), (MATRIX,)),
    "norm 3": (lambda x: torch.linalg.vector_norm(x, 3, dim=-1), lambda x: (x.abs() ** 3).sum(-1) ** (1 / 3), (MATRIX,)),
    "dist": (torch.dist, lambda x, y: ((x - y).square()).sum().sqrt(), (MATRIX, MATRIX)),
    "cdist": (torch.cdist, lambda x, y: (x[:, None] - y).square().sum(-1).sqrt(), (MATRIX, (7, WIDTH))),
    "cosine_similarity": (F.cosine_similarity, cosine, (MATRIX, MATRIX)),
    "softmax": (lambda x: x.softmax(-1), softmax, (MATRIX,)),
    "logsumexp": (
        lambda x: x.logsumexp(-1),
        lambda x: (x - x.amax(-1, keepdim=True)).exp().sum(-1).log() + x[:, 0],
        ((4, 1000),),
    ),
    "mse_loss": (F.mse_loss, lambda x, y: (x - y).square().sum() / SIZE, (MATRIX, MATRIX)),
    "mse_loss none": (lambda x, y: F.mse_loss(x, y, reduction="none"), lambda x, y: (x - y).square(), (MATRIX, MATRIX)),
    "mse_loss sum": (lambda x, y: F.mse_loss(x, y, reduction="sum"), lambda x, y: (x - y).square().sum(), (MATRIX, MATRIX)),
    "soft_margin_loss": (F.soft_margin_loss, lambda x, y: (x * y).neg().exp().log1p().sum() / SIZE, (MATRIX, MATRIX)),
    "binary_cross_entropy": (F.binary_cross_entropy, cross_entropy, (MATRIX, MATRIX)),
    "with logits": (F.binary_cross_entropy_with_logits, with_logits, (MATRIX, MATRIX)),
    "attention": (F.scaled_dot_product_attention, attention, ((2, 4, 5, 8),) * 3),
    "attention masked": (F.scaled_dot_product_attention, attention, (*((2, 4, 5, 8),) * 3, (2, 4, 5, 5))),
    "attention causal": (
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        lambda q, k, v: attention(q, k, v, on_meta(5, 5)),
        ((2, 4, 5, 8),) * 3,
    ),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, 2), lambda x: x.unfold(2, 2, 2).unfold(3, 2, 2).sum((-1, -2)) / 4, (IMAGE,)),
    "max_pool2d": (lambda x: F.max_pool2d(x, 2), lambda x: x.unfold(2, 2, 2).unfold(3, 2, 2).amax((-1, -2)), (IMAGE,)),
    "global pool": (lambda x: F.adaptive_avg_pool2d(x, 1), lambda x: x.sum((-1, -2)) / 36, (IMAGE,)),
    "scatter_add": (
        lambda x, y: x.scatter_add(0, on_meta(3, WIDTH, dtype=torch.int64), y),
        lambda x, y: x[:3] + y,
        (MATRIX, (3, WIDTH)),
    ),
    "index_add": (lambda x, y: x.index_add(0, on_meta(3, dtype=torch.int64), y), lambda x, y: x[:3] + y, (MATRIX, (3, WIDTH))),
    "comparison": (lambda x: x > 1, lambda x: x + 1, (MATRIX,)),
}  # fmt: skip


@pytest.mark.parametrize("name", SPELLED)
def test_an_operator_weighs_what_its_arithmetic_weighs(name: str) -> None:
    operator, spelled, shapes = SPELLED[name]
    assert flops(operator, *shapes) == flops(spelled, *shapes)


def test_the_operand_that_is_added_to_a_product_counts() -> None:
    """4 × 5 results of 8 MACs each, two operations, and one addition to each."""
    assert flops(torch.addmm, (4, 5), (4, 8), (8, 5)) == 2 * 4 * 5 * 8 + 4 * 5 == 340


def test_a_logsumexp_works_on_what_it_reads() -> None:
    """Each of 4000 compared, subtracted, raised, added; a logarithm and an addition for each of 4 rows."""
    assert flops(lambda x: x.logsumexp(-1), (4, 1000)) == 4 * 4000 + 2 * 4


@pytest.mark.parametrize(("has_weight", "has_bias"), [(False, False), (True, False), (True, True)])
def test_a_layer_norm_is_charged_for_the_weight_and_the_bias_that_it_has(has_weight: bool, has_bias: bool) -> None:
    """Mean, difference, square, sum, product; what is done once a row is left out."""
    layer = nn.LayerNorm(WIDTH, elementwise_affine=has_weight, bias=has_bias, device="meta")
    assert flops(layer, MATRIX) == SIZE * (5 + has_weight + has_bias)


@pytest.mark.parametrize("is_affine", [True, False])
def test_other_normalisations_too(is_affine: bool) -> None:
    """Batch norm knows its statistics: difference and product. Group and instance norm make them. RMS norm has no mean and no bias."""
    both = 2 * is_affine
    assert flops(nn.BatchNorm2d(4, affine=is_affine, device="meta").eval(), IMAGE) == PIXELS * (2 + both)
    assert flops(nn.GroupNorm(2, 4, affine=is_affine, device="meta"), IMAGE) == PIXELS * (5 + both)
    assert flops(nn.InstanceNorm2d(4, affine=is_affine, device="meta"), IMAGE) == PIXELS * (5 + both)
    assert flops(nn.RMSNorm(WIDTH, elementwise_affine=is_affine, device="meta"), MATRIX) == SIZE * (3 + is_affine)


@pytest.mark.parametrize("has_bias", [True, False])
def test_a_bilinear_layer_adds_a_bias_only_where_it_has_one(has_bias: bool) -> None:
    """x1 (3, 4) with the weight (6, 4, 5), then with x2: 3 * 6 * 5 * (4 + 1) MACs."""
    layer = nn.Bilinear(4, 5, 6, bias=has_bias, device="meta")
    assert flops(layer, (3, 4), (3, 5)) == 2 * 3 * 6 * 5 * 5 + 3 * 6 * has_bias


@pytest.mark.parametrize(("kind", "gates", "extra"), [(nn.LSTMCell, 4, 10), (nn.GRUCell, 3, 7), (nn.RNNCell, 1, 1)])
def test_a_recurrent_cell_has_biases_and_gates(kind: Any, gates: int, extra: int) -> None:
    """3 rows; matrices of 4 inputs and 8 states to each gate's 8, two biases, and ptflops' elementwise operations."""
    cell = kind(4, 8, device="meta")
    assert flops(cell, (3, 4)) == 3 * (2 * gates * 8 * (4 + 8) + 2 * gates * 8 + extra * 8)


def test_interpolation_sums_products_of_its_neighbours() -> None:
    """As many products as neighbours, and one sum fewer, for each result."""
    for mode, size, neighbours in (
        ("linear", (8,), 2),
        ("bilinear", (8, 8), 4),
        ("bicubic", (8, 8), 16),
        ("trilinear", (8, 8, 8), 8),
    ):
        results = 2 * 4 * 16 ** len(size)
        assert flops(lambda x, mode=mode: F.interpolate(x, scale_factor=2, mode=mode), (2, 4, *size)) == results * (
            2 * neighbours - 1
        )
    assert flops(lambda x: F.interpolate(x, scale_factor=2), IMAGE) == 0


def test_every_rule_is_for_an_operator_of_the_table_and_says_what_it_counts() -> None:
    assert not [name for name in ALL_RULES if OPERATIONS.get(name) is None]
    names = [name for rate in RATES for name in rate.operators.split()]
    assert len(names) == len(set(names))
    assert all(rate.arithmetic for rate in RATES)
