"""Cases that other counters test themselves with, each with its figure derived: torch's flop counter, fvcore, torchinfo."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from models_for_tests import Calling
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own habit
from torch.utils.flop_counter import FlopCounterMode

import zoo
from zoo.records import Status

Shapes = tuple[tuple[int, ...], ...]

FUNCTIONS: dict[str, tuple[Callable[..., Any], Shapes, int]] = {
    "two products": (lambda a, b: (a @ b) @ b.mT, ((8, 16), (16, 4)), 2 * 8 * 16 * 4),
    "a product in batches": (torch.bmm, ((3, 5, 7), (3, 7, 2)), 3 * 5 * 7 * 2),
    "a product with something added": (torch.addmm, ((5, 2), (5, 7), (7, 2)), 5 * 7 * 2),
    "a product in batches with something added": (torch.baddbmm, ((3, 5, 2), (3, 5, 7), (3, 7, 2)), 3 * 5 * 7 * 2),
    "a broadcast product": (torch.matmul, ((4, 1, 5, 7), (6, 7, 2)), 4 * 6 * 5 * 7 * 2),
    "einsum of batches": (lambda a, b: torch.einsum("bqd,bkd->bqk", a, b), ((2, 5, 8), (2, 6, 8)), 2 * 5 * 6 * 8),
    "a convolution": (lambda x, w: F.conv2d(x, w, stride=2, padding=1), ((2, 3, 9, 9), (4, 3, 3, 3)), 2 * 4 * 5 * 5 * 27),
    "a convolution in groups": (lambda x, w: F.conv2d(x, w, groups=2), ((1, 6, 8, 8), (4, 3, 3, 3)), 4 * 6 * 6 * 27),
    "a dilated convolution": (lambda x, w: F.conv1d(x, w, dilation=2), ((1, 3, 20), (4, 3, 5)), 4 * 12 * 15),
    "a convolution of volumes": (F.conv3d, ((1, 2, 4, 5, 6), (3, 2, 2, 2, 2)), 3 * 3 * 4 * 5 * 16),
    "a transposed convolution": (lambda x, w: F.conv_transpose2d(x, w, stride=2), ((1, 3, 5, 5), (3, 4, 3, 3)), 3 * 25 * 4 * 9),
    "attention": (F.scaled_dot_product_attention, ((2, 4, 10, 8), (2, 4, 6, 8), (2, 4, 6, 8)), 2 * 4 * 10 * 6 * 16),
    "attention with wider values": (F.scaled_dot_product_attention, ((2, 4, 10, 8), (2, 4, 6, 8), (2, 4, 6, 5)), 2 * 4 * 10 * 6 * (8 + 5)),
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_that_torchs_counter_is_tested_with(name: str) -> None:
    """Its figure is twice ours."""
    function, shapes, macs = FUNCTIONS[name]
    tensors = tuple(torch.empty(shape, device="meta") for shape in shapes)
    with FlopCounterMode(display=False) as counter:
        function(*tensors)
    cost = zoo.count(Calling(function), tensors)
    assert (cost.macs, cost.status) == (macs, Status.EXACT)
    assert counter.get_total_flops() == 2 * macs


class Residual(nn.Module):
    """Two convolutions around a sum, as torch's test of nested modules has them."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x).relu()) + x  # type: ignore[no-any-return]


def test_figures_of_nested_modules_add_up() -> None:
    """8 × 8 places, 3 channels from 3, windows of 9 and of 1."""
    frame = zoo.count(nn.Sequential(Residual(), Residual()), (3, 8, 8)).by_module().set_index("module")["macs"]
    one = 64 * 9 * (9 + 1)
    assert frame.to_dict() == {
        "": 2 * one, "0": one, "0.first": 64 * 9 * 9, "0.second": 64 * 9, "1": one, "1.first": 64 * 9 * 9, "1.second": 64 * 9,
    }  # fmt: skip


class Shared(nn.Module):
    """One layer under two names, called three times: fvcore's test of repeated modules."""

    def __init__(self) -> None:
        super().__init__()
        self.one = self.other = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.other(self.one(self.one(x)))  # type: ignore[no-any-return]


def test_a_layer_with_two_names_works_as_often_as_it_is_called_and_weighs_once() -> None:
    cost = zoo.count(Shared(), (6,))
    assert (cost.macs, cost.params) == (3 * 36, 36 + 6)


class Unused(nn.Module):
    """A layer that is never called, and work outside of any layer: fvcore's test of modules without calls."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.unused = nn.Linear(6, 6), nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(self.used(x), self.used.weight)


def test_work_outside_of_layers_is_that_of_the_module_around_it() -> None:
    cost = zoo.count(Unused(), (6,))
    assert [(row.module, row.op.macs) for row in cost.rows] == [("used", 36), ("", 36)]
    assert cost.never_called == ("unused",)
    assert cost.params == 2 * (36 + 6)


class Named(nn.Module):
    """Takes and gives dictionaries, and an argument that is no tensor: torchinfo's fixtures of inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 2)

    def forward(self, x: dict[str, Tensor], *, scale: float = 1.0, names: tuple[str, ...] = ()) -> dict[str, Tensor]:
        return {name: self.layer(x[name]) * scale for name in names or x}


def test_inputs_may_be_nested_and_arguments_may_be_no_tensors() -> None:
    given = {"a": torch.zeros(2, 6), "b": torch.zeros(3, 6)}
    assert zoo.count(Named(), inputs=(given,)).macs == (2 + 3) * 6 * 2
    assert zoo.count(Named(), inputs=(given,), kwargs={"names": ("b",), "scale": 2.0}).macs == 3 * 6 * 2


class ParameterOnly(nn.Module):
    """Parameters of its own, beside those of a list: torchinfo's fixtures of parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(6, 4))
        self.more = nn.ParameterList([nn.Parameter(torch.zeros(4, 3)), nn.Parameter(torch.zeros(3))])

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x @ self.weight @ self.more[0] + self.more[1]
        return result


def test_parameters_that_are_in_no_layer_count_with_their_work() -> None:
    cost = zoo.count(ParameterOnly(), (6,))
    assert (cost.macs, cost.params) == (6 * 4 + 4 * 3, 6 * 4 + 4 * 3 + 3)


def test_recurrent_layers_count_every_step_and_an_embedding_none() -> None:
    """Four gates of 5, each of 3 features (then 5) and 5 states, for 7 steps of 2 sequences."""
    model = nn.Sequential(nn.Embedding(10, 3), nn.LSTM(3, 5, num_layers=2, batch_first=True))
    cost = zoo.count(model, torch.zeros(2, 7, dtype=torch.int64))
    assert cost.macs == 2 * 7 * 4 * 5 * ((3 + 5) + (5 + 5))
    assert cost.params == 10 * 3 + 4 * 5 * ((3 + 5 + 2) + (5 + 5 + 2))
