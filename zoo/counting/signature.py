"""What of a call's arguments decides its result where nothing is computed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

_NUMBERS = frozenset({int, float, bool})


def signature(args: Sequence[Any], kwargs: dict[str, Any] | None = None) -> tuple[Any, ...]:
    """All that a meta kernel can see of its arguments, as a hashable value. Types are kept: 1, 1.0 and True are equal."""
    parts: list[Any] = []
    for value in args:
        kind = value.__class__
        if kind in _NUMBERS:
            parts += (kind, value)
        elif kind is list or kind is tuple:
            parts.append(signature(value))
        elif isinstance(value, Tensor):
            parts += (value.shape, value.stride(), value.dtype, value.is_meta)
        else:
            parts.append(value)
    if kwargs:
        for name, value in kwargs.items():
            parts += (name, signature((value,)))
    return tuple(parts)
