"""Constructing torch modules in a fraction of the time, for models that hold no numbers.

Building a model on the meta device is thousands of small Python constructors, most of them alike: the same block with the same
arguments, in one model and in the next. While `lean_modules` lasts

- `nn.Module` keeps plain attributes without asking of each whether it is a parameter, a buffer or a module;
- on a thread that builds, a module with the arguments of an earlier one is made from a recipe of what that one was after its
  constructor: the same structure, with modules, parameters and buffers of its own.

Constructors of the libraries named here depend on their arguments and on torch's default dtype alone. That is not taken on
trust: of each class one module is constructed again and compared with the recipe, and the class is left alone if they differ.
Whatever is out of the ordinary (arguments or attributes that are no plain values, shared or real tensors, hooks, overridden
methods of `nn.Module`) goes torch's own way.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import Module, Parameter
from torch.nn.modules import module as torch_module

from zoo.counting.exchange import Exchange
from zoo.counting.recipes import CONSTANT, OutOfTheOrdinaryError, Recipe, all_comparable

LIBRARIES = frozenset({"torch", "torchvision", "timm"})
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)  # their arguments are modules
_MOST_MODULES = 20_000
"""Modules in all recipes of one generation, some 2 kB each; those not used in the next generation are forgotten."""

_NEITHER = CONSTANT | {tuple, list, dict, set, frozenset, type, range, slice, functools.partial} | {
    types.FunctionType, types.MethodType, types.BuiltinFunctionType}  # fmt: skip
"""Types of values that are neither parameters nor buffers nor modules."""

_HOOKS = (
    torch_module._global_parameter_registration_hooks,
    torch_module._global_buffer_registration_hooks,
    torch_module._global_module_registration_hooks,
)
_init, _set_attribute = Module.__init__, Module.__setattr__
_register_parameter, _register_buffer, _add_module = Module.register_parameter, Module.register_buffer, Module.add_module


@functools.cache
def _bare_recipe() -> Recipe:
    """Of `nn.Module` itself."""
    module = object.__new__(Module)
    _init(module)
    return Recipe(module)


@functools.cache
def is_ordinary(kind: Any) -> bool:
    """Whether instances of a class keep their attributes, parameters, buffers and modules as `nn.Module` does."""
    names = ("__new__", "__getattr__", "register_parameter", "register_buffer", "add_module", "call_super_init")
    return (
        all(getattr(kind, name) is getattr(Module, name) for name in names)
        and kind.__setattr__ in (_set_attribute, _lean_set_attribute)
        and not any(hasattr(getattr(kind, name, None), "__set__") for name in _bare_recipe().names)
    )


def _lean_init(self: Module, *args: Any, **kwargs: Any) -> None:
    kind: Any = type(self)
    if _building.now and kind not in _known.constructors:
        _meet(kind)
    if args or kwargs or not is_ordinary(kind):
        _init(self, *args, **kwargs)
    else:
        _bare_recipe().fill(self.__dict__)


def _lean_set_attribute(self: Any, name: str, value: Any) -> None:
    held = self.__dict__
    modules = held.get("_modules")
    if modules is None or name in modules or name in held["_parameters"] or name in held["_buffers"]:
        _set_attribute(self, name, value)
    elif type(value) in _NEITHER:
        object.__setattr__(self, name, value)
    elif not is_ordinary(self.__class__) or any(_HOOKS):
        _set_attribute(self, name, value)
    elif isinstance(value, Module):
        held.pop(name, None)
        held["_non_persistent_buffers_set"].discard(name)
        modules[name] = value
    elif type(value) is Parameter and _is_allowed(name) and not hasattr(type(self), name) and value.grad_fn is None:
        held.pop(name, None)
        held["_non_persistent_buffers_set"].discard(name)
        held["_parameters"][name] = value
    else:
        _set_attribute(self, name, value)


def _is_allowed(name: Any) -> bool:
    return type(name) is str and name != "" and "." not in name


def _is_unused(module: Any, name: Any) -> bool:
    """Whether torch would register something under this name without a word."""
    held = module.__dict__
    return (
        _is_allowed(name)
        and "_modules" in held
        and not (name in held or name in held["_parameters"] or name in held["_buffers"] or name in held["_modules"])
        and not hasattr(type(module), name)
        and is_ordinary(module.__class__)
        and not any(_HOOKS)
    )


def _lean_register_parameter(self: Module, name: str, param: Parameter | None) -> None:
    if (param is None or (type(param) is Parameter and param.grad_fn is None)) and _is_unused(self, name):
        self._parameters[name] = param
    else:
        _register_parameter(self, name, param)


def _lean_register_buffer(self: Module, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
    if persistent is True and (tensor is None or type(tensor) is Tensor) and _is_unused(self, name):
        self._buffers[name] = tensor
    else:
        _register_buffer(self, name, tensor, persistent)


def _lean_add_module(self: Module, name: str, module: Module | None) -> None:
    if isinstance(module, Module) and _is_unused(self, name):
        self._modules[name] = module
    else:
        _add_module(self, name, module)


class _Building(threading.local):
    """What this thread is at."""

    now = False  # it builds
    keeping = False  # a module around this one will be kept as a recipe


class _Known:
    """What is known of constructors. All threads share it; whatever order they come in, an entry is right or absent."""

    def __init__(self) -> None:
        self.constructors: dict[type, Callable[..., None] | None] = {}  # of classes met, the one that was replaced, if any
        self.trusted: dict[type, bool] = {}  # whether a recipe of the class was found to be right
        self._recipes: dict[Any, Recipe | None] = {}  # None: constructed once
        self._older = self._recipes
        self._modules = 0

    def find(self, key: Any) -> tuple[bool, Recipe | None]:
        """Whether something was constructed with these arguments before, and its recipe if there is one."""
        if key in self._recipes:
            return True, self._recipes[key]
        if key not in self._older:
            return False, None
        recipe = self._older[key]
        self.keep(key, recipe)
        return True, recipe

    def keep(self, key: Any, recipe: Recipe | None) -> None:
        """Remembers it, and forgets what was not used for long."""
        self._modules += recipe.modules if recipe else 1
        if self._modules > _MOST_MODULES:
            self._older, self._recipes, self._modules = self._recipes, {}, 0
        self._recipes[key] = recipe


_building = _Building()
_known = _Known()


@functools.cache
def _is_of_a_library(kind: Any) -> bool:
    return kind.__module__.partition(".")[0] in LIBRARIES and not issubclass(kind, _CONTAINERS)


def _meet(kind: Any) -> None:
    """Gives a class of a known library, when it first makes a module, a constructor that knows recipes."""
    _known.constructors[kind] = None
    owner = next(base for base in kind.__mro__ if "__init__" in vars(base))
    if _is_of_a_library(kind) and owner is not Module and not hasattr(owner.__init__, "constructs"):
        _known.constructors[owner] = vars(owner)["__init__"]
        _set_constructor(owner, _reusing(vars(owner)["__init__"]))


def _set_constructor(kind: Any, construct: Callable[..., None]) -> None:
    kind.__init__ = construct


def _replace_constructors() -> None:
    for owner, construct in _known.constructors.items():
        if construct is not None:
            _set_constructor(owner, _reusing(construct))


def _put_constructors_back() -> None:
    for owner, construct in _known.constructors.items():
        if construct is not None:
            _set_constructor(owner, construct)


def _reusing(construct: Callable[..., None]) -> Callable[..., None]:
    """The constructor, for threads that build with what is known of it."""

    @functools.wraps(construct)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        kind, held = self.__class__, self.__dict__
        is_outermost = not held and kind.__init__ is init  # not called by a derived class's own
        if (
            not (_building.now and is_outermost and _is_of_a_library(kind))
            or _known.trusted.get(kind) is False
            or torch._C._len_torch_function_stack()
        ):
            construct(self, *args, **kwargs)
            return
        try:
            key = kind, torch.get_default_dtype(), all_comparable(args), tuple(kwargs), all_comparable(tuple(kwargs.values()))
        except OutOfTheOrdinaryError:
            construct(self, *args, **kwargs)
            return
        is_known, recipe = _known.find(key)
        if recipe is not None and kind in _known.trusted:
            recipe.fill(held)
            return
        keeping, _building.keeping = _building.keeping, _building.keeping or is_known
        try:
            construct(self, *args, **kwargs)
        finally:
            _building.keeping = keeping
        _keep_or_compare(self, key, is_known, recipe)

    init.constructs = construct  # type: ignore[attr-defined]
    return init


def _keep_or_compare(module: Module, key: Any, is_known: bool, recipe: Recipe | None) -> None:
    """A module becomes a recipe when it is constructed a second time, one without parts at once; the next tries the first recipe of its class.

    Parts of a module that becomes one are left for another time, because they will hardly be constructed alone.
    """
    if module._modules and not is_known:
        _known.keep(key, None)
    elif not (module._modules and _building.keeping):
        try:
            made = Recipe(module)
        except OutOfTheOrdinaryError:
            _known.trusted[type(module)] = False
            return
        if recipe is None:
            _known.keep(key, made)
        else:
            _known.trusted[type(module)] = made == recipe


_exchange = Exchange(
    {
        (Module, "__init__"): _lean_init,
        (Module, "__setattr__"): _lean_set_attribute,
        (Module, "register_parameter"): _lean_register_parameter,
        (Module, "register_buffer"): _lean_register_buffer,
        (Module, "add_module"): _lean_add_module,
    },
    _replace_constructors,
    _put_constructors_back,
)


def lean_modules() -> contextlib.AbstractContextManager[None]:
    """Makes constructing modules lean while it lasts. Worth holding open over many builds: it changes base classes."""
    return _exchange.held()


@contextlib.contextmanager
def reusing_constructors() -> Iterator[None]:
    """Lets modules constructed on this thread be made from recipes; inside `lean_modules`."""
    before = _building.now
    _building.now = True
    try:
        yield
    finally:
        _building.now = before
