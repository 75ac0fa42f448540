"""The terms of an estimate: for each call, what it needs of the device, in seconds at the rates of the data sheet.

    time of a call = sum over terms of constant x term

A constant is how many times as long as the data sheet says a term takes; those of fixed costs are in seconds. Sums fit measured
times better than the larger of computing and moving data: kernels overlap the two only in part.

- Matrix work computes 2 x MACs / peak, its sizes rounded up to the tiles that kernels work in, and more where the contraction is
  short: more by a constant over k. Products of float32, and depthwise convolutions, do so on the ordinary cores.
- Everything reads and writes its tensors once at the memory's bandwidth. A part of them, c / (c + bytes) where c is 0.6 of the
  last cache, is still there from the call before, and takes about a third of the time.
- Eager convolutions add their bias in a pass of its own; those of channels-first tensors convert to channels last and back on
  tensor cores.
- Eager bilinear resampling of channels-first tensors goes through image after image and channel after channel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from zoo.speed.sheet import Sheet
from zoo.speed.workload import MATRIX_WORKS, WORKS

Array: TypeAlias = npt.NDArray[np.float64]
Flags: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Term:
    """One term of the sum."""

    part: str  # of the time it belongs to: compute, memory or overhead
    neutral: float  # its constant before any measurement


@dataclass(frozen=True)
class Calls:
    """Columns of workloads as arrays, and the batch of each row."""

    columns: Mapping[str, npt.NDArray[Any]]
    work: npt.NDArray[np.int8]  # indices into `WORKS`
    fused_work: npt.NDArray[np.int8]  # `JOINED` for a call that joins another
    batch: Array
    is_compiled: bool
    is_float32: Flags  # computes in it

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self.columns[name]

    def is_any(self, *works: str) -> Flags:
        """Whether a row's work is one of these."""
        return is_any(self.work, works)


JOINED = len(WORKS)
"""Index of the work of a call that is joined with an earlier one."""
_CODED = (*WORKS, "")


def is_any(work: npt.NDArray[np.int8], works: Sequence[str]) -> Flags:
    """Whether indices into `WORKS` are those of some works."""
    chosen: Flags = np.isin(_CODED, works)
    found: Flags = chosen[work]
    return found


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

CPU_TERMS: Mapping[str, Term] = {
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

HOST_S_PER_CALL = 8e-6
"""Seconds in which Python hands a call to the GPU; a step takes at least as long as that of all its calls."""
COMPILED_HOST_S_PER_CALL = 3e-6

_STREAMS = ("elementwise", "cast", "batch_norm", *(work for work in MATRIX_WORKS if work != "depthwise"))
_DENSE = ("conv", "linear", "recurrent")
_PRODUCTS = ("product", "attention", "masked_attention")
_GROUPED = ("stem", "grouped")
_CONVOLUTIONS = ("conv", "stem", "grouped")
_LARGE_KERNEL = 25
_CACHE_SHARE = 0.6
_CACHE_TIME = 0.35
_CPU_CACHE_TIME = 0.2
_GATE_PASSES = 8.0
"""How often a recurrent layer moves as much as its result: each of its four gates is written and read once."""


def make_calls(workloads: pd.DataFrame, batch: int | pd.Series[int], *, is_compiled: bool) -> Calls:
    """The columns that terms use."""
    columns = {name: workloads[name].to_numpy() for name in _USED}
    work, fused_work = (pd.Categorical(workloads[name], _CODED).codes for name in ("work", "fused_work"))
    batches: Array = np.broadcast_to(np.asarray(batch, dtype=np.float64), len(workloads))
    is_float32 = (workloads["dtype"] == "float32").to_numpy(bool)
    return Calls(columns, work, fused_work, batches, is_compiled, is_float32)


_USED = """calls operation elements_out macs free_macs bytes_in bytes_out free_bytes m n k group_width kernel is_channels_last is_transposed
    has_bias planes steps fused_bytes_in fused_bytes_out fused_free_bytes fused_is_transposed model_weight_bytes""".split()


def term_table(sheet: Sheet) -> Mapping[str, Term]:
    """The terms of a device."""
    return GPU_TERMS if sheet.is_gpu else CPU_TERMS


def terms_of(calls: Calls, sheet: Sheet) -> dict[str, Array]:
    """Each term of a device for one call of each row, in seconds."""
    return gpu_terms(calls, sheet) if sheet.is_gpu else cpu_terms(calls, sheet)


def host_seconds(calls: Calls, sheet: Sheet) -> Array:
    """The host's time for one call of each row; a CPU's is part of its calls' own."""
    if not sheet.is_gpu:
        return np.zeros(len(calls.batch))
    if calls.is_compiled:
        return np.where(calls.fused_work == JOINED, 0.0, COMPILED_HOST_S_PER_CALL)
    return np.full(len(calls.batch), HOST_S_PER_CALL)


def gpu_terms(calls: Calls, sheet: Sheet) -> dict[str, Array]:
    """Each term of `GPU_TERMS`."""
    compute, short = _gpu_compute(calls, sheet)
    moved = _moved(calls, sheet)
    seconds, straight = moved.seconds, ~moved.is_transposed
    is_depthwise, is_large, is_last = calls.is_any("depthwise"), calls["kernel"] > _LARGE_KERNEL, moved.is_channels_last
    streams, gathers = is_any(moved.work, _STREAMS), ~is_any(moved.work, _STREAMS) & ~is_depthwise
    has_window = calls.is_any("conv") & (calls["kernel"] > 1) & is_last
    is_cast, is_softmax = is_any(moved.work, ("cast",)), is_any(moved.work, ("softmax",))
    converts = calls.is_any(*_CONVOLUTIONS) & ~is_last
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


def cpu_terms(calls: Calls, sheet: Sheet) -> dict[str, Array]:
    """Each term of `CPU_TERMS`."""
    seconds = 2 * (calls["macs"] * calls.batch + calls["free_macs"]) / sheet.matrix_flops_per_s
    moved = _moved(calls, sheet)
    is_matrix, streams = calls.is_any(*MATRIX_WORKS), is_any(moved.work, _STREAMS)
    elements_s = calls["elements_out"] * calls.batch * _ELEMENT_S
    own = (calls["bytes_in"] + calls["bytes_out"]) * calls.batch / sheet.bytes_per_s
    normalises, has_window = is_any(moved.work, ("norm", "softmax", "reduce")), is_matrix & (calls["kernel"] > 1)
    resident = 1 / (1 + (calls["model_weight_bytes"] / max(sheet.cache_bytes, 1.0)) ** 2)
    return {
        "conv": seconds * calls.is_any("conv", "stem"),
        "linear": seconds * calls.is_any("linear", "recurrent"),
        "product": seconds * calls.is_any(*_PRODUCTS),
        "grouped": seconds * calls.is_any("grouped"),
        "depthwise": seconds * calls.is_any("depthwise") * (calls["kernel"] <= _LARGE_KERNEL),
        "short_conv": seconds * calls.is_any("conv", "stem") * _SHORT / np.maximum(calls["m"], 1.0),
        "functions": elements_s * np.isin(calls["operation"], _FUNCTIONS),
        "norms": elements_s * calls.is_any("norm"),
        "pools": elements_s * calls["kernel"] * calls.is_any("pool"),
        "stream": moved.activation_seconds * (streams & ~is_matrix & ~moved.is_transposed),
        "normalise": moved.activation_seconds * (normalises & ~moved.is_transposed),
        "gather": moved.activation_seconds * (~streams & ~is_matrix & ~normalises & ~moved.is_transposed),
        "matrix_memory": moved.activation_seconds * is_matrix,
        "weights": moved.free_bytes / sheet.bytes_per_s * (1 - resident) * ~has_window,
        "window_weights": moved.free_bytes / sheet.bytes_per_s * has_window,
        "transposed": moved.activation_seconds * moved.is_transposed * ~is_matrix,
        "group_norm": own * (calls["operation"] == "group_norm"),
        "cat": own * calls.is_any("cat"),
        "large_depthwise": seconds * calls.is_any("depthwise") * (calls["kernel"] > _LARGE_KERNEL),
        "recurrent_step": calls["steps"] * calls.is_any("recurrent"),
        "conv_kernel": moved.launches * calls.is_any("conv", "stem", "grouped"),
        "depthwise_kernel": moved.launches * calls.is_any("depthwise"),
        "matrix_kernel": moved.launches * (is_matrix & ~calls.is_any("conv", "stem", "grouped", "depthwise")),
        "kernel": moved.launches * ~is_matrix,
    }


_SHORT = 64.0
"""Positions below which a CPU's convolutions are not full: the constant of `short_conv` is in multiples of it."""
_FUNCTIONS = ("gelu", "silu", "sigmoid", "tanh", "exp", "erf", "mish", "softplus", "hardswish")
_ELEMENT_S = 1e-9
"""The constants of `functions`, `norms` and `pools` are in multiples of it for an element."""


def _gpu_compute(calls: Calls, sheet: Sheet) -> tuple[Array, Array]:
    """Seconds of multiply-accumulates, with padding; and those divided by the length of the contraction."""
    padding = np.ones(len(calls.batch))
    m, n, k = calls["m"], calls["n"], calls["k"]
    for works, factor in (
        (("conv", "stem"), _pad(n, 64) * _pad(k, 32)),
        (("linear", "recurrent"), _pad(n, 128) * _pad(k, 32)),
        (_PRODUCTS, _pad(m, 64) * _pad(n, 64) * _pad(k, 32)),
        (("grouped",), _pad(calls["group_width"], 16) * _pad(n, 16)),
    ):
        padding = np.where(calls.is_any(*works), factor, padding)
    is_depthwise = calls.is_any("depthwise")
    is_conv = calls.is_any(*_CONVOLUTIONS)
    rate = np.where(is_conv, sheet.conv_flops_per_s, sheet.matrix_flops_per_s)
    rate = np.where(is_depthwise | (calls.is_float32 & ~is_conv), sheet.vector_flops_per_s, rate)
    seconds: Array = 2 * (calls["macs"] * calls.batch + calls["free_macs"]) * padding / rate
    return seconds, np.where(is_depthwise, 0.0, seconds / np.maximum(k, 1))


def _pad(size: Array, tile: int) -> Array:
    """How much larger a size is when it fills whole tiles."""
    size = np.maximum(size, 1)
    return np.ceil(size / tile) * tile / size


@dataclass(frozen=True, slots=True)
class _Moved:
    """What each row moves through memory, eager or fused."""

    work: npt.NDArray[np.int8]
    seconds: Array  # at the data sheet's bandwidth, less what the cache spares
    activation_seconds: Array  # of activations alone
    free_bytes: Array  # of what does not grow with the batch
    is_transposed: Flags
    is_channels_last: Flags
    launches: Array  # kernels started: none for a call that joins another


def _moved(calls: Calls, sheet: Sheet) -> _Moved:
    is_matrix = calls.is_any(*MATRIX_WORKS)
    work, into, out, free = calls.work, calls["bytes_in"], calls["bytes_out"], calls["free_bytes"]
    transposed, channels_last = calls["is_transposed"], calls["is_channels_last"]
    launches = np.ones(len(calls.batch))
    bias = np.where(calls["has_bias"] & calls.is_any(*_CONVOLUTIONS, "depthwise"), 2 * out, 0.0)
    if calls.is_compiled:
        work = np.where(is_matrix, work, calls.fused_work)
        into = np.where(is_matrix, into, calls["fused_bytes_in"])
        out = np.where(is_matrix, out, calls["fused_bytes_out"])
        free = np.where(is_matrix, free, calls["fused_free_bytes"])
        transposed = np.where(is_matrix, transposed, calls["fused_is_transposed"])
        launches, bias = np.where(calls.fused_work == JOINED, 0.0, 1.0), np.zeros(len(calls.batch))
    activations = (into + out) * calls.batch
    spared = 1.0
    if sheet.cache_bytes:
        cached = _CACHE_TIME if sheet.is_gpu else _CPU_CACHE_TIME
        spared = 1 - (1 - cached) / (1 + activations / (_CACHE_SHARE * sheet.cache_bytes))
    return _Moved(
        work=work,
        seconds=(activations + free + bias * calls.batch) / sheet.bytes_per_s * spared,
        activation_seconds=activations / sheet.bytes_per_s * spared,
        free_bytes=free,
        is_transposed=transposed.astype(bool),
        is_channels_last=channels_last,
        launches=launches,
    )
