"""Parses the shapes in the record of an operation: `1x64x56x56, 64x64x3x3, - -> 1x64x56x56`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeGuard, cast

Shape = tuple[int, ...]


def _is_list(shape: Shape | tuple[Shape, ...]) -> TypeGuard[tuple[Shape, ...]]:
    return bool(shape) and isinstance(shape[0], tuple)


@dataclass(frozen=True, slots=True)
class Shapes:
    """Tensors of one call. An absent optional tensor is None, a list of tensors a tuple of shapes."""

    inputs: tuple[Shape | tuple[Shape, ...] | None, ...]
    outputs: tuple[Shape | tuple[Shape, ...] | None, ...]

    def has(self, position: int) -> bool:
        """Whether the input at this position is present."""
        return position < len(self.inputs) and self.inputs[position] is not None

    def input(self, position: int) -> Shape:
        """The shape of the input at this position, which must be a single tensor; () if it is absent."""
        shape = self.inputs[position] if position < len(self.inputs) else None
        return () if shape is None or _is_list(shape) else cast(Shape, shape)

    def output(self) -> Shape:
        """The shape of the first result."""
        shape = self.outputs[0]
        if shape is not None and _is_list(shape):
            return shape[0]
        return () if shape is None else cast(Shape, shape)

    def elements(self, position: int) -> int:
        """Elements of the input at this position, 0 where it is absent."""
        return math.prod(self.input(position)) if self.has(position) else 0

    def lists(self) -> list[tuple[Shape, ...]]:
        """Inputs that are lists of tensors."""
        return [item for item in self.inputs if item is not None and _is_list(item)]


@lru_cache(maxsize=100_000)
def parse_shapes(text: str) -> Shapes:
    """The shapes of a record. The text comes from `make_op_record`, so that other text is a bug."""
    ins, _, outs = text.partition(" -> ")
    return Shapes(_parse_side(ins), _parse_side(outs))


def _parse_side(text: str) -> tuple[Shape | tuple[Shape, ...] | None, ...]:
    parts: list[Shape | tuple[Shape, ...] | None] = []
    rest = text
    while rest:
        if rest.startswith("["):
            inside, _, rest = rest[1:].partition("]")
            parts.append(tuple(_parse_one(item) or () for item in inside.split(", ")))
            rest = rest.removeprefix(", ")
        else:
            item, _, rest = rest.partition(", ")
            parts.append(_parse_one(item))
    return tuple(parts)


def _parse_one(text: str) -> Shape | None:
    if text == "-":
        return None
    return () if text == "scalar" else tuple(int(size) for size in text.split("x"))
