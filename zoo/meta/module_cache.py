"""Makes torch modules from recipes instead of constructing them, for models without data.

Building a model on the meta device calls thousands of small constructors, most of them with equal arguments: the same blocks occur many
times in one model and in the next. On a thread that reuses constructors, a module with the arguments of an earlier one is made from a
recipe: the state of the earlier one after its constructor, with new modules, parameters and buffers.

This applies only to classes of the libraries named here, and only inside `reusable_constructors`: their constructors depend only on their
arguments and on torch's default dtype, as long as the configuration of the library does not change. This is verified: one module of each
class is constructed again and compared with the recipe, and the class is excluded if they differ. Special cases are constructed as
usual: arguments or attributes that are not plain values, shared or real tensors, hooks, classes whose constructor was replaced, classes
derived outside the libraries, and the context of another device.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as torch_module

from zoo.meta.module_recipes import NotReusableError, Recipe, all_comparable
from zoo.meta.patching import Patches, setting

_LIBRARIES = frozenset({"torch", "torchvision", "timm"})
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)  # their arguments are modules
_MOST_MODULES = 20_000
"""Limit of modules in all recipes of one generation, some 2 kB each; recipes not used in the next generation are dropped."""

_HOOKS = (
    torch_module._global_parameter_registration_hooks,
    torch_module._global_buffer_registration_hooks,
    torch_module._global_module_registration_hooks,
)


_reuses = ContextVar("whether this thread makes modules from recipes", default=False)
_is_inside_recipe = ContextVar("whether a module around this one will become a recipe", default=False)


class _KnownConstructors:
    """Recipes and verified classes, shared by all threads; any order of their accesses is safe."""

    def __init__(self) -> None:
        self.constructors: dict[type, tuple[Any, Any] | None] = {}  # by class: the original constructor and its replacement
        self.trusted: dict[type, bool] = {}  # whether the recipe of a class was equal to a constructed module
        self._recipes: dict[Any, Recipe | None] = {}  # None: constructed once
        self._older = self._recipes
        self._modules = 0

    def find(self, key: Any) -> tuple[bool, Recipe | None]:
        """Whether a module was constructed with these arguments before, and its recipe if there is one."""
        if key in self._recipes:
            return True, self._recipes[key]
        if key not in self._older:
            return False, None
        recipe = self._older[key]
        self.keep(key, recipe)
        return True, recipe

    def keep(self, key: Any, recipe: Recipe | None) -> None:
        """Keeps a recipe; drops recipes that were not used for a generation."""
        self._modules += recipe.modules if recipe else 1
        if self._modules > _MOST_MODULES:
            self._older, self._recipes, self._modules = self._recipes, {}, 0
        self._recipes[key] = recipe

    def forget(self) -> None:
        """Restores all constructors that are still replaced, and drops all recipes."""
        for kind, replaced in self.constructors.items():
            if replaced is not None and vars(kind).get("__init__") is replaced[1]:
                _set_constructor(kind, replaced[0])
        vars(self).update(vars(_KnownConstructors()))


_known = _KnownConstructors()


def _init_module(self: Any, *args: Any, **kwargs: Any) -> None:
    """`nn.Module.__init__`, which every constructor calls: it prepares classes that occur for the first time."""
    kind = self.__class__
    if _reuses.get() and kind not in _known.constructors:
        _prepare_class(kind)
    _patches.original(nn.Module, "__init__")(self, *args, **kwargs)


_patches = Patches({(nn.Module, "__init__"): _init_module}, end=_known.forget)


def reusable_constructors() -> contextlib.AbstractContextManager[None]:
    """Keeps recipes while the context lasts. Keep it open over many builds: it changes base classes, and drops the recipes at the end."""
    return _patches.held()


def reusing_constructors() -> contextlib.AbstractContextManager[None]:
    """Makes modules of this thread from recipes; to be used inside `reusable_constructors`."""
    return setting(_reuses, True)


def _prepare_class(kind: Any) -> None:
    """Replaces the constructor of a class by one that uses recipes, if the class belongs to a known library."""
    _known.constructors[kind] = None
    owner = next(base for base in kind.__mro__ if "__init__" in vars(base))
    if _is_of_a_library(kind) and owner is not nn.Module and _known.constructors.get(owner) is None:
        construct = vars(owner)["__init__"]
        replacement = _with_recipes(construct)
        _known.constructors[owner] = construct, replacement
        _set_constructor(owner, replacement)


def _set_constructor(kind: Any, construct: Callable[..., None]) -> None:
    kind.__init__ = construct


@functools.cache
def _is_of_a_library(kind: Any) -> bool:
    return kind.__module__.partition(".")[0] in _LIBRARIES and not issubclass(kind, _CONTAINERS)


def _with_recipes(construct: Callable[..., None]) -> Callable[..., None]:
    """The constructor, with recipes on threads that use them."""

    @functools.wraps(construct)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        key = _key_of(self, init, args, kwargs) if _reuses.get() else None
        if key is None:
            construct(self, *args, **kwargs)
            return
        is_known, recipe = _known.find(key)
        if recipe is not None and self.__class__ in _known.trusted:
            recipe.fill(self.__dict__)
            return
        token = _is_inside_recipe.set(_is_inside_recipe.get() or is_known)
        try:
            construct(self, *args, **kwargs)
        finally:
            _is_inside_recipe.reset(token)
        _keep_or_verify(self, key, is_known, recipe)

    return init


def _key_of(module: Any, constructor: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Everything that a module depends on, if it can be made from a recipe; else None."""
    kind = module.__class__
    is_outermost = not module.__dict__ and kind.__init__ is constructor  # not called by the constructor of a derived class
    is_plain = is_outermost and _is_of_a_library(kind) and _known.trusted.get(kind) is not False
    if not is_plain or any(_HOOKS) or torch._C._len_torch_function_stack():
        return None
    try:
        return kind, torch.get_default_dtype(), all_comparable(args), tuple(kwargs), all_comparable(tuple(kwargs.values()))
    except NotReusableError:
        return None


def _keep_or_verify(module: nn.Module, key: Any, is_known: bool, recipe: Recipe | None) -> None:
    """Makes a recipe of a constructed module, or verifies the first recipe of its class.

    A module with submodules gets a recipe when it is constructed for the second time, other modules at once. While a module gets a recipe,
    its submodules with submodules get none: they are rarely constructed alone.
    """
    if module._modules and not is_known:
        _known.keep(key, None)
    elif not (module._modules and _is_inside_recipe.get()):
        try:
            made = Recipe(module)
        except NotReusableError:
            _known.trusted[type(module)] = False
            return
        if recipe is None:
            _known.keep(key, made)
        else:
            _known.trusted[type(module)] = made == recipe
