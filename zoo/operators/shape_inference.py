"""Results of common operators on the meta device, without running their kernels.

Many of torch's meta kernels are written in Python and take milliseconds for each new shape. Where a result is simply like the first
argument, a shortcut makes it in microseconds. A shortcut returns None if it is not certain of the result, and a test compares every
shortcut with its kernel, layout included. Results in the layout of a device instead of the meta kernel's are in
`zoo.operators.device_layouts`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._prims_common import suggest_memory_format

from zoo.meta.new_tensors import META, is_canonical, new_tensor, same_as, same_as_two

Shortcut = Callable[[Sequence[Any], dict[str, Any]], "Tensor | None"]
_aten = torch.ops.aten


def is_float(value: Any) -> bool:
    """A floating-point tensor on the meta device."""
    return isinstance(value, Tensor) and value.is_meta and value.is_floating_point()


def _is_plain(value: Any) -> bool:
    """Such a tensor that is contiguous."""
    return is_float(value) and value.is_contiguous()


def _like_first(args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
    """Elementwise functions of one tensor: the same shape, layout and dtype."""
    others = (*args[1:], *kwargs.values())  # a second operand, or the tensor that `out=` names
    if not is_float(args[0]) or any(isinstance(a, (Tensor, torch.dtype)) for a in others):
        return None
    return same_as(args[0])


def _first_itself(args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
    """In-place operators return their argument."""
    return args[0] if _is_plain(args[0]) and not any(isinstance(a, Tensor) for a in args[1:]) else None


def _elementwise_of_two(args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
    """Elementwise functions of two tensors, broadcast to one shape, or of a tensor and a number."""
    if kwargs or len(args) != 2 or not is_float(args[0]):
        return None
    x, y = args
    if type(y) in (int, float):
        return same_as(x)
    if not is_float(y) or x.dtype != y.dtype or not x.dim() or not y.dim():
        return None
    return same_as_two(x, y)


def is_one_type(arguments: Sequence[Any]) -> bool:
    """Whether all tensors have one dtype."""
    return len({a.dtype for a in arguments if isinstance(a, Tensor)}) == 1


def normalised(args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
    """group_norm and batch_norm: the shape of the input. Mixed dtypes are left to the kernel."""
    is_known = is_float(args[0]) and is_canonical(args[0]) and is_one_type((*args, *kwargs.values()))
    return new_tensor(args[0].shape, args[0]) if is_known else None


def _layer_norm(args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
    """(input, normalised shape, …): the shape of the input, contiguous."""
    x, shape = args[0], list(args[1])
    if not is_float(x) or not is_one_type((*args, *kwargs.values())) or list(x.shape[x.dim() - len(shape) :]) != shape:
        return None
    return new_tensor(x.shape, x) if is_canonical(x) or (not x.is_contiguous() and x.numel()) else None


def _may_be_channels_last(tensor: Tensor) -> bool:
    """A fast test that excludes most tensors which are not channels last; torch's own is slow."""
    return tensor.dim() == 4 and tensor.stride(3) >= tensor.stride(1) * tensor.shape[1]


def is_channels_last(tensor: Tensor) -> bool:
    """Whether torch regards a tensor as channels last; some strides fit both layouts."""
    return _may_be_channels_last(tensor) and suggest_memory_format(tensor) == torch.channels_last


def _norm(args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
    """(input, order, dimensions, whether they are kept as 1). Some orders are undefined without elements."""
    is_known = len(args) > 2 and type(args[1]) in (int, float) and args[0].numel()
    return _mean((args[0], *args[2:]), kwargs) if is_known else None


def _roll(args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
    """(input, shifts, dimensions)."""
    x, *rest = args
    if kwargs or len(rest) != 2 or not _is_plain(x) or not is_canonical(x):
        return None
    shifts, dims = rest
    if not (isinstance(shifts, list | tuple) and isinstance(dims, list | tuple) and 0 < len(shifts) == len(dims)):
        return None
    return new_tensor(x.shape, x) if all(-x.dim() <= dim < x.dim() for dim in dims) else None


def _resized(args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
    """(image, height and width, …): of that size, in the layout of the image."""
    x, size = args[0], args[1] if len(args) > 1 else None
    if kwargs or not is_float(x) or x.dim() != 4 or not isinstance(size, list | tuple) or len(size) != 2 or len(args) > 4:
        return None
    if min(*x.shape, *size) < 1 or (len(args) == 4 and args[3] is not None):
        return None
    memory_format = torch.channels_last if is_channels_last(x) else torch.contiguous_format
    if not x.is_contiguous(memory_format=memory_format):
        return None
    return torch.empty((*x.shape[:2], *size), dtype=x.dtype, device=META, memory_format=memory_format)


def _mean(args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
    """(input, dimensions, whether they are kept as 1)."""
    x, *rest = args
    if kwargs or len(rest) not in (1, 2) or not _is_plain(x) or not isinstance(rest[0], (list, tuple)) or not rest[0]:
        return None
    dims = {dim % x.dim() for dim in rest[0] if -x.dim() <= dim < x.dim()}
    if len(dims) != len(rest[0]):
        return None
    is_kept = len(rest) == 2 and rest[1]
    return new_tensor([1 if dim in dims else size for dim, size in enumerate(x.shape) if is_kept or dim not in dims], x)


def _cat(args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
    """(tensors, dimension): a new contiguous tensor. The shapes differ in that dimension only.

    The result of images that are channels last has another layout.
    """
    tensors, dim = args[0], args[1] if len(args) > 1 else 0
    if kwargs or not tensors or not all(is_float(t) and t.numel() for t in tensors) or not is_one_type(tensors):
        return None
    dims = tensors[0].dim()
    if not -dims <= dim < dims or any(t.dim() != dims for t in tensors):
        return None
    if dims > 3 and not all(t.is_contiguous() and not _may_be_channels_last(t) for t in tensors):
        return None
    before, after = tensors[0].shape[: dim % dims], tensors[0].shape[dim % dims + 1 :]
    if any(t.shape[: len(before)] != before or t.shape[len(before) + 1 :] != after for t in tensors):
        return None
    return new_tensor((*before, sum([t.shape[len(before)] for t in tensors]), *after), tensors[0])


def _linear(args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
    """x (..., K), weight (N, K): (..., N)."""
    x, weight = args[0], args[1]
    if not (_is_plain(x) and _is_plain(weight)) or weight.dim() != 2 or x.dtype != weight.dtype or x.dim() < 2:
        return None
    if x.shape[-1] != weight.shape[1]:
        return None
    return new_tensor((*x.shape[:-1], weight.shape[0]), x)


def _moved(args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
    """`x.to("cpu")` of a tensor without data stays on the meta device, as if the whole model were on one device; dtypes are applied."""
    if not args[0].is_meta:
        return None
    moved = tuple(META if _is_device(arg) else arg for arg in args)
    named = {name: META if _is_device(value) else value for name, value in kwargs.items()}
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
    **dict.fromkeys([_aten.add, _aten.sub, _aten.mul, _aten.div, _aten.pow, _aten.clamp_min], _elementwise_of_two),
    _aten.mean: _mean,
    _aten.linalg_vector_norm: _norm,
    _aten.roll: _roll,
    **dict.fromkeys([_aten.upsample_bicubic2d, _aten.upsample_bilinear2d], _resized),
    _aten.cat: _cat,
    _aten.layer_norm: _layer_norm,
    _aten.group_norm: normalised,
    _aten.linear: _linear,
}  # fmt: skip
"""By operator, for all overloads. A shortcut returns the result, or None to run the kernel."""

FIXED_RESULTS: dict[Any, Any] = {
    # Whether a padding mask allows nested tensors: without them the dense layer is counted, its padding included.
    _aten._nested_tensor_from_mask_left_aligned: False,
}
"""Fixed results of operators that read values, which meta tensors do not have."""
