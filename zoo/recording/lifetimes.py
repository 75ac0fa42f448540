"""Lifetimes of tensors and of their storages, observed through weak references.

On the meta device the model's own Python code runs, so its references keep tensors alive exactly as they would with data.
"""

from __future__ import annotations

import weakref
from typing import Any, NamedTuple


class _Reference(weakref.ref):  # type: ignore[type-arg]  # generic only in stubs
    """A weak reference, the address of its object and an integer its observer gave it."""

    __slots__ = ("address", "label")

    address: int
    label: int


class Held(NamedTuple):
    """In the place of a reference to an object that does not die while it is observed."""

    label: int


class LifetimeObserver:
    """Base class of what follows objects from their creation to their death. Not thread-safe; one instance observes one pass."""

    def __init__(self) -> None:
        self._alive: dict[int, _Reference | Held] = {}

    def label_at(self, address: int) -> int | None:
        """The label of the object that is being observed at an address, or None."""
        reference = self._alive.get(address)
        return None if reference is None else reference.label

    def observe(self, target: Any, address: int, label: int) -> bool:
        """Starts to observe an object, unless one at its address is observed; says whether it starts.

        When the object dies, `on_death` gets the label.
        """
        if address in self._alive:
            return False
        self._alive[address] = reference = _Reference(target, self._release)
        reference.address = address
        reference.label = label
        return True

    def _release(self, reference: _Reference) -> None:
        if self._alive.pop(reference.address, None) is not None:
            self.on_death(reference.label)

    def on_death(self, label: int) -> None:
        """Called when an object dies."""
        raise NotImplementedError

    def stop(self) -> None:
        """Stops observing at the end of a pass: what is still alive, such as the outputs, outlives it."""
        self._alive.clear()
