"""Restores a user's model, and everything that its code can reach, after a pass.

A forward pass may keep objects: a count of its calls, outputs that a hook collects, a table for the next pass. A pass without data would
leave tensors without data there, and the next pass would fail or do less. So all mutable objects are restored: attributes, lists,
dictionaries and arrays of the model and of its hooks, variables that its functions name, random states, and values of tensors.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import random
import sys
import types
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_modules
from torch.nn.modules.lazy import LazyModuleMixin
from torch.utils import _pytree as pytree

from zoo.meta.build import without_collector
from zoo.meta.module_stack import all_modules
from zoo.meta.written_values import written_values_kept

Restore = Callable[[], Any]

_DEEPEST = 5
"""Depth of nested containers that are searched, from a module, a hook or a variable of a function."""
_LONGEST = 10_000
"""Longest container whose elements are searched; of a longer one only the container itself is restored."""
_FOREIGN = sys.stdlib_module_names | {"torch", "numpy", "zoo", "reports"}
"""Packages whose functions and classes keep no objects of a model."""
_MISSING = object()
_CACHED = type(functools.lru_cache(lambda: None))
_ATOMS = frozenset({str, bytes, int, bool, float, complex, type(None), torch.dtype, torch.device, Tensor, nn.Parameter})


@contextlib.contextmanager
def protected(model: nn.Module) -> Iterator[None]:
    """Restores everything that the code of a model has changed, at the end of the context.

    Args:
        model: a user's own model. Models that are used nowhere else need no protection.
    """
    with contextlib.ExitStack() as contexts:
        contexts.enter_context(without_collector())  # thousands of containers are copied
        contexts.enter_context(written_values_kept())
        reached = _Reached()
        contexts.callback(reached.put_back)
        contexts.enter_context(_random_states_kept())
        for module in all_modules(model):
            reached.add(module, _DEEPEST)
        for name, hooks in vars(torch_modules).items():
            if name.startswith("_global") and isinstance(hooks, dict):
                reached.add(hooks, _DEEPEST)
        yield


@contextlib.contextmanager
def _random_states_kept() -> Iterator[None]:
    """Restores the random states of Python, numpy and torch, on every device in use."""
    numpy_random = sys.modules["numpy"].random if "numpy" in sys.modules else None
    python, numpy_state = random.getstate(), numpy_random.get_state() if numpy_random else None
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices):
        try:
            yield
        finally:
            random.setstate(python)
            if numpy_random:
                numpy_random.set_state(numpy_state)


class _Reached:
    """All mutable objects that were reached, and how to restore them."""

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._contents: list[tuple[Any, Any]] = []  # containers and copies of their content
        self._restores: list[Restore] = []
        self._kept: list[Any] = []  # kept alive, so that identities remain unique

    def put_back(self) -> None:
        """Restores everything, in the order in which it was reached."""
        for container, saved in self._contents:
            if (container or saved) and _identities(container) != _identities(saved):
                container.clear()
                (container.update if isinstance(container, dict | set) else container.extend)(saved)
        for restore in self._restores:
            restore()

    def add(self, value: Any, depth: int) -> None:
        """Keeps the content of a value, and of all values inside it."""
        if type(value) in _ATOMS or depth <= 0 or id(value) in self._seen:
            return
        self._seen.add(id(value))
        self._kept.append(value)
        for kinds, add in _BY_TYPE:
            if isinstance(value, kinds):
                add(self, value, depth)
                return
        self._add_object(value, depth)

    def add_all(self, values: Iterable[Any], depth: int) -> None:
        values = [value for value in values if type(value) not in _ATOMS]
        if len(values) <= _LONGEST:
            for value in values:
                self.add(value, depth)

    def _add_mapping(self, value: Any, depth: int) -> None:
        saved = dict(value)
        self._contents.append((value, saved))
        if saved:
            self.add_all(saved.values(), depth - 1)

    def _add_sequence(self, value: Any, depth: int) -> None:
        saved = list(value)
        self._contents.append((value, saved))
        self.add_all(saved, depth - 1)

    def _add_object(self, value: Any, depth: int) -> None:
        """A module, or an object whose class belongs to no library: its attributes, and the functions of its class."""
        kind = type(value)
        if isinstance(value, LazyModuleMixin):  # its first pass changes its class
            self._restores.append(functools.partial(setattr, value, "__class__", kind))
        if isinstance(value, nn.Module | types.SimpleNamespace) or not _is_foreign(kind):
            attributes = getattr(value, "__dict__", None)
            if type(attributes) is dict:
                self._add_mapping(attributes, depth)
            self._add_class(kind, depth)
        saved = _restore_of_state(value)
        if saved is not None:
            self._restores.append(saved)

    def _add_class(self, kind: type, depth: int) -> None:
        for base in kind.__mro__:
            if _is_foreign(base) or id(base) in self._seen:
                continue
            self._seen.add(id(base))
            saved = {name: value for name, value in vars(base).items() if not name.startswith("__") or name == "__call__"}
            self._restores.append(functools.partial(_restore_attributes, base, saved))
            for value in saved.values():
                self.add(value, depth - 1)

    def _add_function(self, function: types.FunctionType, depth: int) -> None:
        """Objects that a function can change beside its arguments: variables of its closure and of its module, and its defaults."""
        if _is_foreign(function):
            return
        for cell in function.__closure__ or ():
            with contextlib.suppress(ValueError):  # an empty cell
                self._restores.append(functools.partial(setattr, cell, "cell_contents", cell.cell_contents))
                self.add(cell.cell_contents, depth)
        self.add_all((function.__defaults__ or (), function.__kwdefaults__ or {}, vars(function)), depth)
        names = set(_names_in(function.__code__))
        self._add_variables(function.__globals__, names, depth)
        for name in names:
            value = function.__globals__.get(name)
            if isinstance(value, types.ModuleType) and not _is_foreign(value):
                self._add_variables(vars(value), names, depth)

    def _add_variables(self, variables: dict[str, Any], names: Iterable[str], depth: int) -> None:
        saved = {name: variables[name] for name in names if name in variables}
        self._restores.append(functools.partial(_restore_variables, variables, set(names), saved))
        for value in saved.values():
            self.add(value, depth - 1 if not isinstance(value, types.FunctionType) else depth)

    def _add_cache(self, cached: Any, depth: int) -> None:
        """The entries of functools.lru_cache. They cannot be removed singly, so the whole cache is cleared if one must be removed."""
        before = cached.cache_info()
        self._restores.append(functools.partial(_clear_if_changed, cached, before.misses, before.currsize))
        self.add(cached.__wrapped__, depth)


def _adding(*names: str) -> Callable[[_Reached, Any, int], None]:
    """Adds the values of these attributes, as far as an object has them."""
    return lambda reached, value, depth: reached.add_all([getattr(value, name) for name in names if hasattr(value, name)], depth)


_BY_TYPE: tuple[tuple[Any, Callable[[_Reached, Any, int], None]], ...] = (
    (dict, _Reached._add_mapping),
    (types.FunctionType, _Reached._add_function),
    (types.MethodType, _adding("__self__", "__func__")),
    (functools.partial, _adding("func", "args", "keywords")),
    (_CACHED, _Reached._add_cache),
    ((staticmethod, classmethod, property, functools.cached_property), _adding("__func__", "fget", "fset", "func")),
    ((types.ModuleType, Tensor), _adding()),
    (type, _Reached._add_class),
    ((list, set, deque, bytearray), _Reached._add_sequence),
    ((tuple, frozenset), lambda reached, value, depth: reached.add_all(value, depth)),
)
"""How the content of a value is reached. The first entry whose types fit applies."""


@functools.cache
def _is_foreign_name(name: str | None) -> bool:
    return name is None or name.partition(".")[0] in _FOREIGN


def _is_foreign(value: Any) -> bool:
    name = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", None)
    return name != "__main__" and (not isinstance(name, str) or _is_foreign_name(name))


def _names_in(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names_in(constant)


def _identities(container: Any) -> list[int]:
    values = [*container, *container.values()] if isinstance(container, dict) else container
    return list(map(id, values))


def _restore_variables(variables: dict[str, Any], names: set[str], saved: dict[str, Any]) -> None:
    for name in names:
        value = variables.get(name, _MISSING)
        if name in saved and value is not saved[name]:
            variables[name] = saved[name]
        elif name not in saved and value is not _MISSING and not isinstance(value, types.ModuleType | types.FunctionType | type):
            del variables[name]


def _restore_attributes(kind: type, saved: dict[str, Any]) -> None:
    for name in [name for name in vars(kind) if not name.startswith("__") and name not in saved]:
        delattr(kind, name)
    for name, value in saved.items():
        if vars(kind).get(name, _MISSING) is not value:
            setattr(kind, name, value)


def _clear_if_changed(cached: Any, misses: int, entries: int) -> None:
    """Clears a cache that was empty, or that now has tensors without data, which a later pass with data could not use."""
    if cached.cache_info().misses == misses:
        return
    held = [item for value in gc.get_referents(cached) for item in (value.values() if isinstance(value, dict) else (value,))]
    if not entries or any(isinstance(t, Tensor) and t.is_meta for t in pytree.tree_leaves(held)):
        cached.cache_clear()


def _restore_of_state(value: Any) -> Restore | None:
    """Restores the state of a random generator or an array; None for other objects."""
    if isinstance(value, torch.Generator):
        return functools.partial(value.set_state, value.get_state())
    if isinstance(value, random.Random):
        return functools.partial(value.setstate, value.getstate())
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return None
    if isinstance(value, numpy.ndarray) and value.flags.writeable:
        return functools.partial(numpy.copyto, value, value.copy())
    if isinstance(value, numpy.random.Generator):
        return functools.partial(setattr, value.bit_generator, "state", value.bit_generator.state)
    return None
