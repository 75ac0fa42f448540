"""Lifetimes of tensor storages, observed through weak references.

On the meta device the model's own Python code runs, so its references keep tensors alive exactly as they would with data.
"""

from __future__ import annotations

import weakref

import torch


class _Reference(weakref.ref):  # type: ignore[type-arg]  # generic only in stubs
    """A weak reference to a storage, its address and an integer its observer gave it."""

    __slots__ = ("address", "label")

    address: int
    label: int


class StorageObserver:
    """Base class of what follows storages from their creation to their death. Not thread-safe; one instance observes one pass."""

    def __init__(self) -> None:
        self._alive: dict[int, _Reference] = {}

    def label_of(self, storage: torch.UntypedStorage) -> int | None:
        """The label of a storage that is being observed, or None."""
        reference = self._alive.get(storage._cdata)
        return None if reference is None else reference.label

    def observe(self, storage: torch.UntypedStorage, label: int) -> bool:
        """Starts to observe a storage, unless it is observed; says whether it starts. `on_death` gets the label when it dies."""
        address = storage._cdata
        if address in self._alive:
            return False
        self._alive[address] = reference = _Reference(storage, self._release)
        reference.address = address
        reference.label = label
        return True

    def _release(self, reference: _Reference) -> None:
        if self._alive.pop(reference.address, None) is not None:
            self.on_death(reference.label)

    def on_death(self, label: int) -> None:
        """Called when a storage dies."""
        raise NotImplementedError

    def stop(self) -> None:
        """Stops observing at the end of a pass: what is still alive, such as the outputs, outlives it."""
        self._alive.clear()
