"""Attention as the CPU's fused kernel computes it, without saving scores for the backward pass.

On the meta device torch decomposes `scaled_dot_product_attention` into matrix products and saves the scores of all heads. A fused kernel of a
device has the same products, but saves far less memory.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # torch's own habit

from zoo.meta.patching import Patches, setting
from zoo.operators.device_layouts import is_fused_on_cpu

_NAME = "scaled_dot_product_attention"


_fuses = ContextVar("whether attention is fused on this thread", default=False)


def _patched_attention(*args: Any, **kwargs: Any) -> Tensor:
    fused = _fused_result(*args, **kwargs) if _fuses.get() else None
    if fused is not None:
        return fused
    out: Tensor = _patches.original(F, _NAME)(*args, **kwargs)
    return out


_patches = Patches({(F, _NAME): _patched_attention})


@contextlib.contextmanager
def fused_attention() -> Iterator[None]:
    """Uses the CPU's fused operator for attention on the meta device if the CPU would; for calls of this thread only.

    The function is replaced: a `TorchFunctionMode` would not see calls inside other functions, such as `multi_head_attention_forward`.
    """
    with _patches.held(), setting(_fuses, True):
        yield


def _fused_result(  # noqa: PLR0913, PLR0917  # they are the function's own
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor | None:
    """The result; None if the CPU does not use its fused kernel either, which has no dropout and no gradient of the mask."""
    is_plain = all(t.is_meta and t.dim() == 4 for t in (query, key, value)) and not enable_gqa
    has_gradient = attn_mask is not None and attn_mask.requires_grad
    if not is_plain or has_gradient or not is_fused_on_cpu((query, key, value, attn_mask, dropout_p), {}):
        return None
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        attn_mask = torch.zeros_like(attn_mask, dtype=query.dtype).masked_fill_(attn_mask.logical_not(), float("-inf"))
    kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    out: Tensor = kernel(query, key, value, dropout_p, is_causal, attn_mask=attn_mask, scale=scale)[0]
    return out
