"""Remembers what whole layers do: calling a `Conv2d` like an earlier one costs a look-up, not its Python code and torch's.

A layer is a module of torch or of a zoo's library without modules inside it. If its call with one tensor ran a single operator
that made a new tensor or gave back its argument, or none, then the same happens for every layer of its class whose plain
attributes, and the shapes, strides and types of whose parameters, buffers and input, are the same. All of these are compared.
Layers with hooks, with attributes of any other kind, or in a pass without a memo run as always.
"""

from __future__ import annotations

import types
from operator import itemgetter
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_module

from zoo.counting.build import META
from zoo.counting.facts import OperationFacts
from zoo.counting.lean import LIBRARIES
from zoo.counting.recipes import CONSTANT
from zoo.counting.recorder import Entry, Memo, Recorder

_HOOKS = (
    torch_module._global_backward_pre_hooks,
    torch_module._global_backward_hooks,
    torch_module._global_forward_hooks,
    torch_module._global_forward_pre_hooks,
)
_STATE_OF_ALL = frozenset(vars(nn.Module())) - {"training"}
_without_recording = torch._C._DisableTorchDispatch


class _Call(NamedTuple):
    """What a call does. No result: it gives back its argument."""

    facts: tuple[OperationFacts, ...]
    result: tuple[Any, ...] | None  # shape, strides, dtype, bytes


class Layers:
    """Calls of the layers of one class.

    Args:
        layer: one of them; the others must have attributes of the same names.
    """

    __slots__ = ("calls", "constants", "lists", "size")

    def __init__(self, layer: nn.Module) -> None:
        held = layer.__dict__
        names = [name for name in held if name not in _STATE_OF_ALL]
        self.size = len(held)
        self.lists = [name for name in names if type(held[name]) is list]
        constants = [name for name in names if name not in self.lists]
        self.constants = itemgetter(*constants, "training")  # a tuple, because these are two at least
        self.calls: dict[Any, _Call | None] = {}  # None: it has to be run


class LayerMemo:
    """Answers the calls of layers in one pass; `zoo.counting.modules.answering` asks it."""

    def __init__(self, recorder: Recorder, memo: Memo) -> None:
        self._recorder = recorder
        self._classes: dict[type, Layers | None] = memo.layers
        self._is_inside = False  # a layer that is called for the first time

    def answer(self, layer: nn.Module, x: Any) -> Any:
        """The result of calling a layer with a tensor, or None where the call has to be made. Part of the hot path."""
        kind = type(layer)
        try:
            known = self._classes[kind]
        except KeyError:
            known = self._classes[kind] = Layers(layer) if _is_layer(layer) else None
        if known is None or type(x) is not Tensor or self._is_inside:
            return None
        held = layer.__dict__
        if len(held) != known.size or held["_modules"] or _has_hooks(held):
            return None
        recorder = self._recorder
        try:
            key = _key(known, held, x)
            call = known.calls[key]
        except TypeError:  # an attribute that cannot be hashed, or has another name
            return None
        except KeyError:
            return self._call_first(layer, x, known, _key(known, held, x))
        if call is None:
            return None
        if call.facts:
            recorder.calls.append((layer, call.facts))
        if call.result is None:
            return x
        shape, strides, dtype, nbytes = call.result
        with _without_recording():
            out = torch.empty_strided(shape, strides, dtype=dtype, device=META)
        recorder.memory.add_new(out.untyped_storage(), nbytes, layer)
        return out

    def _call_first(self, layer: nn.Module, x: Tensor, known: Layers, key: Any) -> Any:
        recorder = self._recorder
        seen, calls = len(recorder.seen), len(recorder.calls)
        self._is_inside = True
        recorder.modules.append(layer)
        try:
            out = layer._wrapped_call_impl(x)
        finally:
            recorder.modules.pop()
            self._is_inside = False
        is_its_own = all(module is layer for module, _ in recorder.calls[calls:])
        known.calls[key] = _remember(layer, x, out, recorder.seen[seen:]) if is_its_own else None
        return out


def _key(known: Layers, held: dict[str, Any], x: Tensor) -> tuple[Any, ...]:
    parts: list[Any] = [known.constants(held), x.shape, x.stride(), x.dtype, x.is_meta]
    for name in known.lists:
        parts.append(tuple(held[name]))  # noqa: PERF401  # mostly there is none
    for tensors in (held["_parameters"], held["_buffers"]):
        for tensor in tensors.values():
            parts += (None,) if tensor is None else (tensor.shape, tensor.stride(), tensor.dtype, tensor.is_meta)
    return tuple(parts)


def _has_hooks(held: dict[str, Any]) -> bool:
    of_its_own = held["_forward_hooks"] or held["_forward_pre_hooks"] or held["_backward_hooks"] or held["_backward_pre_hooks"]
    return bool(of_its_own) or any(_HOOKS)


def _is_layer(module: nn.Module) -> bool:
    is_known = type(module).__module__.partition(".")[0] in LIBRARIES
    return is_known and not module._modules and module._compiled_call_impl is None and _is_plain(module)


def _is_plain(module: nn.Module) -> bool:
    """Whether all attributes are values that are compared by what they are."""
    return all(_is_constant(value) for name, value in module.__dict__.items() if name not in _STATE_OF_ALL)


def _is_constant(value: Any) -> bool:
    kind = type(value)
    if kind in (tuple, list):
        return all(map(_is_constant, value))
    is_function = kind in (type, types.BuiltinFunctionType) or (kind is types.FunctionType and value.__closure__ is None)
    return kind in CONSTANT or is_function


def _remember(layer: nn.Module, x: Tensor, out: Any, seen: list[Entry | None]) -> _Call | None:
    """What a call did, if it can be done again without running the layer.

    Args:
        layer: after the call, which may have given it new attributes.
        x: its argument.
        out: its result.
        seen: the operators it ran; None for one that cannot be answered from memory.
    """
    if not _is_plain(layer) or len(seen) > 1:
        return None
    if not seen:
        return _Call((), None) if out is x else None
    entry = seen[0]
    if entry is not None and entry.returns_first and out is x:
        return _Call(entry.facts, None)
    if (
        entry is not None
        and entry.makes_one
        and type(out) is Tensor
        and (out.shape, out.stride(), out.dtype) == entry.results[0][:3]
    ):
        return _Call(entry.facts, entry.results[0])
    return None
