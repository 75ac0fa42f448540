"""Cross-validation of estimates on platforms: each protocol predicts measurements that it was not fitted to.

- model held out: the model is in no row of the fit, on any device, in any dtype;
- family held out: nor is any model of its family;
- device held out: no row of the device is in the fit; its constants are predicted from its data sheet and related devices. The
  effects of its models are known from other devices;
- device held out, five measured: the same, then fitted to five random models measured on it, tested on the rest.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from zoo.devices.device import Device
from zoo.estimation.arrays import Array, Flags, Indices
from zoo.estimation.platforms.calibration import fit_to_few
from zoo.estimation.platforms.hierarchy import Data, Posterior, log_sum
from zoo.estimation.platforms.relatives import PredictedConstants, Relatives, comparison_key, traits_of
from zoo.validation.platforms.effects import effects_of
from zoo.validation.platforms.measurements import Measurements

FEW = 5
"""Models measured on a device that was held out."""
DRAWS = 20
_MOST_STEPS = 6
"""Largest number of steps of a fit that starts from a fit to nearly the same data."""


class Protocol(enum.StrEnum):
    """What is left out of a fit."""

    MODEL = "model held out"
    FAMILY = "family held out"
    DEVICE = "device held out"
    FEW = "device held out, five measured"


@dataclass(frozen=True)
class HeldOut:
    """Predictions of some measurements, each by a fit without it."""

    protocol: Protocol
    row: Indices  # of the measurements
    residual: Array  # log (measured over predicted)
    variance: Array  # of the prediction, by uncertain constants and, where it is predicted, the device
    group: Indices  # what was left out together


def model_held_out(measurements: Measurements, full: Posterior) -> HeldOut:
    """Predictions of each model by a fit without it."""
    return _held_out(Protocol.MODEL, measurements, full, measurements.model)


def family_held_out(measurements: Measurements, full: Posterior, families: Mapping[tuple[str, str], str]) -> HeldOut:
    """Predictions of each model by a fit without its family; `families` are by zoo and architecture."""
    names = [families.get((zoo, arch), arch) for zoo, arch in measurements.architectures()]
    return _held_out(Protocol.FAMILY, measurements, full, pd.factorize(np.array(names, dtype=object))[0][measurements.model])


def _held_out(protocol: Protocol, measurements: Measurements, full: Posterior, group: Indices) -> HeldOut:
    residual, variance = np.zeros(len(group)), np.zeros(len(group))
    for number in np.unique(group):
        tested = group == number
        fit = measurements.hierarchy().fit(measurements.data.select(~tested), full, _MOST_STEPS)
        residual[tested], variance[tested] = residuals_of(fit, measurements.data.select(tested))
    return HeldOut(protocol, np.arange(len(group)), residual, variance, group)


def residuals_of(fit: Posterior, data: Data) -> tuple[Array, Array]:
    """Residuals of measurements, and the variance of their predictions by the uncertainty of the constants."""
    shares, log_time = log_sum(fit.log_constants()[data.setting], data.amounts)
    variance = np.zeros(len(log_time))
    for setting in np.unique(data.setting):
        rows = data.setting == setting
        variance[rows] = np.einsum("ij,jk,ik->i", shares[rows], fit.covariance(int(setting)), shares[rows])
    return data.log_time - log_time, variance


def device_held_out(measurements: Measurements, full: Posterior, devices: Mapping[str, Device]) -> list[HeldOut]:
    """Predictions of each device by a fit without it: from related devices only, and with a few models measured on it."""
    data = measurements.data
    group = pd.factorize(measurements.settings["device"])[0][data.setting]
    alone: list[_Part] = []
    few: list[_Part] = []
    for number in np.unique(group):
        tested = group == number
        fit = measurements.hierarchy().fit(data.select(~tested), full, _MOST_STEPS)
        effects = effects_of(measurements, fit, ~tested)[measurements.effect_row]
        for setting in np.unique(data.setting[tested]):
            constants = _predicted_constants(measurements, fit, ~tested, int(setting), devices)
            if constants is None:
                continue
            rows = np.flatnonzero(tested & (data.setting == setting))
            log_time = log_sum(np.tile(constants.log_constants, (len(rows), 1)), data.amounts[rows])[1]
            variance = np.full(len(rows), constants.deviation**2)
            alone.append(_Part(rows, data.log_time[rows] - log_time - effects[rows], variance))
            few += _with_few(measurements, constants, rows, effects)
    return [_join_parts(Protocol.DEVICE, alone, group), _join_parts(Protocol.FEW, few, group)]


class _Part(NamedTuple):
    """Predictions of some measurements in one setting."""

    row: Indices
    residual: Array
    variance: Array


def _predicted_constants(
    measurements: Measurements, fit: Posterior, fitted: Flags, setting: int, devices: Mapping[str, Device]
) -> PredictedConstants | None:
    """Constants of a setting, predicted from the settings of the fitted measurements."""
    settings = measurements.settings.to_dict("records")
    target = settings[setting]
    measured = np.unique(measurements.data.setting[fitted]).tolist()
    rows = [row for row in measured if comparison_key(settings[row]) == comparison_key(target)]
    known = [traits_of(devices[settings[row]["device"]], settings[row]) for row in rows]
    relatives = Relatives(known, fit.log_constants()[rows], measurements.platform.relatives)
    return relatives.predict(traits_of(devices[target["device"]], target))


def _with_few(measurements: Measurements, prior: PredictedConstants, rows: Indices, effects: Array) -> list[_Part]:
    """Random draws of a few measured models; the others are tested."""
    if len(rows) < 2 * FEW:
        return []
    parts, generator = [], np.random.default_rng(int(rows[0]))
    data = measurements.data
    for _ in range(DRAWS):
        chosen = np.isin(np.arange(len(rows)), generator.choice(len(rows), FEW, replace=False))
        seen, tested = rows[chosen], rows[~chosen]
        few = Data(data.amounts[seen], np.zeros(FEW, dtype=np.intp), data.log_time[seen] - effects[seen], np.ones(FEW))
        constants, covariance = fit_to_few(measurements.platform, prior, few)
        shares, log_time = log_sum(np.tile(constants, (len(tested), 1)), data.amounts[tested])
        variance = np.einsum("ij,jk,ik->i", shares, covariance, shares)
        parts.append(_Part(tested, data.log_time[tested] - log_time - effects[tested], variance))
    return parts


def _join_parts(protocol: Protocol, parts: list[_Part], group: Indices) -> HeldOut:
    """The predictions of all settings; some measurements have none."""
    nothing = _Part(np.zeros(0, dtype=np.intp), np.zeros(0), np.zeros(0))
    row, residual, variance = map(np.concatenate, zip(nothing, *parts, strict=True))
    return HeldOut(protocol, row, residual, variance, group[row])
