"""Bytes of activations alive during a forward pass, from the lifetimes of tensor storages.

On the meta device the model's own Python code runs, so its references keep tensors alive exactly as they would with data. Each
new storage is added when an operator returns it and subtracted when it dies. Sizes are those of the storages, before any
allocator's rounding; scratch memory inside kernels belongs to the backend and is not part of it.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator
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

    def rise(self, nbytes: int, owner: Any) -> None:
        """Takes note that so many bytes more than now were alive for a while."""
        if self.live + nbytes > self.peak:
            self.peak = self.live + nbytes
            self.peak_owner = owner

    @contextlib.contextmanager
    def watched(self) -> Iterator[Watch]:
        """Says, at the end of the context, what it did to the bytes alive."""
        watch = Watch(self)
        peak, owner = self.peak, self.peak_owner
        self.peak, self.peak_owner = self.live, None
        try:
            yield watch
        finally:
            watch.end(self)
            if self.peak <= peak:
                self.peak, self.peak_owner = peak, owner

    def alive(self) -> list[_Lifetime]:
        """The storages alive, in no order."""
        return list(self._alive.values())

    def forget(self) -> None:
        """Stops following what is still alive, such as the outputs."""
        self._alive.clear()


class Watch:
    """What a part of a pass does to the bytes alive."""

    def __init__(self, memory: LiveBytes) -> None:
        self._live, self._before = memory.live, memory.alive()
        self._after: list[_Lifetime] = []
        self.rise = 0  # bytes, at most, above those alive at the beginning
        self.owner: Any = None  # of the storage that made it so

    def end(self, memory: LiveBytes) -> None:
        """Notes how things stand now."""
        self._after = memory.alive()
        self.rise, self.owner = memory.peak - self._live, memory.peak_owner

    def leaves_only(self, storages: set[int]) -> bool:
        """Whether of what it made only these are alive, by their addresses, and everything older still is."""
        before, after = set(map(id, self._before)), set(map(id, self._after))
        return before <= after and {lifetime.address for lifetime in self._after if id(lifetime) not in before} == storages
