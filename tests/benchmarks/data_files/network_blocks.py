"""Parts that networks are built of."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def conv(
    channels: int, width: int, kernel: int = 1, stride: int = 1, *, groups: int = 1, padding: int | None = None
) -> nn.Module:
    """A convolution with ReLU that keeps the size but for its stride."""
    padding = kernel // 2 if padding is None else padding
    return nn.Sequential(nn.Conv2d(channels, width, kernel, stride, padding, groups=groups), nn.ReLU())


def linear_conv(channels: int, width: int, kernel: int = 1, stride: int = 1, *, groups: int = 1) -> nn.Module:
    """A convolution without an activation."""
    return nn.Conv2d(channels, width, kernel, stride, kernel // 2, groups=groups)


class Branches(nn.ModuleList):
    """What several modules make of one input, joined along the channels."""

    def forward(self, x: Tensor) -> Tensor:
        """Concatenates."""
        return torch.cat([branch(x) for branch in self], 1)


class Residual(nn.Module):
    """What a module adds to its input, or to a projection of it."""

    def __init__(self, body: nn.Module, shortcut: nn.Module | None = None, *, has_activation: bool = True) -> None:
        """Takes both ways."""
        super().__init__()
        self.body, self.shortcut = body, shortcut or nn.Identity()
        self.activation = nn.ReLU() if has_activation else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Adds."""
        y: Tensor = self.activation(self.shortcut(x) + self.body(x))
        return y


class Shuffle(nn.Module):
    """Channels of groups are mixed."""

    def __init__(self, groups: int) -> None:
        """Takes the number of groups."""
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        """Transposes channels within groups."""
        shape = x.shape
        return x.reshape(shape[0], self.groups, -1, *shape[2:]).transpose(1, 2).reshape(shape)
