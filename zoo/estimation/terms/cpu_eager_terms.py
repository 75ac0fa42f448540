"""The terms of models that run eagerly on CPUs, modelled on torch's CPU kernels.

torch chooses the kernel of a float32 convolution (`ConvParams::use_mkldnn` in aten/src/ATen/native/Convolution.cpp):

- oneDNN's, as a rule. It computes in blocks of eight channels, so tensors of channels first are copied into that order and back,
  and the weights are too, at each call. Groups of fewer than eight channels leave a part of each block empty.
- A matrix product (MKL's, one for each group), for windows of one position without stride in batches below 16 on one thread, and
  for one image of at most 20,480 elements and small windows; larger windows than one position are first copied out as columns.

Linear layers and products of activations are matrix products too. One with few rows, columns or terms of a sum leaves vector lanes
empty: it takes longer by a constant over that size.

Tensors of one image stay in the caches, whose rate grows with that of the cores, not of the memory: a byte through them takes the time
of four FLOP at the peak (23 GB/s where that is 92 GFLOP/s). What the last cache does not hold also takes the memory's bandwidth: of
activations the share bytes / (bytes + 0.6 of the cache), and the weights of models that are larger than the cache. Functions, softmax
and norms compute for each element, poolings for each position of each window.

Neutral values of the constants are from the times of single operators, which torch's profiler gave for the models of
`tests/benchmarks/cpu_fit_set.py` on one core of an AMD EPYC (Zen 3, 256-bit vectors). Not modelled: with more threads than one,
windows of one position go to oneDNN as well; and the time in which the system maps memory again that the allocator gave back (on Linux
with glibc's allocator between nothing and a quarter of a pass, by the order of allocations).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zoo.devices.device_spec import DeviceSpec
from zoo.estimation.arrays import Array, Flags
from zoo.estimation.terms.calls import Calls
from zoo.estimation.terms.memory_traffic import CACHE_SHARE, PRODUCTS
from zoo.estimation.terms.term import Term, TermModel, TimePart
from zoo.estimation.workloads.work import MATRIX_WORKS

FLOPS_PER_CACHED_BYTE = 4.0
FLOPS_PER_ELEMENT = 64.0
"""FLOPs for an element of functions, softmax, norms, pools (for each position of the window) and resampling."""

_THIN = 16.0
"""The constants of thin products are in multiples of it over a size."""
_COLUMN_FLOPS = 2 * 4 * FLOPS_PER_CACHED_BYTE
"""FLOPs that take as long as writing and reading a float32 of a column."""
_BLOCK = 8.0
"""Channels that oneDNN computes together with 256-bit vectors."""
_LEAST_BATCH_OF_POINTS = 16
_FEW_ELEMENTS, _SMALL_WINDOW = 20_480, 9
_FLOAT32_BYTES = 4.0
_FUNCTIONS = ("gelu", "silu", "sigmoid", "tanh", "exp", "erf", "mish", "softplus", "elu", "log_sigmoid", "sin", "cos", "log")
_MAX_POOLS = ("max_pool1d", "max_pool2d", "max_pool3d", "max_pool2d_with_indices", "adaptive_max_pool2d")
_BILINEAR, _BICUBIC = 2.7, 5.0
"""Time of an element relative to nearest-neighbour resampling: 5.5 and 10 ns compared with 2 ns."""
_ATTENTION = ("attention", "masked_attention")


def cpu_eager_terms(calls: Calls, spec: DeviceSpec) -> list[Term]:
    """Each term for one call."""
    kernel = _Kernels.of(calls)
    return [
        *_matrix_compute_terms(calls, spec, kernel),
        *_element_compute_terms(calls, spec),
        *_memory_terms(calls, spec, kernel),
        *_overhead_terms(calls, kernel),
    ]


@dataclass(frozen=True, slots=True)
class _Kernels:
    """The kernel of each call. Dense, grouped and depthwise kernels are oneDNN's."""

    is_gemm: Flags
    is_onednn: Flags
    is_dense: Flags
    is_grouped: Flags
    is_depthwise: Flags
    is_strided: Flags

    @classmethod
    def of(cls, calls: Calls) -> _Kernels:
        """The kernels that torch chooses on one thread."""
        elements_in = calls["bytes_in"] / _FLOAT32_BYTES
        groups, width = np.maximum(calls["groups"], 1), np.maximum(calls["group_width"], 1)
        is_strided = 2 * calls["m"] <= elements_in / (groups * width)
        is_conv = calls.is_work("conv", "stem", "grouped", "depthwise")
        is_point = (calls["kernel"] == 1) & ~is_strided & (calls.batch < _LEAST_BATCH_OF_POINTS)
        is_small = (calls.batch == 1) & (elements_in <= _FEW_ELEMENTS) & (calls["kernel"] <= _SMALL_WINDOW) & (groups == 1)
        is_onednn = is_conv & ~is_point & ~is_small
        is_depthwise = is_onednn & (width == 1) & (groups > 1) & (calls["n"] == 1)
        return cls(
            is_gemm=calls.is_work("linear", "recurrent") | (is_conv & ~is_onednn),
            is_onednn=is_onednn,
            is_dense=is_onednn & (groups == 1),
            is_grouped=is_onednn & (groups > 1) & ~is_depthwise,
            is_depthwise=is_depthwise,
            is_strided=is_strided,
        )


def _matrix_compute_terms(calls: Calls, spec: DeviceSpec, kernel: _Kernels) -> list[Term]:
    compute_s, is_product = calls.flops() / spec.matrix_flops_per_s, calls.is_work(*PRODUCTS)
    rows = calls["m"] * np.where(calls.is_work("linear"), calls.batch, 1)
    thin = _THIN * (1 / np.maximum(rows, 1) + 1 / np.maximum(calls["n"], 1) + 1 / np.maximum(calls["k"], 1))
    narrow_s = compute_s * kernel.is_grouped * _BLOCK / np.maximum(calls["group_width"], 1)
    return [
        Term("gemm", TimePart.COMPUTE, 1.05, compute_s * kernel.is_gemm),
        Term("thin_gemm", TimePart.COMPUTE, 0.3, compute_s * thin * kernel.is_gemm),
        Term("product", TimePart.COMPUTE, 0.7, compute_s * is_product),
        Term("thin_product", TimePart.COMPUTE, 1.0, compute_s * thin * is_product),
        Term("conv", TimePart.COMPUTE, 1.0, compute_s * kernel.is_dense),
        Term("grouped", TimePart.COMPUTE, 0.5, compute_s * kernel.is_grouped),
        Term("narrow_groups", TimePart.COMPUTE, 2.5, narrow_s),
        Term("depthwise", TimePart.COMPUTE, 1.0, compute_s * kernel.is_depthwise),
        Term("strided_depthwise", TimePart.COMPUTE, 2.0, compute_s * (kernel.is_depthwise & kernel.is_strided)),
    ]


def _element_compute_terms(calls: Calls, spec: DeviceSpec) -> list[Term]:
    window = np.maximum(calls["kernel"], 1)
    element_s = calls["elements_out"] * calls.batch * FLOPS_PER_ELEMENT / spec.vector_flops_per_s
    scores = calls.is_work(*_ATTENTION) * calls["m"] * calls["n"] * calls["products"] * calls.batch
    softmax_s = element_s * calls.is_work("softmax") + scores * FLOPS_PER_ELEMENT / spec.vector_flops_per_s
    is_max = calls.is_operation(*_MAX_POOLS)
    is_bilinear, is_bicubic = calls.is_operation("upsample_bilinear2d"), calls.is_operation("upsample_bicubic2d")
    taps = np.where(is_bilinear, _BILINEAR, np.where(is_bicubic, _BICUBIC, 1.0))
    return [
        Term("functions", TimePart.COMPUTE, 1.2, element_s * calls.is_operation(*_FUNCTIONS)),
        Term("softmax", TimePart.COMPUTE, 1.6, softmax_s),
        Term("layer_norm", TimePart.COMPUTE, 0.6, element_s * calls.is_operation("layer_norm")),
        Term("max_pools", TimePart.COMPUTE, 6.0, element_s * window * is_max),
        Term("pools", TimePart.COMPUTE, 2.0, element_s * window * (calls.is_work("pool") & ~is_max)),
        Term("resample", TimePart.COMPUTE, 2.5, element_s * taps * calls.is_work("resample")),
    ]


def _memory_terms(calls: Calls, spec: DeviceSpec, kernel: _Kernels) -> list[Term]:
    """Memory traffic in the caches, and to memory."""
    moved_bytes = calls.activation_bytes() + calls["free_bytes"] * ~calls.is_work(*MATRIX_WORKS)
    cached_s = moved_bytes * FLOPS_PER_CACHED_BYTE / spec.matrix_flops_per_s
    weights_s = calls["free_bytes"] * FLOPS_PER_CACHED_BYTE / spec.matrix_flops_per_s
    is_product, is_last = calls.is_work(*PRODUCTS), calls["is_channels_last"] & kernel.is_onednn
    straight = ~calls["is_transposed"].astype(bool)
    reduces = calls.is_work("norm", "batch_norm", "softmax", "reduce", "pool")
    gathers = calls.is_work("cat", "copy", "resample", "fourier", "sort")
    column_s = calls.flops() / spec.matrix_flops_per_s / np.maximum(calls["n"], 1) * _COLUMN_FLOPS / 2
    return [
        Term("gemm_moves", TimePart.MEMORY, 0.5, cached_s * (kernel.is_gemm | is_product)),
        Term("columns", TimePart.MEMORY, 3.0, column_s * (kernel.is_gemm & (calls["kernel"] > 1))),
        Term("conv_moves", TimePart.MEMORY, 3.4, cached_s * kernel.is_dense),
        Term("depthwise_moves", TimePart.MEMORY, 2.5, cached_s * (kernel.is_depthwise & ~is_last)),
        Term("last_depthwise_moves", TimePart.MEMORY, 8.0, cached_s * (kernel.is_depthwise & is_last)),
        Term("grouped_moves", TimePart.MEMORY, 2.5, cached_s * kernel.is_grouped),
        Term("stream", TimePart.MEMORY, 0.6, cached_s * (calls.is_work("elementwise", "cast") & straight)),
        Term("norm", TimePart.MEMORY, 0.9, cached_s * reduces),
        Term("gather", TimePart.MEMORY, 1.1, cached_s * (gathers & straight)),
        Term("transposed", TimePart.MEMORY, 2.5, cached_s * (~straight | (is_last & ~kernel.is_depthwise))),
        Term("weights", TimePart.MEMORY, 0.7, weights_s * (kernel.is_gemm | is_product)),
        Term("conv_weights", TimePart.MEMORY, 6.0, weights_s * kernel.is_onednn),
        Term("beyond_cache", TimePart.MEMORY, 0.3, _beyond_cache_s(calls, spec)),
    ]


def _beyond_cache_s(calls: Calls, spec: DeviceSpec) -> Array:
    """Time at the memory's bandwidth of activations, and of weights of models, that are too large for the last cache."""
    activations = calls.activation_bytes()
    cache = CACHE_SHARE * max(spec.cache_bytes, 1.0)
    weights = calls["free_bytes"] * calls.is_work(*MATRIX_WORKS)
    outside = weights / (1 + (cache / np.maximum(calls["model_weight_bytes"], 1.0)) ** 2)
    seconds: Array = (activations * activations / (activations + cache) + outside) / spec.bytes_per_s
    return seconds


def _overhead_terms(calls: Calls, kernel: _Kernels) -> list[Term]:
    """Terms whose constants are in seconds. conv_call: calls of oneDNN; group_call: groups that are computed as separate products."""
    group_calls = calls["groups"] * calls.batch * (kernel.is_gemm & (calls["groups"] > 1))
    reduces = calls.is_work("norm", "batch_norm", "softmax", "reduce", "pool", "resample")
    return [
        Term("gemm_call", TimePart.OVERHEAD, 2e-5, (kernel.is_gemm & (calls["groups"] == 1)).astype(float)),
        Term("conv_call", TimePart.OVERHEAD, 1e-4, kernel.is_onednn.astype(float)),
        Term("group_call", TimePart.OVERHEAD, 9e-6, group_calls),
        Term("product_call", TimePart.OVERHEAD, 1.5e-5, calls.is_work(*PRODUCTS).astype(float)),
        Term("reduce_call", TimePart.OVERHEAD, 1.2e-5, reduces.astype(float)),
        Term("call", TimePart.OVERHEAD, 6e-6, np.ones(len(calls.batch))),
        Term("recurrent_step", TimePart.OVERHEAD, 1e-5, calls["steps"] * calls.is_work("recurrent")),
    ]


CPU_EAGER = TermModel("cpu-eager", is_compiled=False, terms=cpu_eager_terms, pull=0.2)
"""Its penalty is larger than that of others: few models were measured, and the neutral values come from times of single operators."""
