"""Estimates of many models on many platforms at once.

    sums = PlatformSums(features, models)
    for device in devices:
        found = sums.on(device, run)

What a model asks of a platform does not depend on the device, so it is computed once; a device adds one product of matrices for each
way of running models on it. `zoo.estimation.platforms.estimate` gives the same figures as a table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from zoo.devices.device import Device
from zoo.errors import SpeedError
from zoo.estimation.arrays import Array, Flags, Indices
from zoo.estimation.platforms.constants import Fitted, fitted_platforms
from zoo.estimation.platforms.hierarchy import log_sum
from zoo.estimation.platforms.settings import Way, ways_on
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
    ways: tuple[Way, ...]  # of running models there, as far as they are asked for
    fastest: Indices  # of each model, which of the ways its latency is of


class Effects(NamedTuple):
    """Of models in one dtype: how much longer they took than the terms say where they were measured."""

    log_effect: Array  # 0 where it is not known
    is_known: Flags


class PlatformSums:
    """What each model asks of every platform."""

    def __init__(
        self, features: pd.DataFrame, models: pd.DataFrame | None = None, fitted: Mapping[str, Fitted] | None = None
    ) -> None:
        """Takes the models.

        Args:
            features: of the models, as `zoo.estimation.platforms.features.features_of` gives them.
            models: zoo, arch, input, variant and, where it is known, family of each row of `features`: a model that was measured
                elsewhere is corrected by what it took there, and one of a known family has a narrower interval.
            fitted: in place of the constants that come with zoometer.
        """
        self.features = features
        self.fitted = fitted_platforms() if fitted is None else fitted
        self.is_unknown: Flags = features[_UNKNOWN].to_numpy() > 0
        self._models = models
        self._amounts: dict[str, Array] = {}
        self._effects: dict[tuple[str, str], Effects] = {}

    def on(self, device: Device, run: RunConfig, calibrated: Sequence[Way] = ()) -> PlatformLatencies:
        """The latencies on a device, each in the fastest of the ways of running that are asked for.

        Args:
            device: on which the models run.
            run: how they run there.
            calibrated: ways of running on the device that go before those that come with zoometer.

        Raises:
            SpeedError: if there is none.
        """
        ways = tuple(ways_on(device, run, self.fitted, calibrated))
        if not ways:
            raise SpeedError(why_not(device, run))
        found = [self.log_seconds(way) for way in ways]
        log_time, half_width = (np.stack([one[part] for one in found]) for part in range(2))
        fastest = log_time.argmin(axis=0)
        places = np.arange(len(self.features))
        middle, width = log_time[fastest, places], half_width[fastest, places]
        scale = np.where(self.is_unknown, np.nan, run.batch * _MS)
        latency_ms, low_ms, high_ms = (np.exp(log) * scale for log in (middle, middle - width, middle + width))
        return PlatformLatencies(latency_ms, low_ms, high_ms, ways, fastest)

    def log_seconds(self, way: Way) -> tuple[Array, Array]:
        """The logarithm of the seconds of one image in one way of running, and the half-width of its interval."""
        shares, log_time = log_sum(way.log_constants[None, :], self.amounts(way.fitted))
        spread, dtype = way.spread, way.setting["dtype"]
        effects = self.effects(way.fitted, dtype)
        is_relative = self.has_relatives(way.fitted)
        noise = np.where(is_relative, spread.model.noise, spread.family.noise)
        quantile = np.where(is_relative, spread.model.quantile, spread.family.quantile)
        of_constants = _variance(shares, way.fitted.covariance[dtype])
        of_calibration = _variance(shares, way.calibrated.covariance) if way.calibrated else np.zeros(len(shares))
        half_width = quantile * np.sqrt(of_constants + of_calibration + noise**2)
        of_known = spread.transfer.quantile * np.sqrt(of_calibration + spread.transfer.noise**2)
        half_width = np.where(effects.is_known, of_known, half_width)
        if way.foreseen is not None:
            of_device = way.foreseen.deviation**2 + np.where(effects.is_known, spread.transfer.noise**2, 0.0)
            of_device = spread.device.quantile * np.sqrt(of_device)
            half_width = np.where(effects.is_known, of_device, np.hypot(half_width, of_device))
        return log_time + effects.log_effect, half_width

    def effects(self, fitted: Fitted, dtype: str) -> Effects:
        """What the models take beyond the terms where they were measured elsewhere."""
        key = fitted.platform.name, dtype
        if key not in self._effects:
            known = fitted.effects[fitted.effects["dtype"] == dtype].set_index(MODEL_COLUMNS)["log_effect"]
            found = np.full(len(self.features), np.nan)
            if self._models is not None:
                found = known.reindex(pd.MultiIndex.from_frame(self._models[MODEL_COLUMNS])).to_numpy(float)
            self._effects[key] = Effects(np.nan_to_num(found), ~np.isnan(found))
        return self._effects[key]

    def has_relatives(self, fitted: Fitted) -> Flags:
        """Of each model, whether models of its family were measured."""
        if self._models is None or "family" not in self._models:
            return np.zeros(len(self.features), dtype=bool)
        return self._models["family"].isin(fitted.families).to_numpy(bool)

    def amounts(self, fitted: Fitted) -> Array:
        """What each term of a platform takes of each model, in seconds at nominal rates."""
        name = fitted.platform.name
        if name not in self._amounts:
            self._amounts[name] = fitted.platform.amounts(self.features)
        return self._amounts[name]


def _variance(shares: Array, covariance: Array) -> Array:
    """Of the logarithm of a sum by the covariance of the log constants of its terms."""
    found: Array = ((shares @ covariance) * shares).sum(axis=1)
    return found


def why_not(device: Device, run: RunConfig) -> str:
    """Why there is no way of running that an estimate could be for."""
    words = [run.precision.dtype, f"batch {run.batch}", *(["compiled"] if run.compiled else [])]
    words += [f"{run.threads} threads"] if run.threads else []
    words += [word for word in (run.processor, run.runtime) if word]
    return f"no device like {device.id} (in its chip, its cores or its series) has published speeds at {', '.join(words)}"
