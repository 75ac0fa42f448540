"""Builds models without data: with every parameter on torch's meta device, and without initialisation.

Most of the time of building on the meta device is spent on initialisers of tensors without data, on the choice of the device of every
tensor, on constructing layers that were constructed before (`zoo.meta.module_cache`), and on garbage collections among the many small
objects of a model. All of this is avoided here.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import Any

import torch
from torch import nn
from torch.utils._device import _device_constructors

from zoo.meta.module_cache import reusable_constructors, reusing_constructors
from zoo.meta.module_stack import all_modules, set_evaluation_mode
from zoo.meta.new_tensors import META
from zoo.meta.patching import Patches, setting


def _fill_nothing(tensor: Any, *_: Any, **__: Any) -> Any:
    return tensor


def _library_initialisers() -> list[Callable[..., Any]]:
    """The initialisers of torch, and of timm if it is imported: other libraries use its layers."""
    modules = [nn.init, sys.modules.get("timm.layers.weight_init")]
    return [
        value for module in modules if module for name, value in vars(module).items() if name.endswith("_") and callable(value)
    ]


@contextlib.contextmanager
def skip_initialisers(functions: Iterable[Callable[..., Any]] = ()) -> Iterator[None]:
    """Makes the initialisers of torch and timm, and the given ones, return their tensor unchanged.

    The code of the functions is replaced instead of their names, because libraries import the names. Not thread-safe: another thread
    must not initialise a real model meanwhile.
    """
    changed = [
        f for f in (*_library_initialisers(), *functions) if isinstance(f, types.FunctionType) and not f.__code__.co_freevars
    ]
    saved = [(f, f.__code__, f.__defaults__, f.__kwdefaults__) for f in changed]
    try:
        for function in changed:
            function.__code__, function.__defaults__, function.__kwdefaults__ = _fill_nothing.__code__, None, None
        yield
    finally:
        for function, code, defaults, keyword_defaults in saved:
            function.__code__, function.__defaults__, function.__kwdefaults__ = code, defaults, keyword_defaults


@contextlib.contextmanager
def without_collector() -> Iterator[None]:
    """Disables the cyclic garbage collector; unreachable objects remain until the next collection."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


_on_meta: ContextVar[frozenset[str]] = ContextVar("names of the functions that allocate on the meta device", default=frozenset())
_empty = torch.empty


def _allocating_on_meta(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The function with the meta device as its default, as in the context `torch.device("meta")`, but without a mode for all of torch.

    `rand` and `randn` are replaced by `empty`, because their meta kernels are slow.
    """
    draws = name in ("rand", "randn")

    @functools.wraps(function)
    def allocate(*args: Any, **kwargs: Any) -> Any:
        if name not in _on_meta.get() or kwargs.get("device") is not None or torch._C._len_torch_function_stack():
            return function(*args, **kwargs)
        kwargs["device"] = META
        return (_empty if draws and kwargs.keys() <= {"device", "dtype"} else function)(*args, **kwargs)

    return allocate


def _skipping_meta_tensors(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def fill(tensor: Any, *args: Any, **kwargs: Any) -> Any:
        return tensor if _on_meta.get() and tensor.is_meta else function(tensor, *args, **kwargs)

    return fill


_ALLOCATORS = {
    (library, name): _allocating_on_meta(function, name)
    for library in (torch, torch.fft)
    for name, function in list(vars(library).items())
    if isinstance(function, types.BuiltinFunctionType | types.FunctionType) and function in _device_constructors()
}
_FILLS = {(torch.Tensor, name): _skipping_meta_tensors(getattr(torch.Tensor, name)) for name in ("normal_", "uniform_")}
_patches = Patches({**_ALLOCATORS, **_FILLS})

_ALL_ALLOCATORS = frozenset(name for _, name in _ALLOCATORS)
_PARAMETER_ALLOCATORS = frozenset({"empty", "rand", "randn"})
"""Functions with which layers allocate their parameters. If only these use the meta device, a constructor can compute with small tensors
and read the results, as torchvision's RegNet does for its widths."""


@contextlib.contextmanager
def buildable() -> Iterator[None]:
    """Prepares torch for `build_on_meta` while the context lasts. Keep it open over many builds: entering it changes base classes.

    Other threads are not affected. Contexts may be nested, also on several threads.
    """
    with reusable_constructors(), _patches.held():
        yield


def allocating_as_usual() -> contextlib.AbstractContextManager[None]:
    """Allocates on the usual devices inside `build_on_meta`, because reading a file needs tensors with data."""
    return setting(_on_meta, frozenset())


def build_on_meta(
    constructor: Callable[[], nn.Module], initialisers: Iterable[Callable[..., Any]] = (), *, reuse: bool = False
) -> nn.Module:
    """The model of a constructor, in evaluation mode, with all its parameters on the meta device.

    Integer buffers stay on the constructor's device: their values can decide on the model's operations.

    Args:
        constructor: makes the model.
        initialisers: other functions that only fill tensors; they are skipped like those of torch and timm.
        reuse: make modules of torch, torchvision and timm from recipes if their arguments have occurred before. For constructors that do
            not change the configuration of these libraries.

    Raises:
        Exception: whatever the constructor raises.
    """
    reusing = reusing_constructors if reuse else contextlib.nullcontext
    with buildable(), skip_initialisers(initialisers), without_collector(), reusing():
        try:
            with setting(_on_meta, _ALL_ALLOCATORS):
                model = constructor()
        except (NotImplementedError, RuntimeError) as error:
            if "meta" not in str(error):
                raise
            with setting(_on_meta, _PARAMETER_ALLOCATORS):
                model = constructor()
        _finish_model(model)
    return model


def _finish_model(model: nn.Module) -> None:
    """Sets evaluation mode and moves the remaining tensors to the meta device; shared parameters stay shared."""
    moved: dict[int, nn.Parameter] = {}
    for module in all_modules(model):
        held = module.__dict__
        for name, parameter in held["_parameters"].items():
            if parameter is not None and not parameter.is_meta:
                if id(parameter) not in moved:
                    moved[id(parameter)] = nn.Parameter(parameter.to(META), requires_grad=parameter.requires_grad)
                held["_parameters"][name] = moved[id(parameter)]
        for name, buffer in held["_buffers"].items():
            if buffer is not None and not buffer.is_meta and buffer.is_floating_point():
                held["_buffers"][name] = buffer.to(META)
    set_evaluation_mode(model)
