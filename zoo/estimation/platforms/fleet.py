"""Estimates of many models on many platforms at once.

    sums = PlatformSums(features, models)
    for device in devices:
        latencies = sums.on(device, run)

The amounts of a model do not depend on the device, so they are computed once; a device adds one product of matrices for each run
configuration. `zoo.estimation.platforms.estimate` gives the same figures as a table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from zoo.devices.device import Device
from zoo.errors import SpeedError
from zoo.estimation.arrays import Array, Flags, Indices
from zoo.estimation.platforms.constants import Fitted, fitted_platforms
from zoo.estimation.platforms.hierarchy import log_sum
from zoo.estimation.platforms.settings import PlatformRun, other_batches, platform_runs_on
from zoo.records import MODEL_COLUMNS
from zoo.run_config import RunConfig

_MS = 1000.0
_UNKNOWN = "unknown_calls"


@dataclass(frozen=True)
class PlatformLatencies:
    """Latencies of a step of each model on one device, in the order of the features; NaN where there is no estimate."""

    latency_ms: Array
    low_ms: Array  # nine in ten measured times lie between the two
    high_ms: Array
    runs: tuple[PlatformRun, ...]  # the run configurations that match the request
    fastest: Indices  # by model, the position of the fastest of them


class Effects(NamedTuple):
    """Effects of models in one dtype: log of measured over estimated time of models that were measured."""

    log_effect: Array  # 0 where unknown
    is_known: Flags


class PlatformSums:
    """The amounts of each model on every platform."""

    def __init__(self, features: pd.DataFrame, models: pd.DataFrame | None = None) -> None:
        """Takes the models.

        Args:
            features: of the models, as `zoo.estimation.platforms.features.features_of` gives them.
            models: zoo, arch, input, variant and, where it is known, family of each row of `features`: a model that was measured
                elsewhere is corrected by its effect, and one of a known family has a narrower interval.
        """
        self.features = features
        self.fitted = fitted_platforms()
        self.is_unknown: Flags = features[_UNKNOWN].to_numpy() > 0
        self._models = models
        self._names = None if models is None else pd.MultiIndex.from_frame(models[MODEL_COLUMNS])
        self._amounts: dict[str, Array] = {}
        self._effects: dict[tuple[str, str], Effects] = {}
        self._is_related: dict[str, Flags] = {}

    def on(self, device: Device, run: RunConfig, calibrated: Sequence[PlatformRun] = ()) -> PlatformLatencies:
        """The latencies on a device, each in the fastest run configuration that matches the request.

        Args:
            device: on which the models run.
            run: the requested configuration.
            calibrated: run configurations that the user calibrated, preferred to the shipped ones.

        Raises:
            SpeedError: if no run configuration matches.
        """
        runs = tuple(platform_runs_on(device, run, self.fitted, calibrated))
        if not runs:
            raise SpeedError(why_not(device, run))
        log_times = np.stack([self.log_seconds(one) for one in runs])
        fastest = log_times.argmin(axis=0)
        middle, width = log_times.min(axis=0), np.empty(len(self.features))
        for place, one in enumerate(runs):
            models = np.flatnonzero(fastest == place)
            width[models] = self.half_width(one, models)
        scale = np.where(self.is_unknown, np.nan, run.batch * _MS)
        latency_ms, low_ms, high_ms = (np.exp(log) * scale for log in (middle, middle - width, middle + width))
        return PlatformLatencies(latency_ms, low_ms, high_ms, runs, fastest)

    def log_seconds(self, platform_run: PlatformRun) -> Array:
        """The logarithm of the seconds of one image."""
        _, log_time = log_sum(platform_run.log_constants[None, :], self.amounts(platform_run.fitted))
        return log_time + self.effects(platform_run.fitted, platform_run.setting["dtype"]).log_effect

    def half_width(self, platform_run: PlatformRun, models: Indices | None = None) -> Array:
        """The half-width of the interval of the logarithm, of some models or of all."""
        rows = np.arange(len(self.features)) if models is None else models
        fitted, spread, dtype = platform_run.fitted, platform_run.spread, platform_run.setting["dtype"]
        shares, _ = log_sum(platform_run.log_constants[None, :], self.amounts(fitted)[rows])
        is_known = self.effects(fitted, dtype).is_known[rows]
        is_relative = self.has_relatives(fitted)[rows]
        noise = np.where(is_relative, spread.model.noise, spread.family.noise)
        quantile = np.where(is_relative, spread.model.quantile, spread.family.quantile)
        of_constants = _variance(shares, fitted.covariance[dtype])
        calibrated = platform_run.calibrated
        of_calibration = _variance(shares, calibrated.covariance) if calibrated else np.zeros(len(shares))
        half_width = quantile * np.sqrt(of_constants + of_calibration + noise**2)
        of_known = spread.transfer.quantile * np.sqrt(of_calibration + spread.transfer.noise**2)
        half_width = np.where(is_known, of_known, half_width)
        if platform_run.predicted is not None:
            of_device = platform_run.predicted.deviation**2 + np.where(is_known, spread.transfer.noise**2, 0.0)
            of_device = spread.device.quantile * np.sqrt(of_device)
            half_width = np.where(is_known, of_device, np.hypot(half_width, of_device))
        return half_width

    def effects(self, fitted: Fitted, dtype: str) -> Effects:
        """The effects of the models, from measurements on other devices."""
        key = fitted.platform.name, dtype
        if key not in self._effects:
            known = fitted.effects[fitted.effects["dtype"] == dtype].set_index(MODEL_COLUMNS)["log_effect"]
            effects = np.full(len(self.features), np.nan)
            if self._names is not None:
                effects = known.reindex(self._names).to_numpy(float)
            self._effects[key] = Effects(np.nan_to_num(effects), ~np.isnan(effects))
        return self._effects[key]

    def has_relatives(self, fitted: Fitted) -> Flags:
        """For each model, whether models of its family were measured."""
        if self._models is None or "family" not in self._models:
            return np.zeros(len(self.features), dtype=bool)
        name = fitted.platform.name
        if name not in self._is_related:
            self._is_related[name] = self._models["family"].isin(fitted.families).to_numpy(bool)
        return self._is_related[name]

    def amounts(self, fitted: Fitted) -> Array:
        """Amounts of the terms in seconds at nominal rates: models x terms."""
        name = fitted.platform.name
        if name not in self._amounts:
            self._amounts[name] = fitted.platform.amounts(self.features)
        return self._amounts[name]


def _variance(shares: Array, covariance: Array) -> Array:
    """Variance of the logarithm of a sum, from the covariance of the log constants of its terms.

    BLAS is avoided: at these sizes its threads cost more than they save.
    """
    by_term = np.ascontiguousarray(shares.T)
    variance: Array = np.einsum("um,um->m", np.einsum("tm,tu->um", by_term, covariance), by_term)
    return variance


def why_not(device: Device, run: RunConfig) -> str:
    """Why a device has no estimate in a run configuration."""
    if batches := other_batches(device, run):
        return f"published speeds of {device.id} and of devices like it are at batch {' and '.join(map(str, batches))}, not {run.batch}"
    words = [run.precision.dtype, f"batch {run.batch}", *(["compiled"] if run.compiled else [])]
    words += [f"{run.threads} threads"] if run.threads else []
    words += [word for word in (run.processor, run.runtime) if word]
    return f"no device like {device.id} (in its chip, its cores or its series) has published speeds at {', '.join(words)}"
