"""Temporary values: attributes of other libraries, replaced for all threads, and context variables, set for one."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, TypeVar

_MISSING = object()
_Value = TypeVar("_Value")


@contextlib.contextmanager
def setting(variable: ContextVar[_Value], value: _Value) -> Iterator[None]:
    """Sets a context variable, which other threads do not see, while the context lasts."""
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


class Patches:
    """Attributes that are replaced while at least one `held()` context is open, on any thread.

    If other code replaces such an attribute meanwhile, its value stays.

    Args:
        values: the replacements, by owner (a class or a module) and name.
        end: called when the last context ends, before the originals are restored.
    """

    def __init__(self, values: Mapping[tuple[Any, str], Any], end: Callable[[], None] = lambda: None) -> None:
        self._values, self._end = values, end
        self._saved: dict[tuple[Any, str], Any] = {}
        self._lock = threading.Lock()
        self._holders = 0

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keeps the attributes replaced while the context lasts."""
        with self._lock:
            if self._holders == 0:
                self._replace()
            self._holders += 1
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
                if self._holders == 0:
                    self._restore()

    def original(self, owner: Any, name: str) -> Any:
        """The original value of an attribute; to be called while the attributes are replaced."""
        return self._saved[owner, name]

    def _replace(self) -> None:
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
