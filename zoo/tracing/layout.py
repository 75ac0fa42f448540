"""In which order a GPU leaves the elements of a result in memory, where torch's meta kernels say otherwise.

Strides decide which later calls are free views and which are real copies. Most meta kernels give those of the device; the rules
here are for the few that do not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._prims_common import suggest_memory_format

Rule = Callable[[Any, Sequence[Any], dict[str, Any]], "Tensor | None"]
"""(operator, positional, keyword arguments) -> its result on a GPU, or None to leave the call to the meta kernel."""

_aten = torch.ops.aten
_FLASH_DTYPES = (torch.float16, torch.bfloat16)
_FLASH_WIDEST_HEAD = 256


def _convolution(func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
    """cuDNN's `cudnn_conv_suggest_memory_format`: channels last where the input or the weight is so; meta kernels forget it."""
    x, weight = args[0], args[1]
    if x.dim() != 4 or not any(suggest_memory_format(t) == torch.channels_last for t in (x, weight)):
        return None
    return torch.empty_like(func(*args, **kwargs), memory_format=torch.channels_last)


def _batch_norm(func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
    """(input, weight, bias, running mean, running variance, training, …): in evaluation like its input, whatever the others are."""
    return None if args[5] or args[3] is None else torch.empty_like(args[0])


def _attention(func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor | None:
    """By the kernel that takes the call, as torch's `sdp_utils.cpp` chooses.

    Flash attention (half precision, no mask, one head width) works on (batch, length, heads, width) and gives the layout of its
    queries. Memory-efficient attention (float32, or a mask) gives that order whatever it gets. Others multiply matrices.
    """
    q, k, v = args[:3]
    mask = args[3] if len(args) > 3 else kwargs.get("attn_mask")
    if not q.dim() == k.dim() == v.dim() == 4 or any(t.stride(-1) != 1 for t in (q, k, v)):
        return None
    is_flash = q.dtype in _FLASH_DTYPES and mask is None and q.shape[-1] == v.shape[-1] <= _FLASH_WIDEST_HEAD
    if is_flash:
        return torch.empty_like(q.transpose(1, 2)).transpose(1, 2)
    if q.shape[:2] != k.shape[:2]:  # grouped queries
        return None
    batch, heads, length, _ = q.shape
    return torch.empty((batch, length, heads, v.shape[-1]), dtype=q.dtype, device=q.device).transpose(1, 2)


GPU_LAYOUTS: dict[Any, Rule] = {
    _aten.conv2d: _convolution,
    _aten.conv_transpose2d: _convolution,
    _aten.convolution: _convolution,
    _aten.batch_norm: _batch_norm,
    _aten.scaled_dot_product_attention: _attention,
}
"""By operator, all overloads."""
