"""Runs single operators on the meta device, also if tensors are on several devices, without slow kernels where possible."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
import torch._dynamo  # torch's Python kernels import it at their first call; what that leaves behind would keep activations alive
from torch import Tensor

from zoo.meta.new_tensors import META
from zoo.operators.op_record import tensors_in
from zoo.operators.shape_inference import FIXED_RESULTS, Shortcut

_aten = torch.ops.aten
_TAKES_REAL_INDICES = frozenset({_aten.index, _aten.index_put, _aten.index_put_})
_TAKES_REAL_LENGTHS = frozenset({_aten.lstm, _aten.gru, _aten.rnn_tanh, _aten.rnn_relu})  # of packed sequences


@cache
def is_view(func: Any) -> bool:
    """Whether the result always aliases an argument. `reshape` and `contiguous` may copy and are not views."""
    schema = func._schema
    aliases = any(r.alias_info is not None for r in schema.returns)
    return bool(aliases and not schema.is_mutable and not is_composite(func))


@cache
def is_composite(func: Any) -> bool:
    """Whether torch composes an operator of others."""
    return bool(torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd"))


def on_one_device(func: Any, args: Any, kwargs: Any) -> tuple[Any, Any]:
    """The arguments with real tensors replaced by meta ones if both kinds occur; unchanged if there is no meta tensor.

    So a constant on the CPU can be combined with activations on the meta device. 0-dimensional tensors and real indices stay, because torch
    accepts these, and the values of an index can decide on a shape.
    """
    tensors = list(tensors_in((args, kwargs)))
    if not any(t.is_meta for t in tensors):
        return args, kwargs
    if func._overloadpacket in _TAKES_REAL_INDICES:
        return (_to_meta(args[0], False), args[1], *_to_meta(args[2:], False)), kwargs
    keeps_whole_numbers = func._overloadpacket in _TAKES_REAL_LENGTHS
    return _to_meta(args, keeps_whole_numbers), _to_meta(kwargs, keeps_whole_numbers)


def _to_meta(value: Any, keeps_whole_numbers: bool) -> Any:
    if isinstance(value, Tensor):
        if value.layout != torch.strided:
            raise NotImplementedError("a sparse tensor has no entries on the meta device")
        stays = value.is_meta or value.dim() == 0 or (keeps_whole_numbers and not value.is_floating_point())
        return value if stays else value.to(META)
    if type(value) in (tuple, list):
        return type(value)(_to_meta(item, keeps_whole_numbers) for item in value)
    if isinstance(value, dict):
        return {name: _to_meta(item, keeps_whole_numbers) for name, item in value.items()}
    return value


def run_operator(func: Any, args: Any, kwargs: Any, shortcuts: Mapping[Any, Shortcut]) -> Any:
    """The operator's result: from a shortcut if there is one, which avoids slow meta kernels, else from the kernel."""
    if func._overloadpacket in FIXED_RESULTS:
        return FIXED_RESULTS[func._overloadpacket]
    shortcut = shortcuts.get(func._overloadpacket)
    out = shortcut(args, kwargs) if shortcut is not None else None
    return func(*args, **kwargs) if out is None else out
