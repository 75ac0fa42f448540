"""Exchanging functions of another library for a while, for everybody who needs it, and putting them back."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_MISSING = object()


class Patches:
    """Attributes that have other values while anybody holds the exchange. Holders nest, also over threads.

    What somebody else has put in the place of such a value meanwhile stays.

    Args:
        values: by owner (a class or a module) and name.
        end: called before the last holder's is undone.
    """

    def __init__(self, values: Mapping[tuple[Any, str], Any], end: Callable[[], None] = lambda: None) -> None:
        self._values, self._end = values, end
        self._saved: dict[tuple[Any, str], Any] = {}
        self._lock = threading.Lock()
        self._holders = 0

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Exchanges for as long as the context lasts."""
        with self._lock:
            if self._holders == 0:
                self._exchange()
            self._holders += 1
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
                if self._holders == 0:
                    self._restore()

    def original(self, owner: Any, name: str) -> Any:
        """What an attribute is when nobody holds the exchange; only while somebody does."""
        return self._saved[owner, name]

    def _exchange(self) -> None:
        self._saved = {(owner, name): vars(owner).get(name, _MISSING) for owner, name in self._values}
        for (owner, name), value in self._values.items():
            setattr(owner, name, value)

    def _restore(self) -> None:
        self._end()
        for (owner, name), value in self._saved.items():
            if vars(owner).get(name) is not self._values[owner, name]:
                continue
            if value is _MISSING:
                delattr(owner, name)  # it was inherited
            else:
                setattr(owner, name, value)
