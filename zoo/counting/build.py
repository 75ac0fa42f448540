"""Building models that hold no numbers: every parameter on torch's meta device, and no time spent on start values.

Most of the time of building on the meta device goes into initialisers that fill tensors which hold nothing, and into the
garbage collector walking the many small objects of a model under construction; both are switched off here.
"""

from __future__ import annotations

import contextlib
import gc
import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._device import DeviceContext

META = torch.device("meta")


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


class _Meta(DeviceContext):
    """`with torch.device("meta")`, except that random tensors are not drawn: torch's meta kernels for these are slow."""

    _RANDOM = frozenset({torch.rand, torch.randn})
    _FILLS = frozenset({torch.Tensor.normal_, torch.Tensor.uniform_})

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in self._RANDOM and not kwargs and all(isinstance(size, int) for size in args):
            return torch.empty(args, device=META)
        if func in self._FILLS and args[0].device == META:
            return args[0]
        return super().__torch_function__(func, types, args, kwargs)  # type: ignore[no-untyped-call]


class _ParametersOnMeta(TorchFunctionMode):
    """Sends only the tensors that layers allocate for their parameters to the meta device.

    For constructors that compute with small tensors and read the results, as torchvision's RegNet does for its widths.
    """

    _ALLOCATORS = frozenset({torch.empty, torch.rand, torch.randn})

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in self._ALLOCATORS and kwargs.get("device") is None:
            kwargs["device"] = META
        return func(*args, **kwargs)


def build_on_meta(constructor: Callable[[], nn.Module], initialisers: Iterable[Callable[..., Any]] = ()) -> nn.Module:
    """The model a constructor makes, in evaluation mode, with all its parameters on the meta device.

    Buffers of whole numbers stay where the constructor put them: their values can decide what the model does.

    Raises:
        Exception: whatever the constructor raises.
    """
    with skip_initialisers(initialisers), without_collector():
        try:
            with _Meta(META):
                model = constructor()
        except (NotImplementedError, RuntimeError) as error:
            if "meta" not in str(error):
                raise
            with _ParametersOnMeta():
                model = constructor()
    _move_weights(model)
    return model.eval()


def _move_weights(model: nn.Module) -> None:
    """Moves what the constructor left elsewhere to the meta device, keeping shared parameters shared."""
    moved: dict[int, nn.Parameter] = {}
    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None and parameter.device != META:
                if id(parameter) not in moved:
                    moved[id(parameter)] = nn.Parameter(parameter.to(META), requires_grad=parameter.requires_grad)
                module._parameters[name] = moved[id(parameter)]
        for name, buffer in module._buffers.items():
            if buffer is not None and buffer.device != META and buffer.is_floating_point():
                module._buffers[name] = buffer.to(META)
