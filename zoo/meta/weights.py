"""A model's weights without their data, for the time of a pass: on the meta device, in any precision and memory layout."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from zoo.meta.module_stack import all_modules
from zoo.meta.new_tensors import META


@contextlib.contextmanager
def without_data(model: nn.Module, *, dtype: torch.dtype | None = None, channels_last: bool = False) -> Iterator[None]:
    """Exchanges parameters and buffers of floating-point or complex numbers for ones without data; shared ones stay shared.

    Args:
        model: on any device; it is as before when the context ends.
        dtype: that of the stand-ins; their own by default.
        channels_last: gives 4-dimensional ones the layout that `model.to(memory_format=torch.channels_last)` gives them.
    """
    swapped: list[tuple[Any, str, Tensor]] = []
    twins: dict[int, Tensor] = {}
    try:
        for module in all_modules(model):
            held: Any
            for held in (module._parameters, module._buffers):
                for name, tensor in list(held.items()):
                    if not (isinstance(tensor, Tensor) and (tensor.is_floating_point() or tensor.is_complex())):
                        continue
                    if id(tensor) not in twins:
                        twins[id(tensor)] = _twin(
                            tensor, dtype if dtype and not tensor.is_complex() else tensor.dtype, channels_last
                        )
                    if twins[id(tensor)] is not tensor:
                        swapped.append((held, name, tensor))
                        held[name] = twins[id(tensor)]
        yield
    finally:
        for held, name, tensor in swapped:
            held[name] = tensor


def _twin(tensor: Tensor, dtype: torch.dtype, channels_last: bool) -> Tensor:
    """A tensor that holds nothing and looks like this one; itself if it does already."""
    layout = torch.channels_last if channels_last and tensor.dim() == 4 else torch.preserve_format
    twin = tensor.detach().to(META, dtype, memory_format=layout)
    if tensor.device == META and twin.dtype == tensor.dtype and twin.stride() == tensor.stride():
        return tensor
    return nn.Parameter(twin, requires_grad=tensor.requires_grad) if isinstance(tensor, nn.Parameter) else twin
