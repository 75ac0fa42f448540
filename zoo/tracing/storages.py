"""Which memory a pass uses: every storage that calls read or write, with its life from the call that makes it to its death."""

from __future__ import annotations

import weakref

from torch import Tensor

from zoo.traces import TracedStorage


class _Lifetime(weakref.ref):  # type: ignore[type-arg]  # generic only in stubs
    """A weak reference to a storage that knows its number."""

    __slots__ = ("address", "number")

    address: int
    number: int


class Storages:
    """Every storage met: who has it, when it is made and when it dies."""

    def __init__(self) -> None:
        self.roles: list[str] = []
        self.alloc_at: list[int] = []
        self.free_at: list[int | None] = []
        self.nbytes: list[int] = []
        self._alive: dict[int, _Lifetime] = {}
        self.position = 0  # of the next call

    def number(self, tensor: Tensor, role: str, alloc_at: int = -1) -> int:
        """That of a tensor's storage; one not met before gets a new one, and the role."""
        storage = tensor.untyped_storage()
        known = self._alive.get(storage._cdata)
        if known is not None:
            return known.number
        lifetime = _Lifetime(storage, self._release)
        lifetime.address = address = storage._cdata
        lifetime.number = number = len(self.roles)
        self._alive[address] = lifetime
        self.roles.append(role)
        self.alloc_at.append(alloc_at)
        self.free_at.append(None)
        self.nbytes.append(storage.nbytes())
        return number

    def _release(self, lifetime: _Lifetime) -> None:
        if self._alive.pop(lifetime.address, None) is not None:
            self.free_at[lifetime.number] = self.position

    def stop_following(self) -> None:
        """At the end of a pass: what is still alive outlives it."""
        self._alive.clear()

    def described(self) -> tuple[TracedStorage, ...]:
        """All of them, in the order of their numbers."""
        return tuple(map(TracedStorage, self.nbytes, self.roles, self.alloc_at, self.free_at))
