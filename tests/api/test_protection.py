"""A count or trace leaves a user's model, and everything its code can reach, as it was, and gives the same figures again."""

from __future__ import annotations

import functools
import random
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import zoo
from zoo.api.count_by_name import InputSpec, count_named

WIDTH = 4
MACS = 10 * WIDTH * WIDTH
"""Of a linear layer for 10 rows."""

table: dict[int, Tensor] = {}
calls = 0


@functools.lru_cache
def cached_ones(rows: int) -> Tensor:
    return torch.ones(rows, 1)


@functools.cache
def cached_on(rows: int, device: torch.device) -> list[Tensor]:
    return [torch.ones(rows, 1, device=device)]


class Model(nn.Module):
    """A linear layer, and a place for each way of keeping something."""

    steps: Tensor
    phases: Tensor
    mean: Tensor
    mask: Tensor | None
    seen_by_class: list[Any] = []  # noqa: RUF012  # a mistake that users make

    def __init__(self, change: Callable[[Model, Tensor], Any]) -> None:
        super().__init__()
        self.layer = nn.Linear(WIDTH, WIDTH)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("phases", torch.ones(3, dtype=torch.complex64))
        self.register_buffer("mean", torch.zeros(WIDTH))
        self.register_buffer("mask", None)
        self.constant = torch.zeros(WIDTH)
        self.constants = [torch.zeros(WIDTH)]
        self.outputs: list[Any] = []
        self.recent: deque[Any] = deque(maxlen=2)
        self.names = {"a"}
        self.nested = {"deep": {"list": [1, 2]}}
        self.histogram = np.zeros(3)
        self.generator = torch.Generator().manual_seed(3)
        self.change = change

    def forward(self, x: Tensor) -> Tensor:
        extra = self.change(self, x)
        out: Tensor = self.layer(x)
        return out * extra if isinstance(extra, Tensor) and extra.shape == (len(x), 1) else out


def count_calls(model: Model, x: Tensor) -> None:
    global calls  # noqa: PLW0603  # what users do
    calls += 1


def keep_in_table(model: Model, x: Tensor) -> Tensor:
    if len(x) not in table:
        table[len(x)] = torch.ones(len(x), 1, device=x.device)
    return table[len(x)]


def make_buffer(model: Model, x: Tensor) -> Tensor:
    if model.mask is None:
        model.register_buffer("mask", torch.ones(len(x), 1, device=x.device))
    return model.get_buffer("mask")


def draw(model: Model, x: Tensor) -> None:
    torch.rand(3), random.random(), np.random.rand()  # noqa: NPY002
    torch.rand(3, generator=model.generator)


def state_of(model: Model) -> Any:
    """Everything that the ways below change, as values that can be compared."""
    values = [
        *model.state_dict().items(), model.steps, model.phases, model.constant, *model.constants, model.outputs, list(model.recent),
        model.names, model.nested, model.histogram, model.generator.get_state(), model.seen_by_class, dict(table), calls,
        [name for name, _ in model.named_buffers()], sorted(vars(model)), [m.training for m in model.modules()],
        torch.get_rng_state(), random.getstate(), np.random.get_state(), cached_ones.cache_info().currsize,  # noqa: NPY002
        cached_on.cache_info().currsize, model.layer.weight._version, model.steps._version,
    ]  # fmt: skip
    return repr([value.tolist() if isinstance(value, (Tensor, np.ndarray)) else value for value in values])


WAYS: dict[str, Callable[[Model, Tensor], Any]] = {
    "whole number": lambda model, x: model.steps.add_(1),
    "part of a complex buffer": lambda model, x: model.phases[:2].mul_(2),
    "averages": lambda model, x: model.mean.lerp_(x.mean(0), 0.1),
    "attribute in place": lambda model, x: model.constant.add_(1),
    "attribute by the input": lambda model, x: model.constant.add_(x[0]),
    "tensor of a list": lambda model, x: model.constants[0].fill_(7),
    "through out=": lambda model, x: torch.add(model.constant, 1, out=model.constant),
    "value by index": lambda model, x: model.constant.__setitem__(torch.tensor([0]), 5.0),
    "rebound": lambda model, x: setattr(model, "constant", model.constant + x[0]),
    "list": lambda model, x: model.outputs.append(x),
    "deque": lambda model, x: model.recent.append(x),
    "set": lambda model, x: model.names.add("b"),
    "nested": lambda model, x: model.nested["deep"]["list"].append(3),
    "new attribute": lambda model, x: setattr(model, "last", x),
    "array": lambda model, x: model.histogram.__setitem__(0, 5),
    "class": lambda model, x: model.seen_by_class.append(x),
    "variable": count_calls,
    "table of a module": keep_in_table,
    "buffer made on first use": make_buffer,
    "random states": draw,
    "cache": lambda model, x: cached_ones(len(x)),
    "cache of tensors on the device": lambda model, x: cached_on(len(x), x.device)[0],
    "mode": lambda model, x: model.layer.train(),
    "weights": lambda model, x: model.layer.weight.mul_(2),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("how", [zoo.count, zoo.trace], ids=["count", "trace"])
def test_what_a_pass_changes_is_put_back_and_the_next_one_gives_the_same(way: str, how: Callable[..., Any]) -> None:
    model = Model(WAYS[way])
    before = state_of(model)
    results = [how(model, inputs=(torch.zeros(10, WIDTH),)) for _ in range(2)]
    assert state_of(model) == before
    first, second = (replace(result, seconds=0.0) if isinstance(result, zoo.Cost) else result for result in results)
    assert first == second


@pytest.mark.parametrize("way", [way for way in WAYS if way != "weights"])
def test_a_model_can_be_trained_after_it_was_counted(way: str) -> None:
    """Its weights cannot be changed in place with gradients, by torch's rules."""
    model = Model(WAYS[way])
    assert zoo.count(model, inputs=(torch.zeros(10, WIDTH),)).macs == MACS
    model(torch.ones(10, WIDTH)).sum().backward()
    assert model.layer.weight.grad is not None
    for kept in (table, cached_ones, cached_on):
        kept.clear() if isinstance(kept, dict) else kept.cache_clear()


def test_what_a_cache_held_before_stays_unless_it_got_tensors_without_data() -> None:
    ones = cached_ones(3)
    zoo.count(Model(lambda model, x: cached_ones(len(x))), inputs=(torch.zeros(10, WIDTH),))
    assert cached_ones(3) is ones
    assert not cached_ones(10).is_inference()
    assert cached_ones(10).device.type == "cpu"
    cached_ones.cache_clear()


class Scaled(nn.Module):
    """A matrix whose table comes from a cache that outlives the model."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) * cached_ones(10)  # type: ignore[no-any-return]


def test_a_cached_table_made_during_a_count_is_no_inference_tensor() -> None:
    """10 rows of 8 × 8 products."""
    model = Scaled()
    assert zoo.count(model, (8,), batch=10).macs == 10 * 8 * 8
    model(torch.ones(10, 8)).sum().backward()
    cached_ones.cache_clear()


class Counting(nn.Module):
    """Does nothing in its first pass."""

    n: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.l = nn.Linear(4, 4)
        self.register_buffer("n", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor) -> Tensor:
        self.n += 1
        return self.l(x) if self.n > 1 else x


def test_a_pass_that_counts_itself_is_the_first_one_each_time() -> None:
    model = Counting()
    assert [zoo.count(model, (4,)).macs for _ in range(2)] == [0, 0]
    assert model.n == 0
    model(torch.zeros(1, 4))
    assert [zoo.count(model, (4,)).macs for _ in range(2)] == [4 * 4] * 2
    assert model.n == 1


class Collector:
    """Keeps outputs by a bound method."""

    def __init__(self) -> None:
        self.outputs: dict[str, list[Any]] = {"kept": ["before"]}

    def hook(self, module: nn.Module, args: Any, out: Any) -> None:
        self.outputs["kept"].append(out)


def append_to(outputs: list[Any], module: nn.Module, args: Any, out: Any) -> None:
    outputs.append(out)


collected: list[Any] = []


def collect(module: nn.Module, args: Any, out: Any) -> None:
    collected.append(out)


def test_what_hooks_collect_is_taken_away_again() -> None:
    model, around, given, collector, hooked = nn.Linear(4, 4), list[Any](), list[Any](), Collector(), 0

    def count_hook(module: nn.Module, args: Any) -> None:
        nonlocal hooked
        hooked += 1

    model.register_forward_pre_hook(count_hook)
    model.register_forward_hook(lambda module, args, out: around.append(out))
    model.register_forward_hook(functools.partial(append_to, given))
    model.register_forward_hook(collector.hook)
    model.register_forward_hook(collect)
    everywhere = torch.nn.modules.module.register_module_forward_hook(lambda module, args, out: around.append(1))
    try:
        assert zoo.count(model, (4,)).macs == 4 * 4
    finally:
        everywhere.remove()
    assert (around, given, collected, collector.outputs, hooked) == ([], [], [], {"kept": ["before"]}, 0)


class Lora(nn.Module):
    """Adds a product of rank 2 to its weight for inference, and takes it out again for training."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.a, self.b = (nn.Parameter(torch.ones(*shape)) for shape in ((16, 8), (2, 8), (16, 2)))
        self.merged = False

    def train(self, mode: bool = True) -> Lora:
        super().train(mode)
        if mode == self.merged:
            self.weight.data += (self.b @ self.a) * (-1 if mode else 1)
            self.merged = not mode
        return self

    def forward(self, x: Tensor) -> Tensor:
        out = x @ self.weight.T
        return out if self.merged else out + x @ self.a.T @ self.b.T


def test_a_model_is_set_to_evaluation_by_its_own_method(monkeypatch: pytest.MonkeyPatch) -> None:
    """Merged 16 × 8 products; unmerged also 2 × 8 and 16 × 2. The command builds the model on the meta device and agrees."""
    model = Lora()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert zoo.count(model, (8,)).macs == 16 * 8
    assert model.training
    assert not model.merged
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    monkeypatch.setattr("zoo.api.count_by_name.import_target", lambda target: Lora)
    (counted,) = count_named("lora:Lora", InputSpec(("8",)))
    assert counted.cost.macs == 16 * 8
