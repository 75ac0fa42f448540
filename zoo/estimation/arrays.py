"""Types of arrays, and padding."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]
Flags: TypeAlias = npt.NDArray[np.bool_]
Indices: TypeAlias = npt.NDArray[np.intp]


def tile_padding(size: Array, tile: int) -> Array:
    """How many times as large a size is when it fills whole tiles."""
    size = np.maximum(size, 1)
    padding: Array = np.ceil(size / tile) * tile / size
    return padding
