"""Results of common operators on the meta device, without running their kernels.

Many of torch's meta kernels are written in Python and take milliseconds, once for each new shape. Where a result is simply
"like the first argument", saying so takes microseconds. A shortcut declines (gives None) wherever that is not certain, and a
test compares every one with the kernel it stands for, layout included. Attention and convolution differ from it on purpose: they
have the layout of real devices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._prims_common import suggest_memory_format

Shortcut = Callable[[Sequence[Any], dict[str, Any]], "Tensor | None"]
_aten = torch.ops.aten


def _is_plain(tensor: Any) -> bool:
    """A contiguous floating-point tensor on the meta device."""
    return isinstance(tensor, Tensor) and tensor.device.type == "meta" and tensor.is_floating_point() and tensor.is_contiguous()


def _like_first(args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
    """Works on single elements of one tensor: the same shape and dtype."""
    others = (*args[1:], *kwargs.values())  # a second operand, or the tensor that `out=` names
    if not _is_plain(args[0]) or any(isinstance(a, (Tensor, torch.dtype)) for a in others):
        return None
    return torch.empty_like(args[0])


def _first_itself(args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
    """The in-place forms give back their argument."""
    return args[0] if _is_plain(args[0]) and not any(isinstance(a, Tensor) for a in args[1:]) else None


def _normalised(args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
    """layer_norm and group_norm: the shape of the input. Mixed dtypes are left to the kernel."""
    others = (a for a in (*args[1:], *kwargs.values()) if isinstance(a, Tensor))
    if not _is_plain(args[0]) or any(a.dtype != args[0].dtype for a in others):
        return None
    return torch.empty_like(args[0])


def _batch_norm(args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
    """(input, weight, bias, running mean, running variance, training, …): in evaluation as the other norms."""
    return None if len(args) < 6 or args[5] or args[3] is None else _normalised(args[:5], {})


def _linear(args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
    """x (..., K), weight (N, K): (..., N)."""
    x, weight = args[0], args[1]
    if not (_is_plain(x) and _is_plain(weight)) or weight.dim() != 2 or x.dtype != weight.dtype or x.dim() < 2:
        return None
    if x.shape[-1] != weight.shape[1]:
        return None
    return torch.empty((*x.shape[:-1], weight.shape[0]), dtype=x.dtype, device=x.device)


def _attention(args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
    """Where CPU flash attention takes the call, the result has the layout of q.

    Here the shortcut is not like the meta kernel: that takes the decomposed path, whose layout would turn later reshapes into
    copies that no real device makes. The conditions are those of torch's `use_flash_attention_cpp`, found by trying.
    """
    q, k, v = args[:3]
    mask = args[3] if len(args) > 3 else kwargs.get("attn_mask")
    dropout = args[4] if len(args) > 4 else kwargs.get("dropout_p", 0.0)
    if not (q.dim() == k.dim() == v.dim() and q.dim() in (3, 4)) or dropout:
        return None
    query_heads, key_heads = q.shape[-3], k.shape[-3]
    is_grouped = bool(kwargs.get("enable_gqa")) and key_heads > 0 and query_heads % key_heads == 0
    is_fused = (
        q.shape[-1] == k.shape[-1]
        and k.shape == v.shape
        and q.shape[:-3] == k.shape[:-3]
        and (key_heads in (1, query_heads) or is_grouped)
        and all(t.stride(-1) == 1 for t in (q, k, v))
        and (mask is None or mask.dim() in ((2, 4) if q.dim() == 4 else (2, 3, 4)))
    )
    return torch.empty_like(q) if is_fused else None


def _conv2d(args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
    """Real kernels give a channels-last result where the input or the weight is so; the meta kernel forgets it."""
    x, weight = args[0], args[1]
    if x.dim() != 4 or not any(suggest_memory_format(t) == torch.channels_last for t in (x, weight)):
        return None
    out = _aten.conv2d(*args, **kwargs)
    return torch.empty_like(out, memory_format=torch.channels_last)


def _moved(args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
    """`x.to("cpu")` of what has no data: a model is taken to be on one device, so a move is none, and a dtype is still given."""
    if args[0].device.type != "meta":
        return None
    device = torch.device("meta")
    moved = tuple(device if _is_device(arg) else arg for arg in args)
    named = {name: device if _is_device(value) else value for name, value in kwargs.items()}
    if moved == args and named == kwargs:
        return None
    result: Tensor = _aten.to(*moved, **named)
    return result


def _is_device(value: Any) -> bool:
    return isinstance(value, torch.device) and value.type != "meta"


_ELEMENTWISE = (
    "relu gelu silu sigmoid tanh hardswish hardsigmoid hardtanh leaky_relu elu mish relu6 exp sqrt rsqrt neg erf".split()
)

SHORTCUTS: dict[Any, Shortcut] = {
    **{getattr(_aten, name): _like_first for name in _ELEMENTWISE},
    **{
        getattr(_aten, f"{name}_"): _first_itself
        for name in ("relu", "gelu", "silu", "sigmoid", "tanh", "hardswish", "hardsigmoid", "hardtanh", "leaky_relu", "elu", "mish", "relu6")
    },
    _aten.to: _moved,
    _aten.layer_norm: _normalised,
    _aten.group_norm: _normalised,
    _aten.batch_norm: _batch_norm,
    _aten.linear: _linear,
    _aten.conv2d: _conv2d,
    _aten.scaled_dot_product_attention: _attention,
}  # fmt: skip
"""By operator, all overloads. Each gives the result, or None to leave the call to the kernel."""

ANSWERS: dict[Any, Any] = {
    # Whether a padding mask allows nested tensors: "no" counts the dense layer, its padding included.
    _aten._nested_tensor_from_mask_left_aligned: False,
}
"""Operators that ask about values, which meta tensors do not have, and what they are told."""
