"""Recipes of modules: their state after the constructor, from which equal modules are made without calling it."""

from __future__ import annotations

import functools
import types
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from zoo.meta.new_tensors import META

CONSTANT = frozenset({int, float, bool, str, bytes, type(None), torch.dtype, torch.device, torch.Size})
"""Types of immutable values. Equal values of one type are interchangeable."""

_CONTAINERS = frozenset({dict, OrderedDict, list, set})
_TENSORS = ("_parameters", "_buffers", "_modules")
_empty = torch.empty


class NotReusableError(Exception):
    """A module cannot be made from a recipe, or its arguments cannot be compared."""


class Recipe:
    """The state of a module without data.

    Args:
        module: directly after its constructor; it is not changed. It and all modules inside it must have only plain values, and parameters,
            buffers and modules of their own on the meta device.

    Raises:
        NotReusableError: if they have anything else.
    """

    __slots__ = ("_buffers", "_children", "_contents", "_empties", "_kind", "_parameters", "_state", "modules")

    def __init__(self, module: Any, seen: set[int] | None = None) -> None:
        seen = set() if seen is None else seen
        if id(module) in seen or not _has_plain_instances(module.__class__):
            raise NotReusableError
        seen.add(id(module))
        self._kind = type(module)
        self._state = state = module.__dict__.copy()
        self._parameters = [(name, _tensor_spec(t, nn.Parameter, seen)) for name, t in state["_parameters"].items()]
        self._buffers = [(name, _tensor_spec(t, Tensor, seen)) for name, t in state["_buffers"].items()]
        self._children = [(name, None if m is None else Recipe(m, seen)) for name, m in state["_modules"].items()]
        self.modules: int = 1 + sum([child.modules for _, child in self._children if child is not None])
        self._empties: list[tuple[str, type]] = []
        self._contents: list[tuple[str, type, tuple[Any, ...]]] = []
        for name, value in state.items():
            kind = type(value)
            if kind in CONSTANT:
                continue
            if kind not in _CONTAINERS:
                comparable(value)  # or it raises
            elif value and name not in _TENSORS:
                content = tuple(value.items()) if isinstance(value, dict) else tuple(value)
                comparable(content)
                self._contents.append((name, kind, content))
                state[name] = None
            else:
                self._empties.append((name, kind))
                state[name] = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recipe) and all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__ = None  # type: ignore[assignment]

    def fill(self, held: dict[str, Any]) -> None:
        """Fills the dictionary of an empty module with the state after the constructor."""
        held.update(self._state)
        for name, kind in self._empties:
            held[name] = kind()
        for name, kind, content in self._contents:
            held[name] = kind(content)
        for name, like in self._parameters:
            held["_parameters"][name] = like and Tensor._make_subclass(
                nn.Parameter, _empty(like[0], dtype=like[1], device=META), like[2]
            )
        for name, like in self._buffers:
            held["_buffers"][name] = like and _empty(like[0], dtype=like[1], device=META)
        for name, child in self._children:
            held["_modules"][name] = child and child.make()

    def make(self) -> nn.Module:
        """A new module in this state."""
        module: nn.Module = object.__new__(self._kind)
        self.fill(module.__dict__)
        return module


@functools.cache
def _has_plain_instances(kind: Any) -> bool:
    """Whether the instances of a class have no state outside their dictionary."""
    return kind.__new__ is nn.Module.__new__ and not any(vars(base).get("__slots__") for base in kind.__mro__)


def _tensor_spec(tensor: Tensor | None, kind: type, seen: set[int]) -> tuple[torch.Size, torch.dtype, bool] | None:
    """Shape, dtype and `requires_grad` of a tensor that has its own storage and fills it."""
    if tensor is None:
        return None
    storage = tensor.untyped_storage()
    is_plain = type(tensor) is kind and tensor.is_meta and tensor.is_leaf and tensor.is_contiguous() and not tensor.__dict__
    if not is_plain or storage._cdata in seen or storage.nbytes() != tensor.numel() * tensor.element_size():
        raise NotReusableError
    if tensor._backward_hooks or (kind is Tensor and tensor.requires_grad):
        raise NotReusableError
    seen.add(storage._cdata)
    return tensor.shape, tensor.dtype, tensor.requires_grad


def comparable(value: Any) -> Any:
    """A key of a plain value that distinguishes types: 1, 1.0 and True have different keys.

    Raises:
        NotReusableError: if the value is not plain, such as an object with attributes.
    """
    kind = type(value)
    if kind in CONSTANT:
        return kind, value
    if kind is tuple:
        return all_comparable(value)
    if kind is functools.partial:
        return comparable(value.func), all_comparable(value.args), comparable(tuple(value.keywords.items()))
    if kind is type or (kind is types.FunctionType and value.__closure__ is None):
        return value
    if kind is types.BuiltinFunctionType and isinstance(value.__self__, types.ModuleType | type):  # no method of an object
        return value
    raise NotReusableError


def all_comparable(values: Sequence[Any]) -> Any:
    """A key of several plain values, usually all of constant types."""
    kinds = tuple(map(type, values))
    return kinds, values if CONSTANT.issuperset(kinds) else tuple(map(comparable, values))
