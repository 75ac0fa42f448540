"""What calls move through memory, on a GPU or compiled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from zoo.devices.device_spec import Sheet
from zoo.estimation.calls import JOINED, Array, Calls, Flags
from zoo.estimation.workload import MATRIX_WORKS

PRODUCTS = ("product", "attention", "masked_attention")
CONVOLUTIONS = ("conv", "stem", "grouped")
STREAMS = ("elementwise", "cast", "batch_norm", *(work for work in MATRIX_WORKS if work != "depthwise"))
"""Work that goes through its tensors from their beginning to their end."""

LARGE_KERNEL = 25
"""Positions of a depthwise convolution's window above which kernels are others."""

CACHE_SHARE = 0.6
"""Of the last cache, what activations find room in."""

_CACHE_TIME = 0.35
_CPU_CACHE_TIME = 0.2


@dataclass(frozen=True, slots=True)
class Moved:
    """What each row moves through memory, eager or fused."""

    work: npt.NDArray[np.int8]
    seconds: Array  # at the data sheet's bandwidth, less what the cache spares
    activation_seconds: Array  # of activations alone
    free_bytes: Array  # of what does not grow with the batch
    is_transposed: Flags
    is_channels_last: Flags
    launches: Array  # kernels started: none for a call that joins another


def moved_by(calls: Calls, sheet: Sheet) -> Moved:
    """Of each row, for one call."""
    is_matrix = calls.is_any(*MATRIX_WORKS)
    work, into, out, free = calls.work, calls["bytes_in"], calls["bytes_out"], calls["free_bytes"]
    transposed, channels_last = calls["is_transposed"], calls["is_channels_last"]
    launches = np.ones(len(calls.batch))
    bias = np.where(calls["has_bias"] & calls.is_any(*CONVOLUTIONS, "depthwise"), 2 * out, 0.0)
    if calls.is_compiled:
        work = np.where(is_matrix, work, calls.fused_work)
        into = np.where(is_matrix, into, calls["fused_bytes_in"])
        out = np.where(is_matrix, out, calls["fused_bytes_out"])
        free = np.where(is_matrix, free, calls["fused_free_bytes"])
        transposed = np.where(is_matrix, transposed, calls["fused_is_transposed"])
        launches, bias = np.where(calls.fused_work == JOINED, 0.0, 1.0), np.zeros(len(calls.batch))
    activations = (into + out) * calls.batch
    spared = cache_factor(activations, sheet.cache_bytes, is_gpu=sheet.is_gpu)
    return Moved(
        work=work,
        seconds=(activations + free + bias * calls.batch) / sheet.bytes_per_s * spared,
        activation_seconds=activations / sheet.bytes_per_s * spared,
        free_bytes=free,
        is_transposed=transposed.astype(bool),
        is_channels_last=channels_last,
        launches=launches,
    )


def cache_factor(activation_bytes: Array, cache_bytes: float, *, is_gpu: bool) -> Array:
    """Time of moving these bytes relative to the memory's bandwidth: less where the last cache holds a part of them."""
    if not cache_bytes:
        return np.ones_like(activation_bytes)
    cached = _CACHE_TIME if is_gpu else _CPU_CACHE_TIME
    factor: Array = 1 - (1 - cached) / (1 + activation_bytes / (CACHE_SHARE * cache_bytes))
    return factor
