"""The terms of compiled models on CPUs.

Matrix work computes 2 x MACs / peak; what a compiler leaves of the rest moves its tensors at the memory's bandwidth, and of those
that the last cache keeps from the call before, takes a fifth of the time. Functions, norms and pools compute for each element.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from zoo.devices.device_spec import Sheet
from zoo.estimation.calls import Array, Calls, Term, is_any
from zoo.estimation.memory_traffic import LARGE_KERNEL, PRODUCTS, STREAMS, moved_by
from zoo.estimation.workload import MATRIX_WORKS

CPU_COMPILED_TERMS: Mapping[str, Term] = {
    "conv": Term("compute", 1.6),
    "linear": Term("compute", 1.6),
    "product": Term("compute", 3.0),
    "grouped": Term("compute", 3.0),
    "depthwise": Term("compute", 5.0),
    "short_conv": Term("compute", 1.0),
    "functions": Term("compute", 1.0),
    "norms": Term("compute", 1.0),
    "pools": Term("compute", 1.0),
    "stream": Term("memory", 1.0),
    "normalise": Term("memory", 2.0),
    "gather": Term("memory", 2.0),
    "matrix_memory": Term("memory", 1.0),
    "weights": Term("memory", 1.3),
    "window_weights": Term("memory", 3.0),
    "transposed": Term("memory", 4.0),
    "group_norm": Term("memory", 4.0),
    "cat": Term("memory", 2.0),
    "large_depthwise": Term("compute", 5.0),
    "recurrent_step": Term("overhead", 1e-5),
    "conv_kernel": Term("overhead", 2e-5),
    "depthwise_kernel": Term("overhead", 2e-5),
    "matrix_kernel": Term("overhead", 2e-5),
    "kernel": Term("overhead", 1e-5),
}
"""On CPUs. weights: read from memory at every step where the model does not fit into the cache."""

_SHORT = 64.0
"""Positions below which a CPU's convolutions are not full: the constant of `short_conv` is in multiples of it."""
_FUNCTIONS = ("gelu", "silu", "sigmoid", "tanh", "exp", "erf", "mish", "softplus", "hardswish")
_ELEMENT_S = 1e-9
"""The constants of `functions`, `norms` and `pools` are in multiples of it for an element."""


def cpu_compiled_terms(calls: Calls, sheet: Sheet) -> dict[str, Array]:
    """Each term of `CPU_COMPILED_TERMS`."""
    seconds = 2 * (calls["macs"] * calls.batch + calls["free_macs"]) / sheet.matrix_flops_per_s
    moved = moved_by(calls, sheet)
    is_matrix, streams = calls.is_any(*MATRIX_WORKS), is_any(moved.work, STREAMS)
    elements_s = calls["elements_out"] * calls.batch * _ELEMENT_S
    own = (calls["bytes_in"] + calls["bytes_out"]) * calls.batch / sheet.bytes_per_s
    normalises, has_window = is_any(moved.work, ("norm", "softmax", "reduce")), is_matrix & (calls["kernel"] > 1)
    resident = 1 / (1 + (calls["model_weight_bytes"] / max(sheet.cache_bytes, 1.0)) ** 2)
    return {
        "conv": seconds * calls.is_any("conv", "stem"),
        "linear": seconds * calls.is_any("linear", "recurrent"),
        "product": seconds * calls.is_any(*PRODUCTS),
        "grouped": seconds * calls.is_any("grouped"),
        "depthwise": seconds * calls.is_any("depthwise") * (calls["kernel"] <= LARGE_KERNEL),
        "short_conv": seconds * calls.is_any("conv", "stem") * _SHORT / np.maximum(calls["m"], 1.0),
        "functions": elements_s * np.isin(calls["operation"], _FUNCTIONS),
        "norms": elements_s * calls.is_any("norm"),
        "pools": elements_s * calls.is_any("pool"),
        "stream": moved.activation_seconds * (streams & ~is_matrix & ~moved.is_transposed),
        "normalise": moved.activation_seconds * (normalises & ~moved.is_transposed),
        "gather": moved.activation_seconds * (~streams & ~is_matrix & ~normalises & ~moved.is_transposed),
        "matrix_memory": moved.activation_seconds * is_matrix,
        "weights": moved.free_bytes / sheet.bytes_per_s * (1 - resident) * ~has_window,
        "window_weights": moved.free_bytes / sheet.bytes_per_s * has_window,
        "transposed": moved.activation_seconds * moved.is_transposed * ~is_matrix,
        "group_norm": own * (calls["operation"] == "group_norm"),
        "cat": own * calls.is_any("cat"),
        "large_depthwise": seconds * calls.is_any("depthwise") * (calls["kernel"] > LARGE_KERNEL),
        "recurrent_step": calls["steps"] * calls.is_any("recurrent"),
        "conv_kernel": moved.launches * calls.is_any("conv", "stem", "grouped"),
        "depthwise_kernel": moved.launches * calls.is_any("depthwise"),
        "matrix_kernel": moved.launches * (is_matrix & ~calls.is_any("conv", "stem", "grouped", "depthwise")),
        "kernel": moved.launches * ~is_matrix,
    }
