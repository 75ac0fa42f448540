"""The stack of running modules, maintained without hooks on any model."""

from __future__ import annotations

import contextlib
import functools
import operator
import threading
from collections import OrderedDict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from zoo.meta.patching import Patches

Around = Callable[[Callable[..., Any], nn.Module, tuple[Any, ...], dict[str, Any]], Any]
"""Makes the call of a module: what would make it, the module, positional arguments, those by keyword."""


class _Following(threading.local):
    """The modules being called on this thread, while they are followed."""

    stack: list[nn.Module] | None = None
    called: set[int] | None = None  # identities of the modules that were called at least once, while they are followed
    around: Around | None = None  # makes the calls in place of the modules


_following = _Following()


def _call(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
    stack, called = _following.stack, _following.called
    if stack is None or called is None:
        return _patches.original(nn.Module, "__call__")(self, *args, **kwargs)
    stack.append(self)
    called.add(id(self))
    try:
        if _following.around is not None:
            return _following.around(_patches.original(nn.Module, "__call__"), self, args, kwargs)
        return _patches.original(nn.Module, "__call__")(self, *args, **kwargs)
    except Exception as error:
        _remember_failure(error, self, args)
        raise
    finally:
        stack.pop()


def _remember_failure(error: Exception, module: nn.Module, args: tuple[Any, ...]) -> None:
    """Attaches the innermost module that an error came through, and the shapes that it got."""
    if not hasattr(error, "failed_module"):
        shapes = ", ".join("x".join(map(str, x.shape)) or "a number" if isinstance(x, Tensor) else type(x).__name__ for x in args)
        with contextlib.suppress(AttributeError):  # an error without room for attributes
            error.failed_module = module, shapes  # type: ignore[attr-defined]


@contextlib.contextmanager
def naming_failed_module(model: nn.Module) -> Iterator[None]:
    """Adds to an error which module of a model it came from and what that got."""
    try:
        yield
    except Exception as error:
        module, shapes = getattr(error, "failed_module", (None, ""))
        if module is not None and not hasattr(error, "__notes__"):
            path = next((path for path, one in model.named_modules() if one is module), "")
            name = f"{type(module).__name__}({module.extra_repr()})"
            error.add_note(f"{f'Layer {path}, {name},' if path else name} got {shapes or 'nothing'}.")
        raise


_patches = Patches({(nn.Module, "__call__"): _call})


def followable() -> contextlib.AbstractContextManager[None]:
    """Lets modules be followed while the context lasts. Worth holding open over many counts: it changes a base class.

    `nn.Module.__call__` is replaced: global hooks would send every call through torch's slow path, and looking at stack frames
    would keep their tensors alive and spoil the measurement of memory. Contexts nest, also over threads.
    """
    return _patches.held()


@contextlib.contextmanager
def follow_modules(around: Around | None = None) -> Iterator[list[nn.Module]]:
    """Gives the stack of modules being called on this thread, innermost last; `around` makes their calls."""
    with follow_calls() as (stack, _):
        _following.around = around
        yield stack


@contextlib.contextmanager
def follow_calls() -> Iterator[tuple[list[nn.Module], set[int]]]:
    """Gives that stack, and the identities of the modules that have been called so far."""
    outer = _following.stack, _following.called, _following.around
    stack: list[nn.Module] = []
    called: set[int] = set()
    with followable():
        _following.stack, _following.called, _following.around = stack, called, None
        try:
            yield stack, called
        finally:
            _following.stack, _following.called, _following.around = outer


def all_modules(model: nn.Module) -> Iterable[nn.Module]:
    """A model's modules, each once, in no particular order; faster than `model.modules()`."""
    modules: dict[int, nn.Module] = {}
    pending = [model]
    while pending:
        module = pending.pop()
        if id(module) not in modules:
            modules[id(module)] = module
            children = module.__dict__.get("_modules") or {}  # a traced module has them elsewhere
            pending.extend([child for child in children.values() if child is not None])
    return modules.values()


def _changes_mode(kind: type[nn.Module]) -> bool:
    """Whether modules of a class do more than note it when they are set to evaluation mode, such as merging their weights."""
    return kind.train is not nn.Module.train or kind.eval is not nn.Module.eval


def set_evaluation_mode(model: nn.Module) -> None:
    """Sets a model to evaluation mode: by its own `eval()` where that does more."""
    modules = all_modules(model)
    if any(map(_changes_mode, set(map(type, modules)))):
        model.eval()
    else:
        for module in modules:
            module.__dict__["training"] = False


def unchanged(model: nn.Module) -> contextlib.AbstractContextManager[list[nn.Module]]:
    """Puts back what a forward pass leaves in its modules, such as tables for the next pass, which would then do less work.

    Gives a list that has the modules which were changed, when the context has ended.
    """
    return Snapshot(model).kept()


class Snapshot:
    """What the modules of a model hold at a moment."""

    def __init__(self, model: nn.Module) -> None:
        self._held = [_Held(module) for module in all_modules(model)]

    @contextlib.contextmanager
    def kept(self) -> Iterator[list[nn.Module]]:
        """Puts that back when the context ends; gives a list that has the modules which were changed by then."""
        changed: list[nn.Module] = []
        try:
            yield changed
        finally:
            changed += [held.module for held in self._held if held.put_back()]


class _Held:
    """What a module holds at a moment: its attributes, and what is inside those that are dictionaries or lists."""

    __slots__ = ("_attributes", "_contents", "module")

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self._attributes = module.__dict__.copy()
        self._contents = {
            name: (value.copy() if value else _EMPTY[type(value)]) if type(value) in _EMPTY else value
            for name, value in self._attributes.items()
        }

    def _has_changed(self, held: dict[str, Any]) -> bool:
        if len(held) != len(self._attributes) or not all(map(operator.is_, held.values(), self._attributes.values())):
            return True
        try:
            return held != self._contents  # containers; equal values are the same objects in the usual case, which is fast
        except Exception:  # noqa: BLE001  # different tensors cannot be compared
            return True

    def put_back(self) -> bool:
        """Restores attributes and what is inside them; says whether anything had changed."""
        held = self.module.__dict__
        if not self._has_changed(held):
            return False
        held.clear()
        held.update(self._attributes)
        for name, value in self._attributes.items():
            if type(value) is list:
                value[:] = self._contents[name]
            elif type(value) in _EMPTY:
                value.clear()
                value.update(self._contents[name])
        return True


_EMPTY: Mapping[type, Any] = {dict: {}, OrderedDict: {}, list: [], set: set()}
"""Containers whose contents are put back. Most are empty, and need no copy."""


class ModuleRecord(NamedTuple):
    """One module of a model, apart from the modules inside it."""

    path: str
    module_class: str
    params: int  # its own; one that is shared belongs to the first module that has it


class Parts(NamedTuple):
    """What a model is made of, each part once."""

    names: dict[int, str]  # path of every module by its identity; one registered in several places has its first path
    modules: list[ModuleRecord]
    params: list[Tensor]
    buffers: list[Tensor]

    def never_called(self, called: Container[int]) -> tuple[str, ...]:
        """Paths of the modules that a pass did not reach: neither they nor any module inside them was called.

        Modules inside such a module are not named beside it, nor are containers that hold nothing.

        Args:
            called: identities of the modules that were called.
        """
        reached = {""}
        for identity, path in self.names.items():
            while identity in called and path not in reached:
                reached.add(path)
                path = path.rpartition(".")[0]  # noqa: PLW2901  # up to a module that is known to be reached
        unreached = [m for m in self.modules if m.path not in reached and m.path.rpartition(".")[0] in reached]
        return tuple([m.path for m in unreached if m.module_class not in _CONTAINERS])


_CONTAINERS = frozenset({"ModuleList", "ModuleDict", "ParameterList", "ParameterDict"})


def class_name(module: Any) -> str:
    """Of a module, or of none: `Conv2d` for torch's own classes, the full path for others: a subclass of the same name is another class."""
    return "" if module is None else _name_of_class(module.__class__)


@functools.cache
def _name_of_class(kind: Any) -> str:
    return kind.__qualname__ if kind.__module__.startswith("torch.nn.") else f"{kind.__module__}.{kind.__qualname__}"


def list_parts(model: nn.Module) -> Parts:
    """Walks a model once, in registration order; much faster than asking it for modules, parameters and buffers apart."""
    walk = _ModelWalk()
    walk.visit(model, "")
    return Parts(walk.names, walk.modules, list(walk.params.values()), list(walk.buffers.values()))


_PACKED = frozenset({"_packed_params", "param"})
"""Attributes under which torch's quantised layers hold their weights, packed for a kernel."""


def _packed_tensors(value: Any) -> Iterator[Tensor]:
    """The tensors inside a packed weight."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _packed_tensors(item)
    elif isinstance(value, torch.ScriptObject):
        yield from _packed_tensors(value.__getstate__())


class _ModelWalk:
    """A walk over a model. A recursive inner function would be garbage that only the collector frees."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self.modules: list[ModuleRecord] = []
        self.params: dict[int, Tensor] = {}
        self.buffers: dict[int, Tensor] = {}

    def visit(self, module: Any, path: str) -> None:
        """Adds a module and all inside it, unless it was there."""
        if id(module) in self.names:
            return
        self.names[id(module)] = path
        held, params = module.__dict__, self.params
        own = 0
        for parameter in held["_parameters"].values():
            if parameter is not None and id(parameter) not in params:
                params[id(parameter)] = parameter
                own += parameter.numel()
        for buffer in held["_buffers"].values():
            if buffer is not None:
                self.buffers[id(buffer)] = buffer
        for name in _PACKED & held.keys():
            for tensor in _packed_tensors(held[name]):
                params[id(tensor)] = tensor
                own += tensor.numel()
        self.modules.append(ModuleRecord(path, _name_of_class(module.__class__), own))
        inside = f"{path}." if path else ""
        for name, child in held["_modules"].items():
            if child is not None:
                self.visit(child, inside + name)
