"""Which module is running: a stack kept while modules call each other, without hooks on any model."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from torch import nn


@contextlib.contextmanager
def follow_modules() -> Iterator[list[nn.Module]]:
    """Gives the stack of modules being called on this thread, innermost last.

    `nn.Module.__call__` is replaced while the context lasts: global hooks would send every call through torch's slow path, and
    looking at stack frames would keep their tensors alive and spoil the measurement of memory.
    """
    stack: list[nn.Module] = []
    original = nn.Module.__call__
    owner = threading.get_ident()

    def call(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        if threading.get_ident() != owner:
            return original(self, *args, **kwargs)
        stack.append(self)
        try:
            return original(self, *args, **kwargs)
        finally:
            stack.pop()

    nn.Module.__call__ = call  # type: ignore[method-assign]
    try:
        yield stack
    finally:
        nn.Module.__call__ = original  # type: ignore[method-assign]


def module_names(model: nn.Module) -> dict[int, str]:
    """Path of every module by its identity; one that is registered in several places has its first path."""
    names: dict[int, str] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        names.setdefault(id(module), name)
    return names
