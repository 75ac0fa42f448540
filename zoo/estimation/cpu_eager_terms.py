"""The terms of models that run eagerly on CPUs: what torch's CPU kernels do in one call after another.

Which kernel a float32 convolution gets is torch's choice (`ConvParams::use_mkldnn` in aten/src/ATen/native/Convolution.cpp):

- oneDNN's, as a rule. It computes in blocks of eight channels, so tensors of channels first are copied into that order and back,
  and the weights are too, at each call. Groups of fewer than eight channels leave a part of each block empty.
- A matrix product (MKL's, one for each group), for windows of one position without stride in batches below 16 on one thread, and
  for one image of at most 20,480 elements and small windows; larger windows than one position are first copied out as columns.

Layers that are linear, and products of activations, are matrix products too. One with few rows, columns or terms of a sum leaves
vectors empty: it takes longer by a constant over that size.

Tensors of one image stay in the caches, whose rate grows with the cores', not with the memory's: what moves through them takes
four FLOP a byte at the peak (23 GB/s where that is 92 GFLOP/s), and what the last cache does not hold takes the memory's bandwidth
besides: of activations bytes / (bytes + 0.6 of the cache), and the weights of models that are larger than the cache. Functions,
softmax and norms compute for each element, poolings for each position of each window.

Neutral values of the constants are from the times of single operators, which torch's profiler gave for the models of
`tests/benchmarks/cpu_fit_set.py` on one core of an AMD EPYC (Zen 3, 256-bit vectors). With more threads than one, windows of one
position go to oneDNN as well; the terms do not know of that. What the system takes to map memory that was given back (on Linux with
glibc's allocator a quarter of a pass, or nothing, by the order in which tensors come and go) is not foreseen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from zoo.devices.device_spec import Sheet
from zoo.estimation.calls import Array, Calls, Flags, Term
from zoo.estimation.memory_traffic import CACHE_SHARE, PRODUCTS
from zoo.estimation.workload import MATRIX_WORKS

CPU_EAGER_TERMS: Mapping[str, Term] = {
    "gemm": Term("compute", 1.05),
    "thin_gemm": Term("compute", 0.3),
    "product": Term("compute", 0.7),
    "thin_product": Term("compute", 1.0),
    "conv": Term("compute", 1.0),
    "grouped": Term("compute", 0.5),
    "narrow_groups": Term("compute", 2.5),
    "depthwise": Term("compute", 1.0),
    "strided_depthwise": Term("compute", 2.0),
    "functions": Term("compute", 1.2),
    "softmax": Term("compute", 1.6),
    "layer_norm": Term("compute", 0.6),
    "max_pools": Term("compute", 6.0),
    "pools": Term("compute", 2.0),
    "resample": Term("compute", 2.5),
    "gemm_moves": Term("memory", 0.5),
    "columns": Term("memory", 3.0),
    "conv_moves": Term("memory", 3.4),
    "depthwise_moves": Term("memory", 2.5),
    "last_depthwise_moves": Term("memory", 8.0),
    "grouped_moves": Term("memory", 2.5),
    "stream": Term("memory", 0.6),
    "norm": Term("memory", 0.9),
    "gather": Term("memory", 1.1),
    "transposed": Term("memory", 2.5),
    "weights": Term("memory", 0.7),
    "conv_weights": Term("memory", 6.0),
    "beyond_cache": Term("memory", 0.3),
    "gemm_call": Term("overhead", 2e-5),
    "conv_call": Term("overhead", 1e-4),
    "group_call": Term("overhead", 9e-6),
    "product_call": Term("overhead", 1.5e-5),
    "reduce_call": Term("overhead", 1.2e-5),
    "call": Term("overhead", 6e-6),
    "recurrent_step": Term("overhead", 1e-5),
}
"""conv_call: of oneDNN, group_call: of each group that is a product of its own; overheads in seconds."""

FLOPS_PER_CACHED_BYTE = 4.0
FLOPS_PER_ELEMENT = 64.0
"""Of functions, softmax, norms, pools (for each position of the window) and resampling."""

_THIN = 16.0
"""The constants of thin products are in multiples of it over a size."""
_COLUMN_FLOPS = 2 * 4 * FLOPS_PER_CACHED_BYTE
"""To write a float32 of a column and read it again."""
_BLOCK = 8.0
"""Channels that oneDNN computes together with 256-bit vectors."""
_LEAST_BATCH_OF_POINTS = 16
_FEW_ELEMENTS, _SMALL_WINDOW = 20_480, 9
_FLOAT32_BYTES = 4.0
_FUNCTIONS = ("gelu", "silu", "sigmoid", "tanh", "exp", "erf", "mish", "softplus", "elu", "log_sigmoid", "sin", "cos", "log")
_MAX_POOLS = ("max_pool1d", "max_pool2d", "max_pool3d", "max_pool2d_with_indices", "adaptive_max_pool2d")
_BILINEAR, _BICUBIC = 2.7, 5.0
"""How many times as long as for the nearest neighbour an element takes: 5.5 and 10 ns where that takes 2."""
_ATTENTION = ("attention", "masked_attention")


def cpu_eager_terms(calls: Calls, sheet: Sheet) -> dict[str, Array]:
    """Each term of `CPU_EAGER_TERMS` for one call of each row."""
    compute = 2 * (calls["macs"] * calls.batch + calls["free_macs"]) / sheet.matrix_flops_per_s
    moved = (calls["bytes_in"] + calls["bytes_out"]) * calls.batch + calls["free_bytes"] * ~calls.is_any(*MATRIX_WORKS)
    moves = moved * FLOPS_PER_CACHED_BYTE / sheet.matrix_flops_per_s
    element_s = calls["elements_out"] * calls.batch * FLOPS_PER_ELEMENT / sheet.vector_flops_per_s
    free_s = calls["free_bytes"] * FLOPS_PER_CACHED_BYTE / sheet.matrix_flops_per_s
    kind, window = _kinds(calls), np.maximum(calls["kernel"], 1)
    is_last = calls["is_channels_last"] & kind.is_onednn
    rows = calls["m"] * np.where(calls.is_any("linear"), calls.batch, 1)
    thin = _THIN * (1 / np.maximum(rows, 1) + 1 / np.maximum(calls["n"], 1) + 1 / np.maximum(calls["k"], 1))
    products = calls.is_any(*PRODUCTS)
    inner = calls.is_any(*_ATTENTION) * calls["m"] * calls["n"] * calls["products"] * calls.batch
    straight = ~calls["is_transposed"].astype(bool)
    operation = calls["operation"]
    is_max = np.isin(operation, _MAX_POOLS)
    taps = np.where(operation == "upsample_bilinear2d", _BILINEAR, np.where(operation == "upsample_bicubic2d", _BICUBIC, 1.0))
    norms, streams = calls.is_any("norm"), calls.is_any("elementwise", "cast")
    return {
        "gemm": compute * kind.is_gemm,
        "thin_gemm": compute * thin * kind.is_gemm,
        "product": compute * products,
        "thin_product": compute * thin * products,
        "conv": compute * kind.is_dense,
        "grouped": compute * kind.is_grouped,
        "narrow_groups": compute * kind.is_grouped * _BLOCK / np.maximum(calls["group_width"], 1),
        "depthwise": compute * kind.is_depthwise,
        "strided_depthwise": compute * (kind.is_depthwise & kind.is_strided),
        "functions": element_s * np.isin(operation, _FUNCTIONS),
        "softmax": element_s * calls.is_any("softmax") + inner * FLOPS_PER_ELEMENT / sheet.vector_flops_per_s,
        "layer_norm": element_s * (operation == "layer_norm"),
        "max_pools": element_s * window * is_max,
        "pools": element_s * window * (calls.is_any("pool") & ~is_max),
        "resample": element_s * taps * calls.is_any("resample"),
        "gemm_moves": moves * (kind.is_gemm | products),
        "columns": compute / np.maximum(calls["n"], 1) * _COLUMN_FLOPS / 2 * (kind.is_gemm & (window > 1)),
        "conv_moves": moves * kind.is_dense,
        "depthwise_moves": moves * (kind.is_depthwise & ~is_last),
        "last_depthwise_moves": moves * (kind.is_depthwise & is_last),
        "grouped_moves": moves * kind.is_grouped,
        "stream": moves * (streams & straight),
        "norm": moves * (norms | calls.is_any("batch_norm", "softmax", "reduce", "pool")),
        "gather": moves * (calls.is_any("cat", "copy", "resample", "fourier", "sort") & straight),
        "transposed": moves * (~straight | (is_last & ~kind.is_depthwise)),
        "weights": free_s * (kind.is_gemm | products),
        "conv_weights": free_s * kind.is_onednn,
        "beyond_cache": _beyond_cache(calls, sheet),
        "gemm_call": 1.0 * (kind.is_gemm & (calls["groups"] == 1)),
        "conv_call": 1.0 * kind.is_onednn,
        "group_call": calls["groups"] * calls.batch * (kind.is_gemm & (calls["groups"] > 1)),
        "product_call": 1.0 * products,
        "reduce_call": 1.0 * calls.is_any("norm", "batch_norm", "softmax", "reduce", "pool", "resample"),
        "call": np.ones(len(calls.batch)),
        "recurrent_step": calls["steps"] * calls.is_any("recurrent"),
    }


@dataclass(frozen=True, slots=True)
class _Kinds:
    """Which kernel each call gets. Dense, grouped and depthwise are oneDNN's."""

    is_gemm: Flags
    is_onednn: Flags
    is_dense: Flags
    is_grouped: Flags
    is_depthwise: Flags
    is_strided: Flags


def _kinds(calls: Calls) -> _Kinds:
    elements_in = calls["bytes_in"] / _FLOAT32_BYTES
    groups, width = np.maximum(calls["groups"], 1), np.maximum(calls["group_width"], 1)
    is_strided = 2 * calls["m"] <= elements_in / (groups * width)
    is_conv = calls.is_any("conv", "stem", "grouped", "depthwise")
    is_point = (calls["kernel"] == 1) & ~is_strided & (calls.batch < _LEAST_BATCH_OF_POINTS)
    is_small = (calls.batch == 1) & (elements_in <= _FEW_ELEMENTS) & (calls["kernel"] <= _SMALL_WINDOW) & (groups == 1)
    is_onednn = is_conv & ~is_point & ~is_small
    is_depthwise = is_onednn & (width == 1) & (groups > 1) & (calls["n"] == 1)
    return _Kinds(
        is_gemm=calls.is_any("linear", "recurrent") | (is_conv & ~is_onednn),
        is_onednn=is_onednn,
        is_dense=is_onednn & (groups == 1),
        is_grouped=is_onednn & (groups > 1) & ~is_depthwise,
        is_depthwise=is_depthwise,
        is_strided=is_strided,
    )


def _beyond_cache(calls: Calls, sheet: Sheet) -> Array:
    """Seconds of what the last cache does not hold: activations that are too large for it, and weights of models that are."""
    activations = (calls["bytes_in"] + calls["bytes_out"]) * calls.batch
    held = CACHE_SHARE * max(sheet.cache_bytes, 1.0)
    weights = calls["free_bytes"] * calls.is_any(*MATRIX_WORKS)
    outside = weights / (1 + (held / np.maximum(calls["model_weight_bytes"], 1.0)) ** 2)
    seconds: Array = (activations * activations / (activations + held) + outside) / sheet.bytes_per_s
    return seconds
