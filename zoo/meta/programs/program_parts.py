"""Modules of scripted and exported models, whose calls can be followed."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor, nn


class ProgramPart(nn.Module):
    """Stands for a module of the original model: it has the module's path, class name and weights, but no code."""

    def forward(self, function: Callable[..., Any], args: Iterable[Any], kwargs: dict[str, Any]) -> Any:
        """Calls an operator of the module."""
        return function(*args, **kwargs)


def part_at(root: nn.Module, path: str, class_path: str) -> nn.Module:
    """The module at a path; modules that do not exist are made. The empty path is the root itself."""
    part = root
    for name in filter(None, path.split(".")):
        child = part._modules.get(name)
        if child is None:
            child = part._modules[name] = _class_named("Module")()
        part = child
    if path and type(part) is _class_named("Module"):
        part.__class__ = _class_named(class_path)
    return part


@functools.cache
def _class_named(path: str) -> type[ProgramPart]:
    """A class of this name, so that rules for classes of modules apply."""
    module, _, name = path.rpartition(".")
    if not module and isinstance(getattr(nn, name, None), type):
        module = getattr(nn, name).__module__
    return type(name, (ProgramPart,), {"__module__": module})


def register(part: nn.Module, name: str, tensor: Tensor) -> None:
    """Adds a tensor to a module: as a parameter if it is one, else as a buffer."""
    if isinstance(tensor, nn.Parameter):
        part._parameters[name] = tensor
    else:
        part._buffers[name] = tensor
