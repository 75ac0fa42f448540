"""Which module is running: a stack kept while modules call each other, without hooks on any model."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

_stacks = threading.local()


class _Patch:
    """The replacement of `nn.Module.__call__`, and how many contexts need it."""

    lock = threading.Lock()
    users = 0
    original = nn.Module.__call__


def _call(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
    stack = getattr(_stacks, "current", None)
    if stack is None:
        return _Patch.original(self, *args, **kwargs)
    stack.append(self)
    try:
        return _Patch.original(self, *args, **kwargs)
    finally:
        stack.pop()


@contextlib.contextmanager
def followable() -> Iterator[None]:
    """Lets modules be followed while the context lasts. Worth holding open over many counts: it changes a base class.

    `nn.Module.__call__` is replaced: global hooks would send every call through torch's slow path, and looking at stack frames
    would keep their tensors alive and spoil the measurement of memory. Contexts nest, also over threads.
    """
    with _Patch.lock:
        if _Patch.users == 0:
            _Patch.original = nn.Module.__call__
            nn.Module.__call__ = _call  # type: ignore[method-assign]
        _Patch.users += 1
    try:
        yield
    finally:
        with _Patch.lock:
            _Patch.users -= 1
            if _Patch.users == 0:
                nn.Module.__call__ = _Patch.original  # type: ignore[method-assign]


@contextlib.contextmanager
def follow_modules() -> Iterator[list[nn.Module]]:
    """Gives the stack of modules being called on this thread, innermost last."""
    outer = getattr(_stacks, "current", None)
    stack: list[nn.Module] = []
    with followable():
        _stacks.current = stack
        try:
            yield stack
        finally:
            _stacks.current = outer


@contextlib.contextmanager
def unchanged(model: nn.Module) -> Iterator[None]:
    """Puts back what a forward pass leaves in its modules, such as tables kept for the next pass, which would then do less."""
    attributes = [(module.__dict__, dict(module.__dict__)) for module in model.modules()]
    inside = [(value, dict(value)) for _, kept in attributes for value in kept.values() if type(value) is dict]
    try:
        yield
    finally:
        for held, kept in (*attributes, *inside):
            held.clear()
            held.update(kept)


@dataclass(frozen=True, slots=True)
class ModuleFacts:
    """One module of a model, apart from the modules inside it."""

    path: str
    module_class: str
    params: int  # its own; one that is shared belongs to the first module that has it


@dataclass(frozen=True, slots=True)
class Parts:
    """What a model is made of, each part once."""

    names: dict[int, str]  # path of every module by its identity; one registered in several places has its first path
    modules: list[ModuleFacts]
    params: list[Tensor]
    buffers: list[Tensor]


def class_name(module: nn.Module | None) -> str:
    """`Conv2d` for torch's own classes, the full path for others: a subclass of the same name is another class."""
    if module is None:
        return ""
    kind = type(module)
    return kind.__qualname__ if kind.__module__.startswith("torch.nn.") else f"{kind.__module__}.{kind.__qualname__}"


def list_parts(model: nn.Module) -> Parts:
    """Walks a model once, in registration order; much faster than asking it for modules, parameters and buffers apart."""
    names: dict[int, str] = {}
    modules: list[ModuleFacts] = []
    params: dict[int, Tensor] = {}
    buffers: dict[int, Tensor] = {}

    def visit(module: nn.Module, path: str) -> None:
        if id(module) in names:
            return
        names[id(module)] = path
        own = 0
        for parameter in module._parameters.values():
            if parameter is not None and id(parameter) not in params:
                params[id(parameter)] = parameter
                own += parameter.numel()
        for buffer in module._buffers.values():
            if buffer is not None:
                buffers[id(buffer)] = buffer
        modules.append(ModuleFacts(path, class_name(module), own))
        for name, child in module._modules.items():
            if child is not None:
                visit(child, f"{path}.{name}" if path else name)

    visit(model, "")
    return Parts(names, modules, list(params.values()), list(buffers.values()))
