"""Results of convolution, batch norm and attention, in the memory layout of a device.

Strides decide which later calls are free views and which are copies. Most meta kernels return the strides of devices; the operators here
do not: convolution ignores channels last, and attention is decomposed, with another layout than the fused kernels of devices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from zoo.meta.new_tensors import META
from zoo.operators.shape_inference import SHORTCUTS, Shortcut, is_channels_last, is_float, is_one_type, normalised

_aten = torch.ops.aten
_FLASH_DTYPES = (torch.float16, torch.bfloat16)
_FLASH_WIDEST_HEAD = 256


def _conv2d(args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
    """(input, weight, bias, stride, padding, dilation, groups).

    Kernels of devices return channels last if the input or the weight is so; the meta kernel does not.
    """
    x, weight = args[0], args[1]
    if x.dim() != 4:
        return None
    is_last = is_channels_last(x) or is_channels_last(weight)
    if not is_last and not (x.is_contiguous() and weight.is_contiguous()):
        return None
    shape = _conv2d_shape(*args, **kwargs)
    if shape is None:
        return torch.empty_like(_aten.conv2d(*args, **kwargs), memory_format=torch.channels_last) if is_last else None
    memory_format = torch.channels_last if is_last else torch.contiguous_format
    return torch.empty(shape, dtype=x.dtype, device=META, memory_format=memory_format)


def _conv2d_shape(  # noqa: PLR0913, PLR0917  # they are the operator's own
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sequence[int] = (1, 1),
    padding: Sequence[int] | str = (0, 0),
    dilation: Sequence[int] = (1, 1),
    groups: int = 1,
) -> tuple[int, ...] | None:
    """(N, C_out, H, W), each side (size + 2 padding - dilation (kernel - 1) - 1) / stride + 1; None if arguments do not fit."""
    if isinstance(padding, str) or weight.dim() != 4 or not all(len(each) == 2 for each in (stride, padding, dilation)):
        return None
    channels, inner, *kernel = weight.shape
    fits = (
        is_float(x)
        and is_float(weight)
        and (bias is None or (is_float(bias) and bias.shape == (channels,)))
        and is_one_type((x, weight, bias))
        and x.shape[1] == inner * groups
        and channels % groups == 0
        and min(*stride, *dilation, *x.shape, *weight.shape) > 0
        and min(padding) >= 0
    )
    sides = [(x.shape[i + 2] + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1 for i in (0, 1) if fits]
    return (x.shape[0], channels, *sides) if fits and min(sides) > 0 else None


def _cpu_batch_norm(args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
    """(input, weight, bias, running mean, running variance, training, …), with statistics or in training, which computes them."""
    if len(args) < 6 or (args[3] is None) != (args[4] is None) or (args[3] is None and not args[5]):
        return None
    if args[5] and (args[0].dim() < 2 or args[0].numel() <= args[0].shape[1]):  # one value has no variance
        return None
    return normalised(args[:5], {})


def is_fused_on_cpu(args: Sequence[Any], kwargs: dict[str, Any]) -> bool:
    """Whether the CPU's flash attention computes a call of `scaled_dot_product_attention`.

    The conditions are those of torch's `use_flash_attention_cpp`, confirmed by experiment.
    """
    q, k, v = args[:3]
    mask = args[3] if len(args) > 3 else kwargs.get("attn_mask")
    dropout = args[4] if len(args) > 4 else kwargs.get("dropout_p", 0.0)
    if not (q.dim() == k.dim() == v.dim() and q.dim() in (3, 4)) or dropout:
        return False
    query_heads, key_heads = q.shape[-3], k.shape[-3]
    is_grouped = bool(kwargs.get("enable_gqa")) and key_heads > 0 and query_heads % key_heads == 0
    return (
        q.shape[-1] == k.shape[-1]
        and k.shape == v.shape
        and q.shape[:-3] == k.shape[:-3]
        and (key_heads in (1, query_heads) or is_grouped)
        and all(t.stride(-1) == 1 for t in (q, k, v))
        and (mask is None or mask.dim() in ((2, 4) if q.dim() == 4 else (2, 3, 4)))
    )


def _cpu_attention(args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
    """The result has the layout of q if the CPU's flash attention computes the call.

    The meta kernel decomposes attention, and with its layout later reshapes would be copies that no device makes.
    """
    return torch.empty_like(args[0]) if is_fused_on_cpu(args, kwargs) else None


def _other_convolution(func: Any) -> Shortcut:
    """Convolutions without a shortcut for their shape, in cuDNN's layout: channels last if the input or the weight is so."""

    def infer(args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
        if args[0].dim() != 4 or not (is_channels_last(args[0]) or is_channels_last(args[1])):
            return None
        return torch.empty_like(func(*args, **kwargs), memory_format=torch.channels_last)

    return infer


def _cuda_batch_norm(args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
    """In evaluation the same as the input, for any strides and any dtype of the statistics."""
    return _cpu_batch_norm(args, kwargs) if args[5] or args[3] is None else torch.empty_like(args[0])


def _cuda_attention(args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
    """In the layout of the kernel that torch's `sdp_utils.cpp` chooses.

    Flash attention (half precision, no mask, one head width) works on (batch, length, heads, width) and returns the layout of its
    queries. Memory-efficient attention (float32, or a mask) always returns that order. Other calls are matrix products.
    """
    q, k, v = args[:3]
    mask = args[3] if len(args) > 3 else kwargs.get("attn_mask")
    if not q.dim() == k.dim() == v.dim() == 4 or any(t.stride(-1) != 1 for t in (q, k, v)):
        return _cpu_attention(args, kwargs)
    is_flash = q.dtype in _FLASH_DTYPES and mask is None and q.shape[-1] == v.shape[-1] <= _FLASH_WIDEST_HEAD
    if is_flash:
        return torch.empty_like(q.transpose(1, 2)).transpose(1, 2)
    if q.shape[:2] != k.shape[:2]:  # grouped queries
        return _cpu_attention(args, kwargs)
    batch, heads, length, _ = q.shape
    return torch.empty((batch, length, heads, v.shape[-1]), dtype=q.dtype, device=q.device).transpose(1, 2)


CPU_SHORTCUTS: Mapping[Any, Shortcut] = {
    **SHORTCUTS,
    _aten.conv2d: _conv2d,
    _aten.batch_norm: _cpu_batch_norm,
    _aten.scaled_dot_product_attention: _cpu_attention,
}
"""By operator, for all overloads: a shortcut returns the result, or None to run the meta kernel."""

CUDA_SHORTCUTS: Mapping[Any, Shortcut] = {
    **CPU_SHORTCUTS,
    _aten.conv_transpose2d: _other_convolution(_aten.conv_transpose2d),
    _aten.convolution: _other_convolution(_aten.convolution),
    _aten.batch_norm: _cuda_batch_norm,
    _aten.scaled_dot_product_attention: _cuda_attention,
}
"""The same on a CUDA GPU."""

TRAINING_SHORTCUTS: Mapping[Any, Shortcut] = {**CPU_SHORTCUTS, _aten.convolution: _other_convolution(_aten.convolution)}
"""The same on a CPU under autograd, where convolutions arrive as one operator."""
