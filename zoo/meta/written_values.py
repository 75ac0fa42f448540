"""Restores the values of tensors with data that a pass overwrites.

Weights are exchanged for tensors without data, but integer tensors keep their data, as do tensors that a model does not register: constants
in lists, in closures, in other modules. All writes go through the dispatcher, where the bytes are kept before the first write.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from zoo.meta.patching import setting


class WrittenValues:
    """Copies of storages before the first write to each. The storages themselves are not kept alive."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[weakref.ref[torch.UntypedStorage], torch.UntypedStorage]] = {}

    def keep(self, func: Any, args: Any, kwargs: Any) -> None:
        """Copies the storages with data that a call is going to overwrite."""
        for position, argument in enumerate(func._schema.arguments):
            if argument.alias_info is None or not argument.alias_info.is_write:
                continue
            value = args[position] if position < len(args) else kwargs.get(argument.name)
            for tensor in value if isinstance(value, (tuple, list)) else (value,):
                if isinstance(tensor, Tensor) and not tensor.is_meta and tensor.layout == torch.strided:
                    self._copy_storage(tensor.untyped_storage())

    def _copy_storage(self, storage: torch.UntypedStorage) -> None:
        known = self._kept.get(storage._cdata)
        if known is None or known[0]() is None:
            self._kept[storage._cdata] = weakref.ref(storage), storage.clone()

    def put_back(self) -> None:
        """Restores the bytes of all storages that still exist."""
        for reference, kept in self._kept.values():
            storage = reference()
            if storage is not None and storage.nbytes() == kept.nbytes():
                storage.copy_(kept)


_values: ContextVar[WrittenValues | None] = ContextVar("where this thread keeps values that are overwritten", default=None)


def keep_written(func: Any, args: Any, kwargs: Any) -> None:
    """Copies what a call is going to overwrite, inside `written_values_kept`."""
    values = _values.get()
    if values is not None and func._schema.is_mutable:
        values.keep(func, args, kwargs)


@contextlib.contextmanager
def written_values_kept() -> Iterator[None]:
    """Restores all data that recorded calls of this thread have overwritten, at the end of the context."""
    values = WrittenValues()
    try:
        with setting(_values, values):
            yield
    finally:
        values.put_back()


class KeepWritten(TorchDispatchMode):
    """Copies what is overwritten outside a recorded pass."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        keep_written(func, args, kwargs or {})
        return func(*args, **(kwargs or {}))
