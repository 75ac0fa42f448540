"""The terms of GPUs.

- Matrix work computes 2 x MACs / peak, its sizes rounded up to the tiles that kernels work in, and more where the contraction is
  short: more by a constant over k. Products of float32, and depthwise convolutions, do so on the vector units.
- Everything reads and writes its tensors once at the memory's bandwidth. A part of them, c / (c + bytes) where c is 0.6 of the
  last cache, is still there from the call before, and takes about a third of the time.
- Eager convolutions add their bias in a pass of its own; those of channels-first tensors convert to channels last and back on
  tensor cores.
- Eager bilinear resampling of channels-first tensors goes through image after image and channel after channel.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from zoo.devices.device_spec import DeviceSpec
from zoo.estimation.arrays import Array, tile_padding
from zoo.estimation.terms.calls import Calls
from zoo.estimation.terms.memory_traffic import CONVOLUTIONS, LARGE_KERNEL, PRODUCTS, STREAMS, MemoryTraffic
from zoo.estimation.terms.term import Term, TermModel, TimePart

PEAKS = ("vector_flops_per_s", "matrix_flops_per_s", "conv_flops_per_s")
"""Peak rates of a `DeviceSpec`."""

_GATE_PASSES = 8.0
"""Memory traffic of a recurrent layer as a multiple of its result: each of its four gates is written and read once."""


def gpu_terms(calls: Calls, spec: DeviceSpec) -> list[Term]:
    """Each term for one call; `_last`: in channels last."""
    traffic = MemoryTraffic.of(calls, spec)
    return [*_compute_terms(calls, spec, traffic), *_memory_terms(calls, spec, traffic), *_overhead_terms(calls)]


def _compute_terms(calls: Calls, spec: DeviceSpec, traffic: MemoryTraffic) -> list[Term]:
    compute_s = _compute_s(calls, spec)
    is_depthwise, is_large, is_last = calls.is_work("depthwise"), calls["kernel"] > LARGE_KERNEL, traffic.is_channels_last
    has_window = calls.is_work("conv") & (calls["kernel"] > 1) & is_last
    short_s = np.where(is_depthwise, 0.0, compute_s / np.maximum(calls["k"], 1))
    return [
        Term("dense", TimePart.COMPUTE, 1.6, compute_s * (calls.is_work("conv", "linear", "recurrent") & ~has_window)),
        Term("window_last", TimePart.COMPUTE, 1.6, compute_s * has_window),
        Term("attention", TimePart.COMPUTE, 1.6, compute_s * calls.is_work("attention", "masked_attention")),
        Term("product", TimePart.COMPUTE, 1.6, compute_s * calls.is_work("product")),
        Term("grouped", TimePart.COMPUTE, 1.6, compute_s * calls.is_work("grouped")),
        Term("stem", TimePart.COMPUTE, 1.6, compute_s * calls.is_work("stem")),
        Term("short_contraction", TimePart.COMPUTE, 8.0, short_s),
        Term("depthwise", TimePart.COMPUTE, 5.0, compute_s * (is_depthwise & ~is_large & ~is_last)),
        Term("depthwise_last", TimePart.COMPUTE, 5.0, compute_s * (is_depthwise & ~is_large & is_last)),
        Term("large_depthwise", TimePart.COMPUTE, 5.0, compute_s * (is_depthwise & is_large & ~is_last)),
        Term("large_depthwise_last", TimePart.COMPUTE, 5.0, compute_s * (is_depthwise & is_large & is_last)),
    ]


def _memory_terms(calls: Calls, spec: DeviceSpec, traffic: MemoryTraffic) -> list[Term]:
    seconds, straight, is_last = traffic.seconds, ~traffic.is_transposed, traffic.is_channels_last
    is_depthwise, streams = calls.is_work("depthwise"), traffic.is_work(*STREAMS)
    is_cast, is_softmax = traffic.is_work("cast"), traffic.is_work("softmax")
    gate_s = _GATE_PASSES * calls["bytes_out"] * calls.batch / spec.bytes_per_s
    return [
        Term("stream", TimePart.MEMORY, 1.6, seconds * (streams & straight & ~is_cast)),
        Term("gather", TimePart.MEMORY, 1.6, seconds * (~streams & ~is_depthwise & straight & ~is_softmax)),
        Term("cast", TimePart.MEMORY, 1.6, seconds * (is_cast & straight)),
        Term("softmax", TimePart.MEMORY, 1.6, seconds * (is_softmax & straight)),
        Term("transposed", TimePart.MEMORY, 3.0, seconds * (~straight & ~is_depthwise)),
        Term("depthwise_memory", TimePart.MEMORY, 1.6, seconds * (is_depthwise & ~is_last)),
        Term("depthwise_memory_last", TimePart.MEMORY, 1.6, seconds * (is_depthwise & is_last)),
        Term("conversion", TimePart.MEMORY, 1.0, traffic.activation_seconds * (calls.is_work(*CONVOLUTIONS) & ~is_last)),
        Term("recurrent", TimePart.MEMORY, 1.0, gate_s * calls.is_work("recurrent")),
    ]


def _overhead_terms(calls: Calls) -> list[Term]:
    """Terms whose constants are in seconds: for an image and channel, and for a kernel."""
    return [
        Term("bilinear", TimePart.OVERHEAD, 2e-7, calls["planes"] * calls.batch * (not calls.is_compiled)),
        Term("kernel", TimePart.OVERHEAD, 5e-6, calls.launches()),
    ]


def _compute_s(calls: Calls, spec: DeviceSpec) -> Array:
    """Seconds of multiply-accumulates, with padding."""
    padding = np.ones(len(calls.batch))
    m, n, k = calls["m"], calls["n"], calls["k"]
    for works, factor in (
        (("conv", "stem"), tile_padding(n, 64) * tile_padding(k, 32)),
        (("linear", "recurrent"), tile_padding(n, 128) * tile_padding(k, 32)),
        (PRODUCTS, tile_padding(m, 64) * tile_padding(n, 64) * tile_padding(k, 32)),
        (("grouped",), tile_padding(calls["group_width"], 16) * tile_padding(n, 16)),
    ):
        padding = np.where(calls.is_work(*works), factor, padding)
    rates = np.array([getattr(spec, name) for name in PEAKS])
    seconds: Array = calls.flops() * padding / rates[peak_of(calls)]
    return seconds


def peak_of(calls: Calls) -> npt.NDArray[np.integer]:
    """Index into `PEAKS` of the rate of each call's multiply-accumulates."""
    is_conv = calls.is_work(*CONVOLUTIONS)
    is_vector = calls.is_work("depthwise") | ((calls["dtype"] == "float32") & ~is_conv)
    return np.where(is_vector, 0, np.where(is_conv, 2, 1))


GPU_EAGER = TermModel("gpu-eager", is_compiled=False, terms=gpu_terms, host_s_per_call=8e-6)
GPU_COMPILED = TermModel("gpu-compiled", is_compiled=True, terms=gpu_terms, host_s_per_call=3e-6)
