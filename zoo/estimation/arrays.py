"""Types of arrays, padding and rounding."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]
Flags: TypeAlias = npt.NDArray[np.bool_]
Indices: TypeAlias = npt.NDArray[np.intp]


def tile_padding(size: Array, tile: int) -> Array:
    """The factor by which a size grows when it is rounded up to whole tiles."""
    size = np.maximum(size, 1)
    padding: Array = np.ceil(size / tile) * tile / size
    return padding


def rounded(value: Any, digits: int) -> Any:
    """A value with all floats in it rounded to significant digits; arrays and tuples become lists."""
    if isinstance(value, dict):
        return {key: rounded(one, digits) for key, one in value.items()}
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [rounded(one, digits) for one in value]
    return float(f"{value:.{digits}g}") if isinstance(value, float) else value
