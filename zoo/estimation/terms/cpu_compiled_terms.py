"""The terms of compiled models on CPUs.

Matrix work takes 2 x MACs / peak. Other work that a compiler does not fuse moves its tensors at the memory's bandwidth; bytes that are
still in the last cache take a fifth of that time. Functions, norms and pools also take time for each element.
"""

from __future__ import annotations

import numpy as np

from zoo.devices.device_spec import DeviceSpec
from zoo.estimation.terms.calls import Calls
from zoo.estimation.terms.memory_traffic import LARGE_KERNEL, PRODUCTS, STREAMS, MemoryTraffic
from zoo.estimation.terms.term import Term, TermModel, TimePart
from zoo.estimation.workloads.work import MATRIX_WORKS

_SHORT = 64.0
"""Positions below which convolutions do not fill a CPU: the constant of `short_conv` is in multiples of it."""
_FUNCTIONS = ("gelu", "silu", "sigmoid", "tanh", "exp", "erf", "mish", "softplus", "hardswish")
_ELEMENT_S = 1e-9
"""Seconds for an element, of which the constants of `functions`, `norms` and `pools` are multiples."""


def cpu_compiled_terms(calls: Calls, spec: DeviceSpec) -> list[Term]:
    """Each term for one call."""
    compute_s = calls.flops() / spec.matrix_flops_per_s
    is_conv, is_depthwise, is_large = calls.is_work("conv", "stem"), calls.is_work("depthwise"), calls["kernel"] > LARGE_KERNEL
    elements_s = calls["elements_out"] * calls.batch * _ELEMENT_S
    return [
        Term("conv", TimePart.COMPUTE, 1.6, compute_s * is_conv),
        Term("linear", TimePart.COMPUTE, 1.6, compute_s * calls.is_work("linear", "recurrent")),
        Term("product", TimePart.COMPUTE, 3.0, compute_s * calls.is_work(*PRODUCTS)),
        Term("grouped", TimePart.COMPUTE, 3.0, compute_s * calls.is_work("grouped")),
        Term("depthwise", TimePart.COMPUTE, 5.0, compute_s * is_depthwise * ~is_large),
        Term("short_conv", TimePart.COMPUTE, 1.0, compute_s * is_conv * _SHORT / np.maximum(calls["m"], 1.0)),
        Term("functions", TimePart.COMPUTE, 1.0, elements_s * calls.is_operation(*_FUNCTIONS)),
        Term("norms", TimePart.COMPUTE, 1.0, elements_s * calls.is_work("norm")),
        Term("pools", TimePart.COMPUTE, 1.0, elements_s * calls.is_work("pool")),
        *_memory_terms(calls, spec),
        Term("large_depthwise", TimePart.COMPUTE, 5.0, compute_s * is_depthwise * is_large),
        *_overhead_terms(calls),
    ]


def _memory_terms(calls: Calls, spec: DeviceSpec) -> list[Term]:
    """Memory terms. Weights are read from memory at every step if the model does not fit into the cache."""
    traffic = MemoryTraffic.of(calls, spec)
    seconds, straight = traffic.activation_seconds, ~traffic.is_transposed
    is_matrix, streams, normalises = (
        calls.is_work(*MATRIX_WORKS),
        traffic.is_work(*STREAMS),
        traffic.is_work("norm", "softmax", "reduce"),
    )
    has_window = is_matrix & (calls["kernel"] > 1)
    unfused_s, weights_s = calls.activation_bytes() / spec.bytes_per_s, traffic.free_bytes / spec.bytes_per_s
    cached_share = 1 / (1 + (calls["model_weight_bytes"] / max(spec.cache_bytes, 1.0)) ** 2)
    return [
        Term("stream", TimePart.MEMORY, 1.0, seconds * (streams & ~is_matrix & straight)),
        Term("normalise", TimePart.MEMORY, 2.0, seconds * (normalises & straight)),
        Term("gather", TimePart.MEMORY, 2.0, seconds * (~streams & ~is_matrix & ~normalises & straight)),
        Term("matrix_memory", TimePart.MEMORY, 1.0, seconds * is_matrix),
        Term("weights", TimePart.MEMORY, 1.3, weights_s * (1 - cached_share) * ~has_window),
        Term("window_weights", TimePart.MEMORY, 3.0, weights_s * has_window),
        Term("transposed", TimePart.MEMORY, 4.0, seconds * ~straight * ~is_matrix),
        Term("group_norm", TimePart.MEMORY, 4.0, unfused_s * calls.is_operation("group_norm")),
        Term("cat", TimePart.MEMORY, 2.0, unfused_s * calls.is_work("cat")),
    ]


def _overhead_terms(calls: Calls) -> list[Term]:
    """Terms whose constants are in seconds."""
    launches, is_matrix = calls.launches(), calls.is_work(*MATRIX_WORKS)
    is_conv, is_depthwise = calls.is_work("conv", "stem", "grouped"), calls.is_work("depthwise")
    return [
        Term("recurrent_step", TimePart.OVERHEAD, 1e-5, calls["steps"] * calls.is_work("recurrent")),
        Term("conv_kernel", TimePart.OVERHEAD, 2e-5, launches * is_conv),
        Term("depthwise_kernel", TimePart.OVERHEAD, 2e-5, launches * is_depthwise),
        Term("matrix_kernel", TimePart.OVERHEAD, 2e-5, launches * (is_matrix & ~is_conv & ~is_depthwise)),
        Term("kernel", TimePart.OVERHEAD, 1e-5, launches * ~is_matrix),
    ]


CPU_COMPILED = TermModel("cpu-compiled", is_compiled=True, terms=cpu_compiled_terms)
