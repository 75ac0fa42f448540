"""A zoo's model that decides by values is counted with random ones, as `zoo.count` counts it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

import zoo
from reports import cli
from zoo.adapters.base import Example
from zoo.api.example_cost import count_example
from zoo.cache.store import Store
from zoo.counting import count_with_values
from zoo.counting.cost import Cost
from zoo.errors import ZooError
from zoo.recording.memo import Memo

WIDTH = 8
RANDOM = "depends on data: counted for a random input"


class Branching(nn.Module):
    """One layer or the other, which are alike."""

    def __init__(self, error: type[Exception] | None = None) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.error = error
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x)
        y: Tensor = self.first(x) if torch.cat(self.seen).sum() > 0 else self.second(x)
        if self.error:
            raise self.error("of the model's own")
        return y


def build(**options: Any) -> nn.Module:
    with torch.device("meta"):
        return Branching(**options).eval()


def count(**options: Any) -> Cost:
    example = Example((torch.empty(1, WIDTH, device="meta"),))
    return count_example(build(**options), example, Memo(), lambda: build(**options))


def test_the_second_pass_is_that_of_a_model_made_again() -> None:
    """The failed pass has left a tensor without values in the model's list."""
    cost = count()
    assert (cost.macs, cost.params, cost.reason) == (WIDTH * WIDTH, 2 * (WIDTH + 1) * WIDTH, RANDOM)
    assert cost == zoo.count(Branching(), (WIDTH,))


def test_a_model_that_fails_with_values_too_raises_what_it_raised_without() -> None:
    with pytest.raises(RuntimeError, match="cannot be called on meta tensors") as raised:
        count(error=KeyError)
    assert isinstance(raised.value.__cause__, KeyError)


def test_too_little_time_or_memory_for_values_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MemoryError):
        count(error=MemoryError)
    monkeypatch.setattr(count_with_values, "_SECONDS", 0.0)
    with pytest.raises(ZooError, match="takes more than 0 s: give a smaller input"):
        count()


MODULE = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x):
        return self.first(x) if x.sum() > 0 else self.second(x)
"""
CONFIG = """
cache: cache/
execution: {workers: 1}
zoos:
  mine: {models: [{name: Net, factory: "branching:Net", inputs: ["8", "5x8"]}]}
  hub: {models: [{registry: ./repository, inputs: ["8"]}]}
reports: []
"""


def test_a_run_counts_such_models_of_a_module_and_of_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Either way one layer of 8 × 8 for each row; its workloads need values too, which a trace does not have."""
    (tmp_path / "branching.py").write_text(MODULE)
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository" / "hubconf.py").write_text(MODULE)
    (tmp_path / "own.yaml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    result = CliRunner().invoke(cli.app, ["run", "own.yaml"])
    assert result.exit_code == 0, result.output
    costs = Store("cache/").costs().set_index(["zoo", "arch", "input"])
    assert costs["macs"].to_dict() == {
        ("mine", "Net", "8"): WIDTH * WIDTH,
        ("mine", "Net", "5x8"): 5 * WIDTH * WIDTH,
        ("hub", "Net", "8"): WIDTH * WIDTH,
    }
    assert set(costs["status"]) == {"bound"}
    assert set(costs["reason"]) == {RANDOM}
    reasons = {row.reason for row in Store("cache/").traces().itertuples()}
    assert reasons == {"trace: what it does depends on the values of tensors, which a trace does not have"}
