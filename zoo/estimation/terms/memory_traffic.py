"""Memory traffic of calls on GPUs, and of compiled models on CPUs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zoo.devices.device_spec import DeviceSpec
from zoo.estimation.arrays import Array, Flags
from zoo.estimation.terms.calls import Calls, WorkCodes, is_work
from zoo.estimation.workloads.work import MATRIX_WORKS

PRODUCTS = ("product", "attention", "masked_attention")
CONVOLUTIONS = ("conv", "stem", "grouped")
STREAMS = ("elementwise", "cast", "batch_norm", *(work for work in MATRIX_WORKS if work != "depthwise"))
"""Work that reads and writes its tensors sequentially."""

LARGE_KERNEL = 25
"""Size of the window of a depthwise convolution, in positions, above which libraries use other kernels."""

CACHE_SHARE = 0.6
"""Share of the last cache that holds activations."""

_CACHE_TIME = 0.35
"""Time of bytes that are in the cache, as a share of their time in memory."""
_CPU_CACHE_TIME = 0.2


@dataclass(frozen=True, slots=True)
class MemoryTraffic:
    """Memory traffic of one call of each row, eager or fused."""

    work: WorkCodes
    seconds: Array  # at the data sheet's bandwidth, less what the cache saves
    activation_seconds: Array  # of activations alone
    free_bytes: Array  # of tensors that do not grow with the batch
    is_transposed: Flags
    is_channels_last: Flags

    @classmethod
    def of(cls, calls: Calls, spec: DeviceSpec) -> MemoryTraffic:
        """The traffic of calls on a device."""
        is_matrix = calls.is_work(*MATRIX_WORKS)
        work, free = calls.work, calls["free_bytes"]
        read, written, transposed = calls["bytes_in"], calls["bytes_out"], calls["is_transposed"]
        bias = np.where(calls["has_bias"] & calls.is_work(*CONVOLUTIONS, "depthwise"), 2 * written, 0.0)
        if calls.is_compiled:
            work = np.where(is_matrix, work, calls.fused_work)
            read = np.where(is_matrix, read, calls["fused_bytes_in"])
            written = np.where(is_matrix, written, calls["fused_bytes_out"])
            free = np.where(is_matrix, free, calls["fused_free_bytes"])
            transposed = np.where(is_matrix, transposed, calls["fused_is_transposed"])
            bias = np.zeros(len(calls.batch))
        activations = (read + written) * calls.batch
        share = time_share(activations, spec.cache_bytes, is_gpu=spec.is_gpu)
        return cls(
            work=work,
            seconds=(activations + free + bias * calls.batch) / spec.bytes_per_s * share,
            activation_seconds=activations / spec.bytes_per_s * share,
            free_bytes=free,
            is_transposed=transposed.astype(bool),
            is_channels_last=calls["is_channels_last"],
        )

    def is_work(self, *works: str) -> Flags:
        """Whether a row's work, fused where it is, is one of these."""
        return is_work(self.work, works)


def time_share(activation_bytes: Array, cache_bytes: float, *, is_gpu: bool) -> Array:
    """Time of moving these bytes as a share of the time at the memory's bandwidth: the last cache holds a part of them."""
    if not cache_bytes:
        return np.ones_like(activation_bytes)
    cached = _CACHE_TIME if is_gpu else _CPU_CACHE_TIME
    share: Array = 1 - (1 - cached) / (1 + activation_bytes / (CACHE_SHARE * cache_bytes))
    return share
