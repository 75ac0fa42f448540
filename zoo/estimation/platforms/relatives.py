"""Predicts the constants of a run configuration on a device without measurements, from related devices and their data sheets.

Log constants of settings are modelled as a Gaussian process (kriging): they follow trends with numbers of the data sheet (a clock,
a rate, the year of a chip in its series), and the residuals of settings that share a label (the chip, the kind of core, the series)
are correlated. The deviations are in `platforms.yaml`, their scale is checked on devices left out.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from zoo.devices.device import Cluster, Device
from zoo.documents.yaml_document import load_own_yaml
from zoo.estimation.arrays import Array
from zoo.estimation.platforms.platform import RelativesPrior

_FREE = 10.0
"""Prior standard deviation of the level of a process: uninformative."""


@dataclass(frozen=True)
class SettingTraits:
    """Labels and numbers of the device of a setting, by their names in `platforms.yaml`."""

    labels: Mapping[str, str]
    numbers: Mapping[str, float]


@dataclass(frozen=True)
class PredictedConstants:
    """Log constants of a setting that was not measured, and the standard deviation of a factor for all of them."""

    log_constants: Array
    deviation: float
    nearest: str | None  # the most similar device; None: predicted from trends alone


def traits_of(device: Device, setting: Mapping[Any, Any]) -> SettingTraits:
    """The traits of a setting (a row with the columns of `zoo.estimation.platforms.platform.SETTING`) on a device."""
    cluster = _cluster_of_setting(device, setting["cores"]) if setting["processor"] == "cpu" else None
    chip = device.chip or device.id
    series = _chip_series()
    of_series = next(((name, years[chip]) for name, years in series.items() if chip in years), None)
    of_series = of_series or next(((name, years[device.id]) for name, years in series.items() if device.id in years), None)
    clock = (cluster.clock_hz if cluster else None) or (device.boost_clock_hz.value if device.boost_clock_hz else None)
    labels = {
        "device": device.id,
        "chip": chip,
        "core": (cluster.core if cluster else None) or _core_of_device(device, setting["processor"]),
        "series": of_series[0] if of_series else None,
    }
    numbers = {
        "year": of_series[1] if of_series else None,
        "log_int8_peak": _log_peak(device, "int8"),
        "log_fp32_peak": _log_peak(device, "fp32") if device.kind.endswith("gpu") else None,
        "log_clock": math.log(clock) if clock else None,
        "log_threads": math.log(setting["threads"]) if setting["threads"] and not pd.isna(setting["threads"]) else None,
    }
    return SettingTraits(
        {name: label for name, label in labels.items() if label is not None},
        {name: number for name, number in numbers.items() if number is not None},
    )


def _core_of_device(device: Device, processor: str) -> str | None:
    """The architecture of a device, if it is that of the processor."""
    return device.architecture if processor == ("gpu" if device.kind.endswith("gpu") else "cpu") else None


def _cluster_of_setting(device: Device, cores: Any) -> Cluster | None:
    """The cores that a setting runs on: the fastest ones, or the slowest if it says so."""
    if not device.clusters:
        return None
    return device.clusters[-1 if cores == "little" else 0]


def _log_peak(device: Device, number_format: str) -> float | None:
    rates = [figure.value for path, figure in device.peak_per_s.items() if path.startswith(number_format)]
    return math.log(max(rates)) if rates else None


@functools.cache
def _chip_series() -> Mapping[str, Mapping[str, float]]:
    text = resources.files("zoo.estimation.platforms").joinpath("series.yaml").read_text(encoding="utf-8")
    return {name: dict(entry["years"]) for name, entry in load_own_yaml(text)["series"].items()}


class ComparisonKey(NamedTuple):
    """Fields that are equal in settings of which one can be predicted from the other."""

    runtime: str
    processor: str
    dtype: str
    batch: int


def comparison_key(setting: Mapping[Any, Any]) -> ComparisonKey:
    """The key of a setting."""
    return ComparisonKey(*(setting[name] for name in ComparisonKey._fields))


class Relatives:
    """Measured settings of one runtime, processor, dtype and batch, from which the constants of others are predicted."""

    def __init__(self, known: Sequence[SettingTraits], log_constants: Array, prior: RelativesPrior) -> None:
        """Takes the settings.

        Args:
            known: the settings.
            log_constants: of the settings: a row each.
            prior: of the platform.
        """
        self._known, self._log_constants, self._prior = known, log_constants, prior
        self._alike = _AlikeTraits.of(known, prior)
        self._predicted: dict[tuple[frozenset[Any], frozenset[Any]], PredictedConstants | None] = {}  # by labels and numbers
        self._processes: dict[tuple[str, ...], _Process] = {}  # by the trends that apply

    def predict(self, target: SettingTraits) -> PredictedConstants | None:
        """The constants of a setting; None where no measured setting is related and no trend applies."""
        traits = frozenset(target.labels.items()), frozenset(target.numbers.items())
        if traits not in self._predicted:
            self._predicted[traits] = self._predict(target)
        return self._predicted[traits]

    def _predict(self, target: SettingTraits) -> PredictedConstants | None:
        if not self._known:
            return None
        trends = tuple(name for name in self._prior.trends if name in target.numbers)
        own = _AlikeTraits.of([target], self._prior)
        towards = own.covariance(self._alike, self._prior)[0]
        if not towards.any() and not any(name.endswith("_peak") for name in trends):
            return None
        process = self._process(trends)
        towards = towards[process.usable]
        own_variance = float(own.covariance(own, self._prior)[0, 0]) + self._prior.alone**2
        log_constants, variance = process.predict(target, towards, own_variance)
        nearest = self._known[process.usable[int(np.argmax(towards))]].labels["device"] if towards.max() > 0 else None
        return PredictedConstants(log_constants, math.sqrt(max(variance, 0.0)), nearest)

    def _process(self, trends: tuple[str, ...]) -> _Process:
        """The process with these trends, or without any if no measured setting has all of their numbers."""
        if trends not in self._processes:
            usable = [place for place, one in enumerate(self._known) if all(name in one.numbers for name in trends)]
            if usable:
                self._processes[trends] = self._make_process(trends, usable)
            else:
                self._processes[trends] = self._make_process((), list(range(len(self._known))))
        return self._processes[trends]

    def _make_process(self, trends: tuple[str, ...], usable: list[int]) -> _Process:
        numbers = np.array([[self._known[place].numbers[name] for name in trends] for place in usable])
        alone = self._prior.alone**2 * np.eye(len(usable))
        return _Process(
            trends,
            usable,
            numbers.reshape(len(usable), -1),
            np.array([self._prior.trends[name] for name in trends]).reshape(-1, 2),
            self._covariance[np.ix_(usable, usable)] + alone,
            self._log_constants[usable],
        )

    @functools.cached_property
    def _covariance(self) -> Array:
        """Covariance of the residuals of measured settings."""
        return self._alike.covariance(self._alike, self._prior)


class _Process:
    """The Gaussian process over some measured settings, solved once for all predictions.

    Attributes:
        usable: places of the settings among the measured ones.
    """

    def __init__(
        self, trends: tuple[str, ...], usable: list[int], numbers: Array, slopes: Array, covariance: Array, values: Array
    ) -> None:
        """Takes the settings.

        Args:
            trends: numbers of settings that values follow.
            usable: places of the settings.
            numbers: settings x trends.
            slopes: trends x 2: mean and standard deviation of the prior of each slope.
            covariance: of the settings' residuals.
            values: settings x terms.
        """
        self.usable = usable
        self._trends = trends
        self._slopes = slopes[:, 0]
        self._centre = numbers.mean(axis=0)
        numbers = numbers - self._centre
        design = np.column_stack([np.ones(len(usable)), numbers])
        self._inverse = np.linalg.inv(covariance)
        self._weighted = design.T @ self._inverse
        self._spread = np.linalg.inv(self._weighted @ design + np.diag([_FREE**-2.0, *slopes[:, 1] ** -2.0]))
        about = values - (numbers @ self._slopes)[:, None]
        self._offsets = self._spread @ (self._weighted @ about)
        self._residuals = about - design @ self._offsets

    def predict(self, target: SettingTraits, towards: Array, own_variance: float) -> tuple[Array, float]:
        """The values of a setting, and their variance.

        Args:
            target: the setting.
            towards: its covariances with the settings.
            own_variance: of its residual.
        """
        here = np.array([target.numbers[name] for name in self._trends]) - self._centre
        at = np.concatenate([[1.0], here])
        weights = towards @ self._inverse
        predicted = at @ self._offsets + here @ self._slopes + weights @ self._residuals
        rest = at - self._weighted @ towards
        return predicted, float(own_variance - weights @ towards + rest @ self._spread @ rest)


@dataclass(frozen=True)
class _AlikeTraits:
    """Labels of settings by kind of label, and the numbers over whose distance their similarity decreases, as arrays."""

    labels: Mapping[str, npt.NDArray[np.object_]]  # None where a setting has none
    numbers: Mapping[str, Array]  # NaN where a setting has none

    @classmethod
    def of(cls, settings: Sequence[SettingTraits], prior: RelativesPrior) -> _AlikeTraits:
        """The arrays of these settings."""
        labels, numbers = {}, {}
        for label, (_, number, _) in prior.alike.items():
            labels[label] = np.array([one.labels.get(label) for one in settings], dtype=object)
            if number is not None:
                numbers[number] = np.array([one.numbers.get(number, np.nan) for one in settings])
        return cls(labels, numbers)

    def covariance(self, others: _AlikeTraits, prior: RelativesPrior) -> Array:
        """Covariances of the residuals of these settings with those of others."""
        covariance = np.zeros((1, 1))
        for label, (deviation, number, distance) in prior.alike.items():
            names, other_names = self.labels[label][:, None], others.labels[label][None, :]
            is_alike = (names == other_names) & ~pd.isna(other_names)
            apart = np.zeros(is_alike.shape)
            if number is not None:
                apart = (self.numbers[number][:, None] - others.numbers[number][None, :]) / distance
                is_alike &= ~np.isnan(apart)
            covariance = covariance + np.where(is_alike, deviation**2 * np.exp(-(np.nan_to_num(apart) ** 2) / 2), 0.0)
        return covariance
