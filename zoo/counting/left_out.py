"""Excludes modules from a cost."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from torch import nn

from zoo.counting.cost import Cost
from zoo.counting.count_model import storage_bytes
from zoo.errors import UnknownNameError, did_you_mean

Ignored = str | type[nn.Module] | nn.Module
"""A path of a module, a class for all its modules, or a module itself; modules inside are included."""


def leave_out(cost: Cost, model: nn.Module, ignored: Iterable[Ignored]) -> Cost:
    """The cost without the operations, parameters and buffers of some modules and of all modules inside them.

    The peak of memory remains that of the whole pass. Tensors that an excluded module shares with another one are counted.

    Args:
        cost: of the model.
        model: as it was counted.
        ignored: modules by path, class or identity.

    Raises:
        UnknownNameError: if one of them fits no module of the model.
    """
    roots = sorted({path for one in ignored for path in _find_paths(model, one)})
    if not roots:
        return cost

    def is_kept(path: str) -> bool:
        return not any(path == root or path.startswith(f"{root}.") or not root for root in roots)

    kept = [module for path, module in model.named_modules() if is_kept(path)]
    params = {id(p): p for module in kept for p in module._parameters.values() if p is not None}
    buffers = {id(b): b for module in kept for b in module._buffers.values() if b is not None}
    return dataclasses.replace(
        cost,
        params=sum(p.numel() for p in params.values()),
        buffers=sum(b.numel() for b in buffers.values()),
        weight_bytes=storage_bytes([*params.values(), *buffers.values()]),
        rows=tuple(row for row in cost.rows if is_kept(row.module)),
        modules=tuple(module for module in cost.modules if is_kept(module.path)),
        never_called=tuple(path for path in cost.never_called if is_kept(path)),
        left_out=tuple(roots),
    )


def _find_paths(model: nn.Module, ignored: Ignored) -> list[str]:
    """The paths of the modules that are ignored.

    Raises:
        UnknownNameError: if there is none.
    """
    modules = dict(model.named_modules())
    paths = [path for path, module in modules.items() if _is_ignored(path, module, ignored)]
    if not paths:
        name = ignored if isinstance(ignored, str) else getattr(ignored, "__name__", type(ignored).__name__)
        raise UnknownNameError(f"ignore: the model has no module '{name}'.{did_you_mean(name, modules)}")
    return paths


def _is_ignored(path: str, module: nn.Module, ignored: Ignored) -> bool:
    if isinstance(ignored, str):
        return path == ignored
    return isinstance(module, ignored) if isinstance(ignored, type) else module is ignored
