"""Tensors without data, and in which order the elements of a kernel's result lie, where that is certain."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

META = torch.device("meta")


def new_tensor(shape: Sequence[int], like: Tensor) -> Tensor:
    """A contiguous tensor without data, of the same type."""
    return torch.empty(shape, dtype=like.dtype, device=META)


def new_with_strides(shape: Sequence[int], strides: Sequence[int], like: Tensor) -> Tensor:
    """A tensor without data, of the same type."""
    return torch.empty_strided(shape, strides, dtype=like.dtype, device=META)


def is_canonical(tensor: Tensor) -> bool:
    """Whether the strides are those of a new tensor, also of dimensions of size 1, where they mean nothing."""
    reach = 1
    for size, stride in zip(reversed(tensor.shape), reversed(tensor.stride()), strict=True):
        if stride != reach:
            return False
        reach *= max(size, 1)
    return True


def is_permuted(tensor: Tensor) -> bool:
    """Whether the dimensions lie in memory in another order, without gaps, overlaps or doubt: those of size 1 are outermost."""
    count, reach = tensor.numel(), 1
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if stride != (count if size == 1 else reach):
            return False
        reach *= size
    return count > 0 and not tensor.is_contiguous()


def same_as(tensor: Tensor) -> Tensor | None:
    """What a kernel that works on single elements makes of a tensor; None where its layout is not certain."""
    if is_canonical(tensor) or is_permuted(tensor):
        return new_with_strides(tensor.shape, tensor.stride(), tensor)
    return None


def same_as_two(x: Tensor, y: Tensor) -> Tensor | None:
    """What such a kernel makes of two tensors of one type, one of which is repeated to the shape of the other.

    torch sorts the dimensions by their strides in the first operand, and in the second where the first leaves it open. So the
    layout is certain where the first has the whole shape and no two strides alike, or where both are canonical and no two strides
    of the whole one are alike. Two of the same layout give it to the result.
    """
    if x.shape == y.shape and x.stride() == y.stride():
        return same_as(x)
    whole, other = (x, y) if x.numel() >= y.numel() else (y, x)
    if not _can_be_repeated_to(other.shape, whole.shape) or len(set(whole.stride())) != whole.dim():
        return None
    return same_as(whole) if whole is x or (is_canonical(x) and is_canonical(y)) else None


def _can_be_repeated_to(shape: Sequence[int], whole: Sequence[int]) -> bool:
    missing = len(whole) - len(shape)
    return missing >= 0 and all(size in (1, full) for size, full in zip(shape, whole[missing:], strict=True))
