"""Small networks that configurations of tests declare."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

TOKENS, VOCABULARY, WIDTH = 7, 50, 16


class ImageAndText(nn.Module):
    """Looks tokens up, adds what it sees in an image, and can be told a time."""

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, width)
        self.see = nn.Conv2d(3, width, 4, stride=4)
        self.mix = nn.Linear(width, width)

    def forward(self, image: Tensor, tokens: Tensor, time: Tensor | None = None) -> Tensor:
        """Features of each token."""
        assert tokens.dtype == torch.int64
        seen = self.see(image).mean((2, 3))
        if time is not None:
            assert time.shape == image.shape[:1]
            seen = seen * time[:, None]
        mixed: Tensor = self.mix(self.embed(tokens) + seen[:, None])
        return mixed


def linear(inputs: int = 4, outputs: int = 3) -> nn.Module:
    """One layer."""
    return nn.Linear(inputs, outputs)


def not_a_module() -> dict[str, int]:
    """Something else."""
    return {"a": 1}


REGISTRY: dict[str, Callable[..., nn.Module]] = {"one": linear, "two": ImageAndText}
CONSTRUCTORS = [linear, ImageAndText]
NOTHING: list[str] = []
ready = nn.Linear(4, 3)


def registry() -> dict[str, Callable[..., nn.Module]]:
    """The same from a function."""
    return REGISTRY


def names() -> list[str]:
    """Names without constructors."""
    return ["4", "5"]


def by_name(name: str, outputs: int = 3) -> nn.Module:
    """A layer with as many inputs as its name says."""
    return nn.Linear(int(name), outputs)


LARGEST_BATCH = 3


class Crashing(nn.Linear):
    """Ends its process in the middle of a pass with numbers."""

    def forward(self, x: Tensor) -> Tensor:
        if not x.is_meta:
            os.kill(os.getpid(), signal.SIGSEGV)
        return super().forward(x)


class Hanging(nn.Linear):
    """Never comes back from a pass with numbers."""

    def forward(self, x: Tensor) -> Tensor:
        if not x.is_meta:
            time.sleep(3600)
        return super().forward(x)


class Hungry(nn.Linear):
    """Has memory for a few images, as a device that says so."""

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > LARGEST_BATCH:
            raise torch.OutOfMemoryError("out of memory")
        return super().forward(x)


class OnlyInFullPrecision(nn.Module):
    """A convolution that does not go on with what autocast makes of it."""

    def __init__(self) -> None:
        super().__init__()
        self.see = nn.Conv2d(3, WIDTH, 3)

    def forward(self, image: Tensor) -> Tensor:
        """What it sees."""
        seen: Tensor = self.see(image)
        if seen.dtype == torch.float16:
            raise ValueError("half is not enough")
        return seen


def convolution() -> nn.Module:
    """One convolution after another of the same form."""
    return nn.Sequential(nn.Conv2d(WIDTH, WIDTH, 3, padding=1), nn.ReLU(), nn.Conv2d(WIDTH, WIDTH, 3, padding=1))


def normalised(inputs: int = 4) -> nn.Module:
    """A layer and a normalisation over the batch, which cannot be trained with one row."""
    return nn.Sequential(nn.Linear(inputs, inputs), nn.BatchNorm1d(inputs))
