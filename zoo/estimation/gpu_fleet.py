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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from zoo.devices.device import Device
from zoo.devices.device_spec import DeviceSpec, device_spec
from zoo.devices.kinds import GPU_KINDS
from zoo.errors import SpeedError
from zoo.estimation.arrays import Array
from zoo.estimation.constants import shipped_constants
from zoo.estimation.estimate import HARD_WORKS, QUANTILE, device_deviation, has_unknown_work, needed_bytes
from zoo.estimation.fitting import step_seconds
from zoo.estimation.terms.gpu_terms import GPU_COMPILED, GPU_EAGER, PEAKS, peak_of
from zoo.estimation.terms.memory_traffic import MemoryTraffic, time_share
from zoo.estimation.terms.term import TimePart
from zoo.estimation.terms.term_matrix import TermMatrix
from zoo.run_config import RunConfig

_UNIT = DeviceSpec(True, 1.0, 1.0, 1.0, 1.0, 0.0, None)
"""A GPU on which a term is its amount: FLOPs, padding included, and bytes."""
_UNCACHED = "recurrent"
"""The memory term whose bytes are not cached."""


@dataclass(frozen=True)
class FleetEstimate:
    """Latencies of one step of each model on one device, in the order of `GpuSums.models`; NaN where there is no estimate."""

    latency_ms: Array
    low_ms: Array  # nine in ten measured times lie between the two
    high_ms: Array


class _Sums(NamedTuple):
    """Sums of an amount for each model: over all calls, and over calls of hard work."""

    all: Array
    hard: Array

    @classmethod
    def of(cls, sums: Array) -> _Sums:
        """From sums that alternate between easy and hard calls of a model."""
        easy, hard = sums.reshape(-1, 2).T
        return cls(easy + hard, hard)


class GpuSums:
    """Work of each model, summed over its calls independently of the rates of a GPU."""

    def __init__(self, workloads: pd.DataFrame, run: RunConfig, *, key: Sequence[str]) -> None:
        """Sums the calls of each model.

        Args:
            workloads: rows of `zoo.estimation.workloads.workload.summarise` of one precision and layout, with the columns of `key`.
            run: precision, layout, execution and batch; its device does not matter.
            key: columns that together name a model.
        """
        self.run = run
        self.models = workloads[list(key)].drop_duplicates(ignore_index=True)
        model = GPU_COMPILED if run.compiled else GPU_EAGER
        self._constants = shipped_constants()[model.name]
        matrix = TermMatrix.of(workloads, model, _UNIT, batch=run.batch, key=key)
        is_hard = matrix.calls.is_work(*HARD_WORKS)
        self._group = 2 * matrix.model_of + is_hard
        self._groups = 2 * matrix.models
        self._calls = matrix.calls["calls"]
        self._fixed = self._by_model(self._weighted(matrix, TimePart.OVERHEAD))
        self._compute = self._by_peak(self._weighted(matrix, TimePart.COMPUTE), peak_of(matrix.calls))
        self._uncached_bytes = self._by_model(self._weighted(matrix, TimePart.MEMORY, lambda name: name == _UNCACHED))
        self._bytes = self._weighted(matrix, TimePart.MEMORY, lambda name: name != _UNCACHED)
        self._activation_bytes = MemoryTraffic.of(matrix.calls, _UNIT).activation_seconds
        self._traffic = functools.cache(self._sum_traffic)
        self._host_s = matrix.host_s()
        self._unknown = has_unknown_work(matrix)
        self._need_bytes = needed_bytes(workloads, matrix)

    def on(self, device: Device) -> FleetEstimate:
        """The estimates on a device.

        Raises:
            SpeedError: if there are none.
        """
        if device.kind not in GPU_KINDS:
            raise SpeedError(f"{device.id} is no GPU")
        spec = device_spec(device, self.run.precision.product_dtype)
        seconds, hard_s = self._fixed
        for rate, (compute, hard) in self._compute.items():
            seconds, hard_s = seconds + compute / getattr(spec, rate), hard_s + hard / getattr(spec, rate)
        traffic_bytes, hard = self._traffic(spec.cache_bytes)
        seconds, hard_s = seconds + traffic_bytes / spec.bytes_per_s, hard_s + hard / spec.bytes_per_s
        step_s = step_seconds(seconds, self._host_s)
        own = self._constants.widths(hard_s / np.maximum(seconds, 1e-30))
        width = np.hypot(own, QUANTILE * device_deviation(self._constants, device))
        step_s = np.where(self._unknown | (self._need_bytes > (spec.memory_bytes or np.inf)), np.nan, step_s)
        latency_ms = 1000 * step_s
        return FleetEstimate(latency_ms, latency_ms * np.exp(-width), latency_ms * np.exp(width))

    def _sum_traffic(self, cache_bytes: float) -> _Sums:
        """Memory traffic of each model, weighted with the constants and the share that a cache of this size leaves."""
        share = time_share(self._activation_bytes, cache_bytes, is_gpu=True)
        cached = self._by_model(self._bytes * share)
        return _Sums(cached.all + self._uncached_bytes.all, cached.hard + self._uncached_bytes.hard)

    def _weighted(self, matrix: TermMatrix, part: TimePart, is_chosen: Callable[[str], bool] = lambda _: True) -> Array:
        """The terms of one part, times their constants, of all calls of each row."""
        total = np.zeros(len(self._calls))
        for term, constant in zip(matrix.terms, self._constants.of_terms(matrix.names), strict=True):
            if term.part is part and is_chosen(term.name):
                total += constant * term.seconds
        total *= self._calls
        return total

    def _by_model(self, values: Array) -> _Sums:
        return _Sums.of(np.bincount(self._group, values, self._groups).astype(np.float64))

    def _by_peak(self, values: Array, peak: npt.NDArray[np.integer]) -> dict[str, _Sums]:
        """Sums over the rows of each of `PEAKS`."""
        sums = np.bincount(self._groups * peak + self._group, values, self._groups * len(PEAKS)).astype(np.float64)
        return {name: _Sums.of(part) for name, part in zip(PEAKS, np.split(sums, len(PEAKS)), strict=True)}
