"""The Python examples of the README run as they stand, in their order, beside a small cache."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from fuzz_commands import CONFIG, Folder, without_work
from fuzzing import run_command
from torch import nn

from zoo.operators import own_formulas


class Net(nn.Module):
    """Has what the examples name."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 7, stride=8), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(4, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.head(self.body(image))
        return result


def examples_of(repository: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (repository / "README.md").read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = Folder(tmp_path_factory.mktemp("readme"))
    with pytest.MonkeyPatch.context() as patch, folder.case() as here:
        without_work(patch)
        (here / "configs").mkdir()
        (here / "configs/edge.yaml").write_text(CONFIG)
        run_command("refresh", "zoometer.yaml", "--quiet")
        yield here


def test_the_examples_run(repository: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = examples_of(repository)
    assert len(examples) >= 3
    monkeypatch.setattr(own_formulas, "_for_all", {})  # the example registers one for all counts
    names: dict[str, Any] = {"model": Net()}
    for example in examples:
        exec(compile(example, "README.md", "exec"), names)  # noqa: S102 - the README is ours
    assert names["cost"].macs > 0
    assert (folder / "out/leaderboard.md").is_file()


def test_the_examples_import_nothing_private(repository: Path) -> None:
    for example in examples_of(repository):
        for node in ast.walk(ast.parse(example)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
                assert set(names) <= {"zoo", "reports"}
