"""Modules repeated from memory, held against passes that run them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from zoo.api.workloads import RecordedWorkload, WorkloadRecorder
from zoo.counting.count_model import meta_input
from zoo.estimation.workloads.workload import summarise
from zoo.run_config import LAYOUTS, Precision
from zoo.tracing.derivation.block_recorder import BlockRecorder
from zoo.tracing.pass_model import PassModel
from zoo.tracing.trace import trace_model

SHAPE = (8, 6, 6)
MODES = [(precision, layout) for precision in (Precision.FP32, Precision.FP16, Precision.AMP) for layout in LAYOUTS]


class Layer(nn.Module):
    """A module of a library, as far as its structure tells."""

    def __init__(self, function: Callable[[Any, Tensor], Any]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 1, device="meta")
        self.function = function
        self.calls = 0
        self.cache: dict[str, Tensor] = {}
        self.seen: list[bool] = []

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x)


Layer.__module__ = "timm.layers"


def conv(self: Any, x: Tensor) -> Any:
    return self.conv(x).relu_() + x


def view(self: Any, x: Tensor) -> Any:
    return self.conv(x).transpose(2, 3)


def itself(self: Any, x: Tensor) -> Tensor:
    self.conv(x)
    return x


def written(self: Any, x: Tensor) -> Any:
    return x.mul_(self.conv.weight.mean())


def two(self: Any, x: Tensor) -> tuple[Tensor, Tensor]:
    left, right = self.conv(x).chunk(2, 1)
    return left, right


def of_autocast(self: Any, x: Tensor) -> Any:
    return self.conv(x.float() if torch.is_autocast_enabled("cuda") else x)


def of_layout(self: Any, x: Tensor) -> Any:
    return self.conv(x) if x.is_contiguous() else self.conv(x) * 2


def counting(self: Any, x: Tensor) -> Any:
    self.calls += 1
    return conv(self, x) if self.calls > 1 else x


def caching(self: Any, x: Tensor) -> Any:
    if "table" not in self.cache:
        self.cache["table"] = self.conv.weight.flatten() * 2
    return x + self.cache["table"].sum()


def listing(self: Any, x: Tensor) -> Any:
    if self.seen:
        return conv(self, x)
    self.seen.append(True)
    return x


class Chain(nn.Module):
    """Layers one after another; a pair of results is joined."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            out = layer(x)
            x = torch.cat(out, 1) if isinstance(out, tuple) else out
        return x


def repeated(monkeypatch: pytest.MonkeyPatch) -> list[type]:
    """Gets the class of each module that is repeated from now on."""
    classes: list[type] = []
    repeat = BlockRecorder._repeat

    def observed(self: BlockRecorder, block: Any, module: nn.Module, *rest: Any) -> Any:
        classes.append(type(module))
        return repeat(self, block, module, *rest)

    monkeypatch.setattr(BlockRecorder, "_repeat", observed)
    return classes


def compare(model: nn.Module, recorder: WorkloadRecorder) -> None:
    recorded = recorder.record(PassModel(model), lambda batch: ((meta_input(SHAPE, batch=batch),), {}), MODES)
    for (precision, layout), found in recorded.items():
        assert isinstance(found, RecordedWorkload), found
        assert found.workload.rows() == summarise(trace_model(model, SHAPE, precision=precision, layout=layout)), precision


@pytest.mark.parametrize("function", [conv, view, itself, written, two, of_autocast, of_layout])
def test_repeated_modules_do_what_running_them_does(
    function: Callable[[Any, Tensor], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    classes = repeated(monkeypatch)
    compare(Chain([Layer(function) for _ in range(5)]).eval(), WorkloadRecorder())
    assert Layer in classes


@pytest.mark.parametrize("function", [counting, caching, listing])
def test_modules_that_change_are_never_repeated(function: Callable[[Any, Tensor], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    classes, recorder = repeated(monkeypatch), WorkloadRecorder()
    layer = Layer(function)
    compare(Chain([layer, layer, layer, layer]).eval(), recorder)
    classes.clear()
    compare(Chain([Layer(function) for _ in range(4)]).eval(), recorder)
    assert Layer not in classes


def test_modules_of_other_settings_are_told_apart() -> None:
    layers = [Layer(conv) for _ in range(8)]
    for layer in layers[1::2]:
        layer.function = view
    compare(Chain(layers).eval(), WorkloadRecorder())


def test_modules_of_unknown_libraries_are_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Layer, "__module__", "somebody")
    classes = repeated(monkeypatch)
    compare(Chain([Layer(conv) for _ in range(5)]).eval(), WorkloadRecorder())
    assert not classes


class InPlaceChain(Chain):
    """Layers that put their results into the list that they are given, where those before end."""

    def forward(self, x: Tensor) -> Tensor:
        held = [x]
        for layer in self.layers:
            layer(held)
        return held[0]


def replacing(self: Any, held: list[Tensor]) -> None:
    held[0] = self.conv(held[0]).relu()
    held[0] = self.conv(held[0]).relu()


def test_modules_that_may_change_a_list_are_run(monkeypatch: pytest.MonkeyPatch) -> None:
    classes = repeated(monkeypatch)
    compare(InPlaceChain([Layer(replacing) for _ in range(5)]).eval(), WorkloadRecorder())  # type: ignore[arg-type]
    assert Layer not in classes


def test_a_pass_that_fails_leaves_no_blocks() -> None:
    recorder = WorkloadRecorder()

    class Failing(Chain):
        def forward(self, x: Tensor) -> Tensor:
            super().forward(x)
            raise ArithmeticError

    failed = recorder.record(
        PassModel(Failing([Layer(conv) for _ in range(4)]).eval()), lambda batch: ((meta_input(SHAPE, batch=batch),), {}), MODES
    )
    assert all(isinstance(found, ArithmeticError) for found in failed.values())
    assert recorder._known.blocks.met
    assert not recorder._known.blocks.blocks
