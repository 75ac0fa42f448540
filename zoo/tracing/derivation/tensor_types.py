"""Types of tensors as numbers, and the same types in other dtypes and memory layouts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

Strides = tuple[int, ...]

TensorType = tuple[tuple[int, ...], tuple[int, ...], torch.dtype, bool]
"""All a meta kernel sees of a tensor: shape, strides, dtype, and whether it is on the meta device."""


def is_image(shape: Sequence[int]) -> bool:
    """Whether channels last and contiguous are different strides for such a tensor."""
    return len(shape) == 4 and shape[0] > 0 and shape[1] > 1 and shape[2] * shape[3] > 1


def channels_last_strides(shape: Sequence[int]) -> Strides:
    """Those of `torch.channels_last`, of four dimensions."""
    _, channels, height, width = shape
    return channels * height * width, 1, width * channels, channels


def contiguous_strides(shape: Sequence[int]) -> Strides:
    """Those of `torch.contiguous_format`, of four dimensions."""
    _, channels, height, width = shape
    return channels * height * width, height * width, width, 1


class TensorTypes:
    """Types met so far, each once."""

    def __init__(self) -> None:
        self.types: list[TensorType] = []
        self._numbers: dict[TensorType, int] = {}
        self._halves: dict[int, int] = {}  # of each type met in float32, the same in float16
        self._fulls: dict[int, int] = {}
        self._of_images: dict[int, int] = {}  # of each type the same in channels last
        self._planes: dict[int, int] = {}  # of each type that is channels last the contiguous one
        self._in_dtypes: dict[tuple[int, torch.dtype], int] = {}

    def number(self, kind: TensorType) -> int:
        """That of a type."""
        known = self._numbers.get(kind)
        if known is None:
            known = self._numbers[kind] = len(self.types)
            self.types.append(kind)
        return known

    def number_of(self, tensor: Tensor) -> int:
        """That of a tensor's type."""
        return self.number((tuple(tensor.shape), tensor.stride(), tensor.dtype, tensor.is_meta))

    def in_dtype(self, number: int, dtype: torch.dtype) -> int:
        """The same type with another dtype."""
        known = self._in_dtypes.get((number, dtype))
        if known is None:
            shape, strides, _, is_meta = self.types[number]
            known = self._in_dtypes[number, dtype] = self.number((shape, strides, dtype, is_meta))
        return known

    def channels_last(self, number: int) -> int:
        """The same type with the strides of `torch.channels_last`, if it can be an image."""
        known = self._of_images.get(number)
        if known is None:
            shape, strides, dtype, is_meta = self.types[number]
            if len(shape) == 4 and is_meta:
                strides = torch.empty(shape, device="meta").to(memory_format=torch.channels_last).stride()
            known = self._of_images[number] = self.number((shape, strides, dtype, is_meta))
        return known

    def plane(self, number: int) -> int:
        """The type of a contiguous tensor in place of a channels-last one; others are as they are."""
        known = self._planes.get(number)
        if known is None:
            shape, strides, dtype, is_meta = self.types[number]
            is_last = is_meta and len(shape) == 4 and strides == channels_last_strides(shape)
            known = number if not is_last else self.number((shape, contiguous_strides(shape), dtype, is_meta))
            self._planes[number] = known
        return known

    def image(self, number: int) -> int:
        """The channels-last type of a contiguous image; -1: it is none."""
        shape, strides, dtype, is_meta = self.types[number]
        if not is_meta or not is_image(shape) or strides != contiguous_strides(shape):
            return -1
        return self.number((shape, channels_last_strides(shape), dtype, is_meta))

    def in_float16(self, types: tuple[int, ...]) -> tuple[int, ...] | None:
        """The same types in float16, if their only floating-point dtype is float32."""
        halves, has_changed = [], False
        for number in types:
            half = self._halves.get(number)
            if half is None:
                shape, strides, dtype, is_meta = self.types[number]
                if dtype.is_floating_point and dtype != torch.float32:
                    return None
                half = number if dtype != torch.float32 else self.number((shape, strides, torch.float16, is_meta))
                self._halves[number], self._fulls[half] = half, number
            has_changed |= half != number
            halves.append(half)
        return tuple(halves) if has_changed else None

    def in_float32(self, number: int) -> int:
        full = self._fulls.get(number)
        if full is None:
            shape, strides, dtype, is_meta = self.types[number]
            full = number if dtype != torch.float16 else self.number((shape, strides, torch.float32, is_meta))
            self._fulls[number] = full
        return full
