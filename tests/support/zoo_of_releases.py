"""A zoo of trained models whose second release adds one that enters the frontier, widens one, and trains one anew."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from fakes_installed import installed
from torch import nn
from zoo_of_poison import _installed_in, _Zoo
from zoo_of_versions import FIRST, SECOND, set_version

from zoo.records import Accuracy, Architecture, Task, Weights

SIZE, CLASSES, KERNEL, CHANNELS = 512, 10, 3, 3
INPUT = f"{CHANNELS}x{SIZE}x{SIZE}"
DATASET = "imagenet-1k"

WIDTHS = {FIRST: {"small": 16, "large": 128, "wide": 256}, SECOND: {"small": 20, "large": 128, "wide": 256, "clever": 64}}
TOP1 = {FIRST: {"small": 60.0, "large": 70.0, "wide": 69.0}, SECOND: {"small": 60.0, "large": 70.0, "wide": 75.0, "clever": 72.0}}
"""By release and name. In the first, `wide` is beaten by `large`; in the second, `large` is beaten by `clever`."""


def macs(width: int) -> int:
    """Of a convolution that keeps the size, and a linear layer on the mean."""
    return KERNEL * KERNEL * CHANNELS * width * SIZE * SIZE + width * CLASSES


def params(width: int) -> int:
    """Of the same, with biases."""
    return (KERNEL * KERNEL * CHANNELS + 1) * width + (width + 1) * CLASSES


def model(arch: str) -> str:
    """The name of the weights of an architecture."""
    return f"released/{arch}.in1k"


class ReleasedZoo(_Zoo):
    """Two releases."""

    name = "released"

    def version(self) -> str:
        file = _installed_in() / "version"
        return file.read_text(encoding="ascii") if file.exists() else FIRST

    def architectures(self) -> Sequence[Architecture]:
        return [self._architecture(name) for name in WIDTHS[self.version()]]

    def _architecture(self, arch: str) -> Architecture:
        weights = Weights(self.name, arch, "in1k", Task.CLASSIFICATION, DATASET, CLASSES, INPUT, is_default=True)
        return Architecture(self.name, arch, Task.CLASSIFICATION, "plain", INPUT, CLASSES, weights=(weights,))

    def published_accuracy(self) -> Sequence[Accuracy]:
        return [
            Accuracy(self.name, arch, "in1k", DATASET, "top1", INPUT, value, f"release {self.version()}", "2026-01-01")
            for arch, value in TOP1[self.version()].items()
        ]

    def build(self, arch: str, options: dict[str, Any]) -> nn.Module:
        width = WIDTHS[self.version()][arch]
        body = nn.Conv2d(CHANNELS, width, KERNEL, padding=KERNEL // 2)
        return nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, options["classes"]))


@contextlib.contextmanager
def releases_in(folder: Path) -> Iterator[None]:
    """The zoo is installed in a folder, which becomes the current one; it holds a configuration with a budget of its own."""
    with pytest.MonkeyPatch.context() as patch, installed(folder, released="zoo_of_releases:ReleasedZoo"):
        patch.chdir(folder)
        (folder / "mine.yaml").write_text(
            "zoos: {released: }\nexecution: {workers: 1}\nbudgets: {tight: {params: 3000}}\nreports: [{name: leaderboard, formats: [html]}]\n"
        )
        set_version(folder, FIRST)
        yield
