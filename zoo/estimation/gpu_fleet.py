"""Estimates of many models on many GPUs at once.

    sums = GpuSums(workloads, run, key=["zoo", "arch"])
    for device in devices:
        sums.on(device)

The figures are those of `zoo.estimation.estimate.estimate`. They take a hundredth of the time, because the terms of GPUs are linear in
the reciprocals of a data sheet's rates: a compute term is work over one of three peak rates, a memory term is bytes over the
bandwidth, times a factor that depends on the last cache. So each model's terms are summed once per rate, and once per cache size,
instead of once per device.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from zoo.devices.device_spec import Sheet, sheet_of
from zoo.devices.devices import Device
from zoo.estimation.calls import Array, Flags, make_calls
from zoo.estimation.constants import constants_for
from zoo.estimation.estimate import HARD, QUANTILE, device_deviation, needed_bytes, unknown_models
from zoo.estimation.fitting import device_and_host
from zoo.estimation.gpu_terms import GPU_TERMS, gpu_host_seconds, gpu_terms
from zoo.estimation.memory_traffic import cache_factor, moved_by
from zoo.run_config import RunConfig

_NOWHERE = Sheet(True, np.inf, np.inf, np.inf, np.inf, 0.0, None)
"""A GPU on which everything but the fixed costs takes no time."""
_ONE_RATE = {
    "vector_flops_per_s": replace(_NOWHERE, vector_flops_per_s=1.0),
    "matrix_flops_per_s": replace(_NOWHERE, matrix_flops_per_s=1.0),
    "conv_flops_per_s": replace(_NOWHERE, conv_flops_per_s=1.0),
}
"""By peak rate, a GPU on which only that one counts."""
_UNCACHED = "recurrent"
"""The memory term whose bytes the cache never spares."""


@dataclass(frozen=True)
class FleetEstimate:
    """Latencies of one step of each model on one device, in the order of `GpuSums.models`; NaN where there is no estimate."""

    latency_ms: Array
    low_ms: Array  # nine in ten measured times lie between the two
    high_ms: Array


class GpuSums:
    """What each model asks of a GPU, summed over its calls apart from the GPU's rates."""

    def __init__(self, workloads: pd.DataFrame, run: RunConfig, *, key: Sequence[str]) -> None:
        """Sums the calls of each model.

        Args:
            workloads: rows of `zoo.estimation.workload.summarise` of one precision and layout, with the columns of `key`.
            run: precision, layout, execution and batch; its device does not matter.
            key: columns that together name a model.
        """
        self.run = run
        self.models = workloads[list(key)].drop_duplicates(ignore_index=True)
        self._model = workloads.groupby(list(key), sort=False, dropna=False, observed=True).ngroup().to_numpy()
        self._calls = make_calls(workloads, run.batch, is_compiled=run.compiled)
        self._hard = self._calls.is_any(*HARD)
        self._constants = constants_for(is_gpu=True, compiled=run.compiled)
        self._values = self._constants.array(list(GPU_TERMS))
        kinds = np.array([term.part for term in GPU_TERMS.values()])
        self._compute = {rate: self._sum_part(sheet, kinds == "compute") for rate, sheet in _ONE_RATE.items()}
        self._fixed = self._sum_part(_NOWHERE, kinds == "overhead")
        self._host_s = self._by_model(gpu_host_seconds(self._calls))
        self._bytes, self._uncached_bytes = self._bytes_per_call(kinds == "memory")
        self._activation_bytes = moved_by(self._calls, replace(_NOWHERE, bytes_per_s=1.0)).activation_seconds
        self._unknown = unknown_models(workloads, self._model)
        self._need_bytes = needed_bytes(workloads, self._model, self._calls.batch)

    def on(self, device: Device) -> FleetEstimate | str:
        """The estimates on a device, or why there are none."""
        sheet = sheet_of(device, self.run.precision.product_dtype)
        if isinstance(sheet, str):
            return sheet
        if not sheet.is_gpu:
            return f"no estimate: {device.id} is no GPU"
        seconds, hard_s = self._fixed
        for rate, (compute, hard) in self._compute.items():
            seconds, hard_s = seconds + compute / getattr(sheet, rate), hard_s + hard / getattr(sheet, rate)
        moved, hard = self._memory(sheet.cache_bytes)
        seconds, hard_s = seconds + moved / sheet.bytes_per_s, hard_s + hard / sheet.bytes_per_s
        step_s = device_and_host(seconds, self._host_s)
        own = self._constants.widths(hard_s / np.maximum(seconds, 1e-30))
        width = np.hypot(own, QUANTILE * device_deviation(self._constants, device))
        step_s = np.where(self._unknown | (self._need_bytes > (sheet.memory_bytes or np.inf)), np.nan, step_s)
        latency_ms = 1000 * step_s
        return FleetEstimate(latency_ms, latency_ms * np.exp(-width), latency_ms * np.exp(width))

    @functools.cache  # noqa: B019 - lives as long as the sums do
    def _memory(self, cache_bytes: float) -> tuple[Array, Array]:
        """Bytes that a model moves, weighted with the constants and the factor of a cache: of all calls, and of hard ones."""
        factor = cache_factor(self._activation_bytes, cache_bytes, is_gpu=True)
        per_call = self._bytes * factor + self._uncached_bytes
        return self._by_model(per_call), self._by_model(per_call, self._hard)

    def _sum_part(self, sheet: Sheet, is_part: Flags) -> tuple[Array, Array]:
        per_call = self._weighted(sheet, is_part)
        return self._by_model(per_call), self._by_model(per_call, self._hard)

    def _bytes_per_call(self, is_memory: Flags) -> tuple[Array, Array]:
        """Weighted bytes of each call: those that a cache may spare, and the others."""
        is_uncached = np.array([name == _UNCACHED for name in GPU_TERMS])
        sheet = replace(_NOWHERE, bytes_per_s=1.0)
        return self._weighted(sheet, is_memory & ~is_uncached), self._weighted(sheet, is_memory & is_uncached)

    def _weighted(self, sheet: Sheet, is_chosen: Flags) -> Array:
        """Some of the terms of each call times their constants."""
        terms = list(gpu_terms(self._calls, sheet).values())
        chosen = [self._values[place] * terms[place] for place in np.flatnonzero(is_chosen)]
        total: Array = np.sum(chosen, axis=0)
        return total

    def _by_model(self, per_call: Array, rows: Flags | None = None) -> Array:
        weights = per_call * self._calls["calls"]
        return np.bincount(self._model, weights if rows is None else weights * rows, len(self.models)).astype(np.float64)
