"""Building models that hold no numbers: every parameter on torch's meta device, and no time spent on start values.

Most of the time of building on the meta device goes into initialisers that fill tensors which hold nothing, into choosing the
device of every tensor, into constructing layers again that have been constructed before (`zoo.meta.module_cache`), and into the
garbage collector walking the many small objects of a model under construction. All of this is spared here.
"""

from __future__ import annotations

import contextlib
import functools
import gc
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


_TORCH_INITIALISERS = tuple(
    value
    for name, value in vars(nn.init).items()
    if isinstance(value, types.FunctionType) and name.endswith("_") and value.__module__ == nn.init.__name__
)


@contextlib.contextmanager
def skip_initialisers(functions: Iterable[Callable[..., Any]] = ()) -> Iterator[None]:
    """Makes torch's initialisers, and the given ones, return their tensor untouched.

    The functions' code is exchanged rather than the names that refer to them, because libraries import the names.
    Not safe against another thread that initialises a real model meanwhile.
    """
    changed = [f for f in (*_TORCH_INITIALISERS, *functions) if isinstance(f, types.FunctionType) and not f.__code__.co_freevars]
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
    """Switches the cyclic garbage collector off; what is unreachable stays until the next collection."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


_on_meta: ContextVar[frozenset[str]] = ContextVar("names of the functions that allocate on the meta device", default=frozenset())
_empty = torch.empty


def _allocating(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The function with the meta device as its default, as `torch.device("meta")` has it, but without a mode for all of torch.

    Random numbers are not drawn: torch's meta kernels for these are slow.
    """
    draws = name in ("rand", "randn")

    @functools.wraps(function)
    def allocate(*args: Any, **kwargs: Any) -> Any:
        if name not in _on_meta.get() or kwargs.get("device") is not None or torch._C._len_torch_function_stack():
            return function(*args, **kwargs)
        kwargs["device"] = META
        return (_empty if draws and kwargs.keys() <= {"device", "dtype"} else function)(*args, **kwargs)

    return allocate


def _filling(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def fill(tensor: Any, *args: Any, **kwargs: Any) -> Any:
        return tensor if _on_meta.get() and tensor.is_meta else function(tensor, *args, **kwargs)

    return fill


_ALLOCATORS = {
    (library, name): _allocating(function, name)
    for library in (torch, torch.fft)
    for name, function in list(vars(library).items())
    if isinstance(function, types.BuiltinFunctionType | types.FunctionType) and function in _device_constructors()
}
_FILLS = {(torch.Tensor, name): _filling(getattr(torch.Tensor, name)) for name in ("normal_", "uniform_")}
_patches = Patches({**_ALLOCATORS, **_FILLS})

_EVERYTHING = frozenset(name for _, name in _ALLOCATORS)
_PARAMETERS = frozenset({"empty", "rand", "randn"})
"""What layers allocate their parameters with. With only these on the meta device, a constructor can compute with small tensors
and read the results, as torchvision's RegNet does for its widths."""


@contextlib.contextmanager
def buildable() -> Iterator[None]:
    """Prepares torch for `build_on_meta` while the context lasts. Worth holding open over many builds: it changes base classes.

    Nothing is different on threads that do not build. Contexts nest, also over threads.
    """
    with reusable_constructors(), _patches.held():
        yield


def allocating_as_usual() -> contextlib.AbstractContextManager[None]:
    """Lets a part of a constructor allocate where it would without `build_on_meta`: reading a file needs memory behind its tensors."""
    return setting(_on_meta, frozenset())


def build_on_meta(
    constructor: Callable[[], nn.Module], initialisers: Iterable[Callable[..., Any]] = (), *, reuse: bool = False
) -> nn.Module:
    """The model a constructor makes, in evaluation mode, with all its parameters on the meta device.

    Buffers of whole numbers stay where the constructor put them: their values can decide what the model does.

    Args:
        constructor: makes the model.
        initialisers: functions that only fill tensors; they are skipped, and torch's own with them.
        reuse: make modules of torch, torchvision and timm that are like earlier ones from recipes. For constructors that leave
            the configuration of these libraries as it is.

    Raises:
        Exception: whatever the constructor raises.
    """
    reusing = reusing_constructors if reuse else contextlib.nullcontext
    with buildable(), skip_initialisers(initialisers), without_collector(), reusing():
        try:
            with setting(_on_meta, _EVERYTHING):
                model = constructor()
        except (NotImplementedError, RuntimeError) as error:
            if "meta" not in str(error):
                raise
            with setting(_on_meta, _PARAMETERS):
                model = constructor()
        _finish_model(model)
    return model


def _finish_model(model: nn.Module) -> None:
    """Evaluation mode, and what the constructor left elsewhere moved to the meta device; shared parameters stay shared."""
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
