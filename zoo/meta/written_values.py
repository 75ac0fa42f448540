"""What tensors with data held before a pass wrote to them, so that it can be put back.

Weights are exchanged for ones without data, but whole numbers keep theirs, as do tensors that a model does not register: constants in
lists, in closures, in other modules. Whatever writes to these goes through the dispatcher, where their bytes are kept the first time.
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
    """Bytes of storages as they were at the first write to each. Storages that die meanwhile are not kept alive."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[weakref.ref[torch.UntypedStorage], torch.UntypedStorage]] = {}

    def keep(self, func: Any, args: Any, kwargs: Any) -> None:
        """Keeps what a call is about to write over, where that has data."""
        for position, argument in enumerate(func._schema.arguments):
            if argument.alias_info is None or not argument.alias_info.is_write:
                continue
            value = args[position] if position < len(args) else kwargs.get(argument.name)
            for tensor in value if isinstance(value, (tuple, list)) else (value,):
                if isinstance(tensor, Tensor) and not tensor.is_meta and tensor.layout == torch.strided:
                    self._keep_one(tensor.untyped_storage())

    def _keep_one(self, storage: torch.UntypedStorage) -> None:
        known = self._kept.get(storage._cdata)
        if known is None or known[0]() is None:
            self._kept[storage._cdata] = weakref.ref(storage), storage.clone()

    def put_back(self) -> None:
        """Gives every storage that still exists its bytes again."""
        for reference, kept in self._kept.values():
            storage = reference()
            if storage is not None and storage.nbytes() == kept.nbytes():
                storage.copy_(kept)


_values: ContextVar[WrittenValues | None] = ContextVar("where this thread keeps values that are overwritten", default=None)


def keep_written(func: Any, args: Any, kwargs: Any) -> None:
    """Keeps what a call with data is about to write over, where somebody wants it back."""
    values = _values.get()
    if values is not None and func._schema.is_mutable:
        values.keep(func, args, kwargs)


@contextlib.contextmanager
def written_values_kept() -> Iterator[None]:
    """Puts back, at the end, all data that recorded calls have written over on this thread."""
    values = WrittenValues()
    try:
        with setting(_values, values):
            yield
    finally:
        values.put_back()


class KeepWritten(TorchDispatchMode):
    """Keeps what is written over outside a recorded pass."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        keep_written(func, args, kwargs or {})
        return func(*args, **(kwargs or {}))
