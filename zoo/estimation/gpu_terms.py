"""The terms of GPUs.

- Matrix work computes 2 x MACs / peak, its sizes rounded up to the tiles that kernels work in, and more where the contraction is
  short: more by a constant over k. Products of float32, and depthwise convolutions, do so on the ordinary cores.
- Everything reads and writes its tensors once at the memory's bandwidth. A part of them, c / (c + bytes) where c is 0.6 of the
  last cache, is still there from the call before, and takes about a third of the time.
- Eager convolutions add their bias in a pass of its own; those of channels-first tensors convert to channels last and back on
  tensor cores.
- Eager bilinear resampling of channels-first tensors goes through image after image and channel after channel.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from zoo.devices.device_spec import Sheet
from zoo.estimation.calls import JOINED, Array, Calls, Term, is_any
from zoo.estimation.memory_traffic import CONVOLUTIONS, LARGE_KERNEL, PRODUCTS, STREAMS, moved_by

GPU_TERMS: Mapping[str, Term] = {
    "dense": Term("compute", 1.6),
    "window_last": Term("compute", 1.6),
    "attention": Term("compute", 1.6),
    "product": Term("compute", 1.6),
    "grouped": Term("compute", 1.6),
    "stem": Term("compute", 1.6),
    "short_contraction": Term("compute", 8.0),
    "depthwise": Term("compute", 5.0),
    "depthwise_last": Term("compute", 5.0),
    "large_depthwise": Term("compute", 5.0),
    "large_depthwise_last": Term("compute", 5.0),
    "stream": Term("memory", 1.6),
    "gather": Term("memory", 1.6),
    "cast": Term("memory", 1.6),
    "softmax": Term("memory", 1.6),
    "transposed": Term("memory", 3.0),
    "depthwise_memory": Term("memory", 1.6),
    "depthwise_memory_last": Term("memory", 1.6),
    "conversion": Term("memory", 1.0),
    "recurrent": Term("memory", 1.0),
    "bilinear": Term("overhead", 2e-7),
    "kernel": Term("overhead", 5e-6),
}
"""On GPUs; `_last`: in channels last. bilinear: seconds for an image and channel; kernel: seconds for a call."""

HOST_S_PER_CALL = 8e-6
"""Seconds in which Python hands a call to the GPU; a step takes at least as long as that of all its calls."""
COMPILED_HOST_S_PER_CALL = 3e-6

_DENSE = ("conv", "linear", "recurrent")
_GATE_PASSES = 8.0
"""How often a recurrent layer moves as much as its result: each of its four gates is written and read once."""


def gpu_terms(calls: Calls, sheet: Sheet) -> dict[str, Array]:
    """Each term of `GPU_TERMS`."""
    compute, short = _gpu_compute(calls, sheet)
    moved = moved_by(calls, sheet)
    seconds, straight = moved.seconds, ~moved.is_transposed
    is_depthwise, is_large, is_last = calls.is_any("depthwise"), calls["kernel"] > LARGE_KERNEL, moved.is_channels_last
    streams, gathers = is_any(moved.work, STREAMS), ~is_any(moved.work, STREAMS) & ~is_depthwise
    has_window = calls.is_any("conv") & (calls["kernel"] > 1) & is_last
    is_cast, is_softmax = is_any(moved.work, ("cast",)), is_any(moved.work, ("softmax",))
    converts = calls.is_any(*CONVOLUTIONS) & ~is_last
    return {
        "dense": compute * (calls.is_any(*_DENSE) & ~has_window),
        "window_last": compute * has_window,
        "attention": compute * calls.is_any("attention", "masked_attention"),
        "product": compute * calls.is_any("product"),
        "grouped": compute * calls.is_any("grouped"),
        "stem": compute * calls.is_any("stem"),
        "short_contraction": short,
        "depthwise": compute * (is_depthwise & ~is_large & ~is_last),
        "depthwise_last": compute * (is_depthwise & ~is_large & is_last),
        "large_depthwise": compute * (is_depthwise & is_large & ~is_last),
        "large_depthwise_last": compute * (is_depthwise & is_large & is_last),
        "stream": seconds * (streams & straight & ~is_cast),
        "gather": seconds * (gathers & straight & ~is_softmax),
        "cast": seconds * (is_cast & straight),
        "softmax": seconds * (is_softmax & straight),
        "transposed": seconds * (~straight & ~is_depthwise),
        "depthwise_memory": seconds * (is_depthwise & ~is_last),
        "depthwise_memory_last": seconds * (is_depthwise & is_last),
        "conversion": moved.activation_seconds * converts,
        "recurrent": _GATE_PASSES * calls["bytes_out"] * calls.batch / sheet.bytes_per_s * calls.is_any("recurrent"),
        "bilinear": calls["planes"] * calls.batch * (not calls.is_compiled),
        "kernel": moved.launches,
    }


def _gpu_compute(calls: Calls, sheet: Sheet) -> tuple[Array, Array]:
    """Seconds of multiply-accumulates, with padding; and those divided by the length of the contraction."""
    padding = np.ones(len(calls.batch))
    m, n, k = calls["m"], calls["n"], calls["k"]
    for works, factor in (
        (("conv", "stem"), _pad(n, 64) * _pad(k, 32)),
        (("linear", "recurrent"), _pad(n, 128) * _pad(k, 32)),
        (PRODUCTS, _pad(m, 64) * _pad(n, 64) * _pad(k, 32)),
        (("grouped",), _pad(calls["group_width"], 16) * _pad(n, 16)),
    ):
        padding = np.where(calls.is_any(*works), factor, padding)
    is_depthwise = calls.is_any("depthwise")
    is_conv = calls.is_any(*CONVOLUTIONS)
    rate = np.where(is_conv, sheet.conv_flops_per_s, sheet.matrix_flops_per_s)
    rate = np.where(is_depthwise | (calls.is_float32 & ~is_conv), sheet.vector_flops_per_s, rate)
    seconds: Array = 2 * (calls["macs"] * calls.batch + calls["free_macs"]) * padding / rate
    return seconds, np.where(is_depthwise, 0.0, seconds / np.maximum(k, 1))


def _pad(size: Array, tile: int) -> Array:
    """How much larger a size is when it fills whole tiles."""
    size = np.maximum(size, 1)
    return np.ceil(size / tile) * tile / size


def gpu_host_seconds(calls: Calls) -> Array:
    """The host's time for one call of each row."""
    if calls.is_compiled:
        return np.where(calls.fused_work == JOINED, 0.0, COMPILED_HOST_S_PER_CALL)
    return np.full(len(calls.batch), HOST_S_PER_CALL)
