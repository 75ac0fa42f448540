"""A model's weights without their data, for the time of a pass: on the meta device, in any precision and memory layout."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from zoo.meta.module_stack import all_modules
from zoo.meta.new_tensors import META

_empty_strided = torch.empty_strided
_parameter = Tensor._make_subclass  # what `nn.Parameter(tensor)` comes to


class Twins(dict[int, Tensor]):
    """What stands in for tensors, by the identity of the original."""

    def __init__(self) -> None:
        super().__init__()
        self.swapped: list[tuple[nn.Module, dict[str, Any], str, Tensor, Tensor]] = []  # module, place, name, original, twin

    def replaced_in(self) -> set[nn.Module]:
        """Modules that hold something else in the place of a twin by now."""
        return {module for module, held, name, _, twin in self.swapped if held.get(name) is not twin}


@contextlib.contextmanager
def without_data(model: nn.Module, *, dtype: torch.dtype | None = None, channels_last: bool = False) -> Iterator[Twins]:
    """Exchanges parameters and buffers of floating-point or complex numbers for ones without data; shared ones stay shared.

    Gives what stands in for each of them, by the identity of the original; it may be the original itself.

    Args:
        model: on any device; it is as before when the context ends.
        dtype: that of the stand-ins; their own by default.
        channels_last: gives 4-dimensional ones the layout that `model.to(memory_format=torch.channels_last)` gives them.
    """

    def twin_of(tensor: Tensor) -> Tensor:
        if is_lazy(tensor):
            kind: Any = type(tensor)
            twin: Tensor = kind(device=META, dtype=dtype or tensor.dtype)
            return twin
        if not (tensor.is_floating_point() or tensor.is_complex()):
            return tensor
        return _twin(tensor, dtype if dtype and not tensor.is_complex() else tensor.dtype, channels_last)

    with exchanged_tensors(model, twin_of, lambda module: (module._parameters, module._buffers)) as twins:
        yield twins


def without_values(tensor: Tensor) -> bool:
    """Whether the CPU cannot work with a tensor: it has no data, or is on another device."""
    return tensor.device.type != "cpu"


@contextlib.contextmanager
def with_values(model: nn.Module) -> Iterator[None]:
    """Exchanges all tensors of a model that are not on the CPU for ones there: their values, or random ones where they have none."""

    def twin_of(tensor: Tensor) -> Tensor:
        if not without_values(tensor):
            return tensor
        twin = tensor.detach().cpu() if not tensor.is_meta else _random(tensor)
        return _parameter(nn.Parameter, twin, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else twin

    with exchanged_tensors(model, twin_of, lambda module: (module._parameters, module._buffers, module.__dict__)):
        yield


def _random(tensor: Tensor) -> Tensor:
    """Small numbers, as weights are; whole numbers are 0."""
    zeros = torch.zeros(tensor.shape, dtype=tensor.dtype)
    return zeros.normal_(std=0.02) if tensor.is_floating_point() or tensor.is_complex() else zeros


@contextlib.contextmanager
def exchanged_tensors(
    model: nn.Module, twin_of: Callable[[Tensor], Tensor], places: Callable[[nn.Module], Iterable[dict[str, Any]]]
) -> Iterator[Twins]:
    """Exchanges tensors in some places of every module; a shared one has one twin. Gives the twins by the identity of the originals."""
    twins = Twins()
    try:
        for module in all_modules(model):
            for held in places(module):
                for name, tensor in tuple(held.items()):
                    if not isinstance(tensor, Tensor):
                        continue
                    twin = twins.get(id(tensor))
                    if twin is None:
                        twin = twins[id(tensor)] = twin_of(tensor)
                    if twin is not tensor:
                        twins.swapped.append((module, held, name, tensor, twin))
                        held[name] = twin
        yield twins
    finally:
        for _, held, name, tensor, _ in twins.swapped:
            held[name] = tensor


def _twin(tensor: Tensor, dtype: torch.dtype, channels_last: bool) -> Tensor:
    """A tensor that holds nothing and looks like this one; itself if it does already."""
    if channels_last and tensor.dim() == 4:
        twin = tensor.detach().to(META, dtype, memory_format=torch.channels_last)
    elif tensor.is_contiguous():
        twin = _empty_strided(tensor.shape, tensor.stride(), dtype=dtype, device=META)
    else:
        twin = tensor.detach().to(META, dtype)
    if tensor.device == META and twin.dtype == tensor.dtype and twin.stride() == tensor.stride():
        return tensor
    return _parameter(nn.Parameter, twin, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else twin
