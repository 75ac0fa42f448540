"""Bytes of activations alive during a forward pass, from the lifetimes of tensor storages.

On the meta device the model's own Python code runs, so its references keep tensors alive exactly as they would with data. Each
new storage is added when an operator returns it and subtracted when it dies. Sizes are those of the storages, before any
allocator's rounding; scratch memory inside kernels belongs to the backend and is not part of it.
"""

from __future__ import annotations

import weakref
from typing import Any

import torch


class _Lifetime(weakref.ref):  # type: ignore[type-arg]  # generic only in stubs
    """A weak reference to a storage that remembers its size."""

    __slots__ = ("address", "nbytes")

    address: int
    nbytes: int


class LiveBytes:
    """Running sum and maximum of the bytes alive. Not thread-safe; one instance follows one pass."""

    __slots__ = ("_alive", "live", "peak", "peak_owner")

    def __init__(self) -> None:
        self._alive: dict[int, _Lifetime] = {}
        self.live = 0
        self.peak = 0
        self.peak_owner: Any = None

    def add(self, storage: torch.UntypedStorage, nbytes: int, owner: Any) -> None:
        """Counts a storage an operator has just made, unless it is known; `owner` is remembered if this is a new peak."""
        if storage._cdata not in self._alive:
            self.add_new(storage, nbytes, owner)

    def add_new(self, storage: torch.UntypedStorage, nbytes: int, owner: Any) -> None:
        """The same for a storage that cannot be known yet."""
        lifetime = _Lifetime(storage, self._release)
        lifetime.address = address = storage._cdata
        lifetime.nbytes = nbytes
        self._alive[address] = lifetime
        self.live += nbytes
        if self.live > self.peak:
            self.peak = self.live
            self.peak_owner = owner

    def _release(self, lifetime: _Lifetime) -> None:
        if self._alive.pop(lifetime.address, None) is not None:
            self.live -= lifetime.nbytes

    def forget(self) -> None:
        """Stops following what is still alive, such as the outputs."""
        self._alive.clear()
