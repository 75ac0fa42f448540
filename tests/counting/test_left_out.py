"""Modules that a pass does not reach, modules that are left out of a cost, and parameters without a pass."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import zoo
from zoo.errors import InputError, UnknownNameError

WIDTH, OUT = 6, 3


class Net(nn.Module):
    """A stem that is called, a head of two layers, a branch that is not, and layers in a list of which one is not."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(WIDTH, WIDTH)
        self.head = nn.Sequential(nn.BatchNorm1d(WIDTH), nn.Linear(WIDTH, OUT))
        self.branch = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU())
        self.layers = nn.ModuleList([nn.ReLU(), nn.Linear(WIDTH, WIDTH)])
        self.empty = nn.ModuleList()

    def forward(self, x: Tensor) -> Any:
        return self.head(self.layers[0](self.stem(x)))


LINEAR = WIDTH * WIDTH + WIDTH
HEAD = 2 * WIDTH + WIDTH * OUT + OUT
ALL = 3 * LINEAR + HEAD


def test_modules_that_the_pass_does_not_reach_are_named_by_the_outermost() -> None:
    assert zoo.count(Net(), (WIDTH,)).never_called == ("branch", "layers.1")
    assert zoo.count(Net().layers[0], (WIDTH,)).never_called == ()


def test_what_is_left_out_neither_works_nor_holds_anything() -> None:
    whole, without = zoo.count(Net(), (WIDTH,)), zoo.count(Net(), (WIDTH,), ignore=["head"])
    assert (whole.macs, without.macs) == (WIDTH * WIDTH + WIDTH * OUT, WIDTH * WIDTH)
    assert (whole.params, without.params) == (ALL, ALL - HEAD)
    assert (whole.buffers, without.buffers) == (2 * WIDTH + 1, 0)  # statistics, and the number of batches
    assert without.weight_bytes == 4 * (ALL - HEAD)
    assert without.left_out == ("head",)
    assert {row.module for row in without.rows} == {"stem", "layers.0"}
    assert without.peak_activation_bytes == whole.peak_activation_bytes
    assert "head" not in set(without.by_module().module)


def test_modules_are_left_out_by_class_and_by_identity_too() -> None:
    model = Net()
    assert zoo.count(model, (WIDTH,), ignore=[nn.Linear]).params == 2 * WIDTH
    assert zoo.count(model, (WIDTH,), ignore=[model.head[1], "stem"]).macs == 0
    assert zoo.count(model, (WIDTH,), ignore=[Net]).params == 0


def test_what_is_shared_with_a_module_that_is_left_out_is_counted() -> None:
    model = Net()
    model.branch[0].weight = model.stem.weight
    assert (
        zoo.count(model, (WIDTH,), ignore=["stem"]).params == LINEAR + LINEAR + HEAD
    )  # stem's bias is gone, its weight is branch's


def test_a_module_that_is_not_there_is_no_silent_zero() -> None:
    with pytest.raises(UnknownNameError, match=r"has no module 'heads'\. Did you mean head"):
        zoo.count(Net(), (WIDTH,), ignore=["heads"])
    with pytest.raises(UnknownNameError, match="has no module 'Conv2d'"):
        zoo.count(Net(), (WIDTH,), ignore=[nn.Conv2d])
    with pytest.raises(InputError, match="With training=True, read by_module"):
        zoo.count(Net(), (WIDTH,), training=True, ignore=["head"])


def test_parameters_are_told_without_an_input_and_split_by_whether_they_are_trained() -> None:
    model = Net()
    model.stem.requires_grad_(False)
    counted = zoo.parameters(model)
    assert (counted.trainable, counted.frozen, counted.total, counted.buffers) == (ALL - LINEAR, LINEAR, ALL, 2 * WIDTH + 1)
    assert counted.weight_bytes == 4 * (ALL + 2 * WIDTH) + 8  # the number of batches has 8 bytes
    by_module = counted.by_module(1).set_index("module")
    assert list(by_module.loc["stem", ["trainable", "frozen", "buffers"]]) == [0, LINEAR, 0]
    assert list(by_module.loc["head", ["trainable", "frozen", "buffers"]]) == [HEAD, 0, 2 * WIDTH + 1]
    assert by_module.trainable[""] == counted.trainable


def test_a_shared_parameter_belongs_to_the_first_module_that_has_it() -> None:
    first, second = nn.Linear(WIDTH, WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False)
    second.weight = first.weight
    counted = zoo.parameters(nn.Sequential(first, second))
    assert counted.total == WIDTH * WIDTH
    assert list(counted.by_module().trainable) == [WIDTH * WIDTH, WIDTH * WIDTH, 0]


def test_parameters_of_lazy_modules_have_no_size_yet() -> None:
    assert zoo.parameters(nn.Sequential(nn.LazyLinear(OUT), nn.Linear(OUT, 1))).total == OUT + 1


def test_only_models_have_parameters() -> None:
    with pytest.raises(InputError, match="is a class: give a model made of it"):
        zoo.parameters(nn.Linear)  # type: ignore[arg-type]
    assert zoo.parameters(nn.Linear(2, 2, device="meta", dtype=torch.float16)).weight_bytes == 2 * (4 + 2)
