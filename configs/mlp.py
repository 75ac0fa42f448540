# ruff: noqa: INP001  # no package: a module in the folder one runs in, as a user's own is
"""The network of PyTorch's quickstart tutorial, for `configs/mlp.yaml`."""

from __future__ import annotations

from torch import Tensor, nn


class NeuralNetwork(nn.Module):
    """Three linear layers on a flattened 28x28 image: 784 x 512 + 512 x 512 + 512 x 10 = 668,672 MACs."""

    def __init__(self, width: int = 512) -> None:
        super().__init__()
        self.flatten = nn.Flatten()
        self.linear_relu_stack = nn.Sequential(
            nn.Linear(28 * 28, width),
            nn.ReLU(),
            nn.Linear(width, width),
            nn.ReLU(),
            nn.Linear(width, 10),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits of ten classes for a batch of images."""
        logits: Tensor = self.linear_relu_stack(self.flatten(x))
        return logits
