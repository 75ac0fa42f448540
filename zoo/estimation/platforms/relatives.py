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
    cluster = _cluster(device, setting["cores"]) if setting["processor"] == "cpu" else None
    chip = device.chip or device.id
    series = _series()
    of_series = next(((name, years[chip]) for name, years in series.items() if chip in years), None)
    of_series = of_series or next(((name, years[device.id]) for name, years in series.items() if device.id in years), None)
    clock = (cluster.clock_hz if cluster else None) or (device.boost_clock_hz.value if device.boost_clock_hz else None)
    labels = {
        "device": device.id,
        "chip": chip,
        "core": (cluster.core if cluster else None) or _core(device, setting["processor"]),
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


def _core(device: Device, processor: str) -> str | None:
    """The architecture of a device, if it is that of the processor."""
    return device.architecture if processor == ("gpu" if device.kind.endswith("gpu") else "cpu") else None


def _cluster(device: Device, cores: Any) -> Cluster | None:
    """The cores that a setting runs on: the fastest ones, or the slowest if it says so."""
    if not device.clusters:
        return None
    return device.clusters[-1 if cores == "little" else 0]


def _log_peak(device: Device, number_format: str) -> float | None:
    rates = [figure.value for path, figure in device.peak_per_s.items() if path.startswith(number_format)]
    return math.log(max(rates)) if rates else None


@functools.cache
def _series() -> Mapping[str, Mapping[str, float]]:
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


def predict_constants(
    target: SettingTraits, known: Sequence[SettingTraits], log_constants: Array, prior: RelativesPrior
) -> PredictedConstants | None:
    """The constants of a setting; None where no measured setting is related and no trend applies.

    Args:
        target: the setting.
        known: settings of the same runtime, dtype and batch that were measured.
        log_constants: of the known settings: a row each.
        prior: of the platform.
    """
    if not known:
        return None
    trends = {name: slope for name, slope in prior.trends.items() if name in target.numbers}
    together = _shared([target, *known], prior)
    if not together[0, 1:].any() and not any(name.endswith("_peak") for name in trends):
        return None
    usable = [i for i, one in enumerate(known) if all(name in one.numbers for name in trends)]
    if not usable:
        trends, usable = {}, list(range(len(known)))
    known, values = [known[i] for i in usable], log_constants[usable]
    together = together[np.ix_(chosen := [0, *(i + 1 for i in usable)], chosen)]
    covariance, towards = together[1:, 1:] + prior.alone**2 * np.eye(len(known)), together[0, 1:]
    slopes = np.array([mean for mean, _ in trends.values()])
    centre = np.array([np.mean([one.numbers[name] for one in known]) for name in trends])
    numbers = np.array([[one.numbers[name] for name in trends] for one in known]).reshape(len(known), -1) - centre
    here = np.array([target.numbers[name] for name in trends]) - centre
    design, at = np.column_stack([np.ones(len(known)), numbers]), np.concatenate([[1.0], here])
    inverse = np.linalg.inv(covariance)
    precision = np.diag([_FREE**-2.0, *(deviation**-2.0 for _, deviation in trends.values())])
    spread = np.linalg.inv(design.T @ inverse @ design + precision)
    about = values - (numbers @ slopes)[:, None]
    offsets = spread @ (design.T @ inverse @ about)
    predicted = at @ offsets + here @ slopes + towards @ inverse @ (about - design @ offsets)
    rest = at - design.T @ inverse @ towards
    variance = together[0, 0] + prior.alone**2 - towards @ inverse @ towards + rest @ spread @ rest
    nearest = known[int(np.argmax(towards))].labels["device"] if len(towards) and towards.max() > 0 else None
    return PredictedConstants(predicted, math.sqrt(max(variance, 0.0)), nearest)


def _shared(settings: Sequence[SettingTraits], prior: RelativesPrior) -> Array:
    """Covariances of what settings have in common."""
    covariance = np.zeros((len(settings), len(settings)))
    for label, (deviation, number, distance) in prior.alike.items():
        codes: dict[str, int] = {}
        names = np.array([codes.setdefault(one.labels[label], len(codes)) if label in one.labels else -1 for one in settings])
        is_alike = (names[:, None] == names[None, :]) & (names >= 0)
        apart = np.zeros_like(covariance)
        if number is not None:
            numbers = np.array([one.numbers.get(number, np.nan) for one in settings])
            apart = (numbers[:, None] - numbers[None, :]) / distance
            is_alike &= ~np.isnan(apart)
        covariance += np.where(is_alike, deviation**2 * np.exp(-(np.nan_to_num(apart) ** 2) / 2), 0.0)
    return covariance
