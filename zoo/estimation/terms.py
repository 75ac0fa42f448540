"""The terms of an estimate: for each call, what it needs of the device, in seconds at the rates of the data sheet.

    time of a call = sum over terms of constant x term

A constant is how many times as long as the data sheet says a term takes; those of fixed costs are in seconds. Sums fit measured
times better than the larger of computing and moving data: kernels overlap the two only in part. GPUs (`zoo.estimation.gpu_terms`),
compiled models on CPUs (`zoo.estimation.cpu_compiled_terms`) and eager ones (`zoo.estimation.cpu_eager_terms`) have terms of their own.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from zoo.devices.device_spec import Sheet
from zoo.estimation.calls import Array, Calls, Term
from zoo.estimation.cpu_compiled_terms import CPU_COMPILED_TERMS, cpu_compiled_terms
from zoo.estimation.cpu_eager_terms import CPU_EAGER_TERMS, cpu_eager_terms
from zoo.estimation.gpu_terms import GPU_TERMS, gpu_host_seconds, gpu_terms


def term_table(sheet: Sheet, *, is_compiled: bool) -> Mapping[str, Term]:
    """The terms of a device and a way of running."""
    if sheet.is_gpu:
        return GPU_TERMS
    return CPU_COMPILED_TERMS if is_compiled else CPU_EAGER_TERMS


def terms_of(calls: Calls, sheet: Sheet) -> dict[str, Array]:
    """Each term of a device for one call of each row, in seconds."""
    if sheet.is_gpu:
        return gpu_terms(calls, sheet)
    return cpu_compiled_terms(calls, sheet) if calls.is_compiled else cpu_eager_terms(calls, sheet)


def host_seconds(calls: Calls, sheet: Sheet) -> Array:
    """The host's time for one call of each row; a CPU's is part of its calls' own."""
    return gpu_host_seconds(calls) if sheet.is_gpu else np.zeros(len(calls.batch))
