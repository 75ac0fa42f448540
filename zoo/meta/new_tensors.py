"""Tensors without data, in the memory layout of a kernel's result where that is certain."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

META = torch.device("meta")


def new_tensor(shape: Sequence[int], like: Tensor) -> Tensor:
    """A contiguous tensor without data, of the dtype of another one."""
    return torch.empty(shape, dtype=like.dtype, device=META)


def is_canonical(tensor: Tensor) -> bool:
    """Whether the strides are those of a new tensor, also for dimensions of size 1, where strides have no effect."""
    reach = 1
    for size, stride in zip(reversed(tensor.shape), reversed(tensor.stride()), strict=True):
        if stride != reach:
            return False
        reach *= max(size, 1)
    return True


def is_permuted(tensor: Tensor) -> bool:
    """Whether the dimensions are permuted in memory without gaps and overlaps; those of size 1 must be outermost."""
    count, reach = tensor.numel(), 1
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if stride != (count if size == 1 else reach):
            return False
        reach *= size
    return count > 0 and not tensor.is_contiguous()


def same_as(tensor: Tensor) -> Tensor | None:
    """The result of an elementwise kernel for one tensor; None if its layout is not certain."""
    if is_canonical(tensor) or is_permuted(tensor):
        return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=META)
    return None


def same_as_two(x: Tensor, y: Tensor) -> Tensor | None:
    """The result of an elementwise kernel for two tensors of one dtype, one of which is broadcast to the shape of the other.

    torch sorts the dimensions by their strides in the first operand, and ties by those in the second. So the layout is certain if the first
    operand has the full shape and all its strides differ, or if both are canonical and all strides of the larger one differ. Two
    tensors of the same layout have a result of that layout.
    """
    if x.shape == y.shape and x.stride() == y.stride():
        return same_as(x)
    whole, other = (x, y) if x.numel() >= y.numel() else (y, x)
    if not _can_be_broadcast_to(other.shape, whole.shape) or len(set(whole.stride())) != whole.dim():
        return None
    return same_as(whole) if whole is x or (is_canonical(x) and is_canonical(y)) else None


def _can_be_broadcast_to(shape: Sequence[int], whole: Sequence[int]) -> bool:
    missing = len(whole) - len(shape)
    return missing >= 0 and all(size in (1, full) for size, full in zip(shape, whole[missing:], strict=True))
