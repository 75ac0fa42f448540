"""Models that torch has made programs of: traced, scripted, frozen, exported, quantised; and lazy ones."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import zoo
from zoo.api.count_by_name import InputSpec, count_named
from zoo.counting.cost import Cost
from zoo.errors import InputError
from zoo.records import Status


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """torch says of each of these ways that another one is better."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class Block(nn.Module):
    """A convolution, a branch on its size, and a reshape by sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.GroupNorm(2, 4)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        y = self.act(self.norm(self.conv(x)))
        if y.shape[1] > 2:
            y = y + 1
        flat: Tensor = y.reshape(y.shape[0], y.shape[1] * y.shape[2] * y.shape[3])
        return flat


def make_model() -> nn.Sequential:
    return nn.Sequential(Block(), nn.Linear(4 * 6 * 6, 5)).eval()


SHAPE = (3, 6, 6)
MACS = 4 * 6 * 6 * 3 * 3 * 3 + 4 * 6 * 6 * 5
PARAMS = 4 * 3 * 9 + 4 + 2 * 4 + 4 * 36 * 5 + 5

WAYS: dict[str, Callable[[nn.Module, Tensor], Any]] = {
    "traced": torch.jit.trace,
    "scripted": lambda model, x: torch.jit.script(model),
    "frozen script": lambda model, x: torch.jit.freeze(torch.jit.script(model)),
    "frozen trace": lambda model, x: torch.jit.freeze(torch.jit.trace(model, x)),
    "exported": lambda model, x: torch.export.export(model, (x,)),
    "module of an exported one": lambda model, x: torch.export.export(model, (x,)).module(),
}


def work(cost: Cost) -> list[tuple[Any, ...]]:
    return [(row.module, row.op.operation, row.op.macs, row.calls) for row in cost.rows if row.op.macs]


@pytest.mark.parametrize("way", WAYS)
def test_a_program_costs_what_its_model_costs_module_by_module(way: str) -> None:
    model = make_model()
    expected = zoo.count(model, SHAPE)
    cost = zoo.count(WAYS[way](model, torch.zeros(1, *SHAPE)), SHAPE)
    assert (
        (cost.macs, cost.params, cost.status) == (MACS, PARAMS, Status.EXACT) == (expected.macs, expected.params, expected.status)
    )
    assert (
        work(cost) == work(expected) == [("0.conv", "conv2d", MACS - 4 * 36 * 5, 1), ("1", "linear", 4 * 36 * 5, 1)]
        or "trace" in way
    )
    assert [row[0] for row in work(cost)] == ["0.conv", "1"]
    assert cost.total("ptflops-pytorch") == expected.total("ptflops-pytorch") > cost.macs
    assert cost.total("all") == expected.total("all")


def test_a_script_inside_a_model_is_counted_with_its_modules_and_stays_what_it_was() -> None:
    script = torch.jit.script(Block().eval())
    model = nn.Sequential(script, nn.Linear(4 * 6 * 6, 5))
    cost = zoo.count(model, SHAPE)
    assert (cost.macs, cost.params) == (MACS, PARAMS)
    assert "0.conv" in {row.module for row in cost.rows}
    assert model[0] is script


class Looping(nn.Module):
    """A loop over a list of layers and a number of steps, which a script keeps as such."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(8, 8) for _ in range(2)])

    def forward(self, x: Tensor, steps: int = 3) -> list[Tensor]:
        results: list[Tensor] = []
        for layer in self.layers:
            for _ in range(steps):
                x = layer(x)
                results.append(x)
        return [torch.cat(results, 1)]


def test_a_script_with_loops_lists_and_default_arguments_runs() -> None:
    cost = zoo.count(torch.jit.script(Looping()), (8,))
    assert work(cost) == [(f"layers.{i}", "linear", 8 * 8, 3) for i in range(2)]


class Listed(nn.Module):
    """Two lists of blocks whose names are alike."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.ModuleList([nn.Sequential(nn.Linear(8, 8), nn.ReLU()) for _ in range(2)])
        self.second = nn.ModuleList([nn.Sequential(nn.Linear(8, 8), nn.ReLU()) for _ in range(2)])

    def forward(self, x: Tensor) -> Tensor:
        for block in self.first:
            x = block(x)
        for block in self.second:
            x = block(x)
        return x


@pytest.mark.parametrize("way", ["traced", "scripted", "exported"])
def test_modules_in_lists_are_told_apart(way: str) -> None:
    cost, expected = zoo.count(WAYS[way](Listed().eval(), torch.zeros(1, 8)), (8,)), zoo.count(Listed(), (8,))
    assert [(row.module, row.op.operation) for row in cost.rows] == [(row.module, row.op.operation) for row in expected.rows]


class Deciding(nn.Module):
    """Decides by a value."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        if bool(x.sum() == x.sum()):
            x = self.layer(x)
        return x


def test_a_script_that_decides_by_values_is_run_with_them() -> None:
    cost = zoo.count(torch.jit.script(Deciding()), (8,))
    assert (cost.macs, cost.reason) == (8 * 8, "depends on data: counted for a random input")


class Forking(nn.Module):
    """Starts a task, which only TorchScript itself can run."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return torch.jit.wait(torch.jit.fork(torch.relu, x)) + self.layer(x)  # type: ignore[no-any-return]


def test_a_script_that_only_runs_as_a_whole_is_a_bound() -> None:
    cost = zoo.count(torch.jit.script(Forking()), (8,))
    assert cost.macs == 8 * 8
    assert cost.reason == "the script runs as a whole: which module does what is not known"


def test_files_of_programs_count_in_python_and_on_the_command_line(tmp_path: Path) -> None:
    model = make_model()
    exported, script = tmp_path / "model.pt2", tmp_path / "model.pt"
    torch.export.save(torch.export.export(model, (torch.zeros(1, *SHAPE),)), exported)
    torch.jit.save(torch.jit.script(model), script)
    for path in (exported, script):
        assert zoo.count(path, SHAPE).macs == MACS
        (counted,) = count_named(str(path), InputSpec(("3x6x6",)))
        assert (counted.input, counted.cost.macs) == ("3x6x6", MACS)
    (native,) = count_named(str(exported), InputSpec())
    assert (native.input, native.cost.macs) == ("1x3x6x6", MACS)
    with pytest.raises(InputError, match=r"has no native input\. Give one without the batch"):
        count_named(str(script), InputSpec())


def test_a_file_of_weights_or_none_at_all_is_told_so(tmp_path: Path) -> None:
    weights = tmp_path / "weights.pt"
    torch.save(make_model().state_dict(), weights)
    with pytest.raises(InputError, match=r"holds no program .* weights alone cannot be counted"):
        zoo.count(weights, SHAPE)
    with pytest.raises(InputError, match="There is no file"):
        zoo.count(tmp_path / "none.pt2", SHAPE)


def test_dynamically_quantised_layers_count_as_the_ones_they_were() -> None:
    """Packed weights are parameters too."""
    model = nn.Sequential(nn.Linear(8, 5), nn.ReLU(), nn.LSTM(5, 6, num_layers=2, bidirectional=True)).eval()
    quantised = torch.ao.quantization.quantize_dynamic(model, {nn.Linear, nn.LSTM})
    cost, expected = zoo.count(quantised, torch.zeros(7, 1, 8)), zoo.count(model, torch.zeros(7, 1, 8))
    steps = 7
    lstm = steps * 2 * 4 * 6 * ((5 + 6) + (2 * 6 + 6))
    assert cost.macs == expected.macs == steps * 8 * 5 + lstm
    assert (cost.status, cost.reason) == (Status.EXACT, None)
    assert zoo.count(quantised[0], (8,)).params == 8 * 5 + 5


def test_lazy_modules_take_their_sizes_from_the_input_and_stay_lazy() -> None:
    model = nn.Sequential(nn.LazyConv2d(4, 3, padding=1), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(5))
    for _ in range(2):
        cost = zoo.count(model, SHAPE)
        assert cost.macs == 4 * 6 * 6 * 3 * 9 + 4 * 36 * 5
        assert cost.params == 4 * 3 * 9 + 4 + 2 * 4 + 4 * 36 * 5 + 5
    assert [type(layer) for layer in model][::3] == [nn.LazyConv2d, nn.LazyLinear]
    assert all(torch.nn.parameter.is_lazy(parameter) for parameter in model[3].parameters())
    model(torch.zeros(2, *SHAPE)).sum().backward()


def test_a_mistake_in_shapes_says_which_layer_got_what() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Sequential(nn.Linear(7, 2)))
    with pytest.raises(RuntimeError, match="reduction dim") as caught:
        zoo.count(model, (3, 8, 8))
    assert caught.value.__notes__ == ["Layer 2.0, Linear(in_features=7, out_features=2, bias=True), got 1x288."]


def test_a_script_read_from_a_file_has_its_parameters(tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())
    torch.jit.script(net).save(tmp_path / "net.pt")
    assert zoo.count(torch.jit.load(tmp_path / "net.pt"), (3, 8, 8)).params == 3 * 4 + 4
