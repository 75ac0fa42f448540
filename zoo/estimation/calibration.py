"""Calibration: corrects the estimates of a device with a few measurements on it.

The logarithm of measured over estimated time is modelled as one factor for all, plus one each for the shares of time that an
estimate gives to computing, to memory and to overhead; the latter three are shrunk towards zero, so that ten measurements
suffice. They are needed because a card that throttles its clock is slow where it computes, and as fast as others where it waits for
memory. It is a linear regression with normal priors, reweighted (Huber) so that single outliers have little influence.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import yaml

from zoo.documents.yaml_document import parse_yaml
from zoo.errors import SpeedError
from zoo.estimation.arrays import Array
from zoo.records import MODEL_COLUMNS
from zoo.run_config import Precision, RunConfig

SHARES = ("share_compute", "share_memory", "share_overhead")
"""Columns of an estimate: the parts of its time."""

LEAST_MEASUREMENTS = 5
"""Smallest number of measurements: with fewer, the factor would be as uncertain as the estimates. The tested protocol of platforms uses
this number too."""

_NOISE = 0.1
"""Standard deviation of log (measured over estimated) between models, after the correction by the factor."""
_FACTOR_DEVIATION = 2.0
"""Prior standard deviation of the factor for all: hardly a restriction."""
_SHARE_DEVIATION = 0.2
"""Prior standard deviation of the factors of the shares."""
_OUTLIER = 0.25
"""Residuals beyond this many standard deviations have less weight (Huber). Most residuals are, so the result is close to a median."""
_EFFICIENCY = 2 / math.pi
"""Statistical efficiency of a median relative to the mean of normal values."""
_ROUNDS = 20


@dataclass(frozen=True, slots=True)
class Calibration:
    """The correction of the estimates of one device and run configuration.

    The logarithm of the correction is linear in 1 and `SHARES`, with these coefficients and their covariance.
    """

    run: RunConfig  # of any batch: `RunConfig.for_calibration`
    measurements: int
    coefficients: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]

    @property
    def factor(self) -> float:
        """Measured over estimated time of a model with equal shares."""
        return math.exp(self.coefficients[0] + sum(self.coefficients[1:]) / len(SHARES))

    @property
    def standard_error(self) -> float:
        """Standard error of the logarithm of `factor`."""
        return float(self.errors(np.full((1, len(SHARES)), 1 / len(SHARES)))[0])

    def log_factors(self, shares: Array) -> Array:
        """Logarithms of the corrections of models with these shares (models x 3)."""
        corrections: Array = _design(shares) @ np.array(self.coefficients)
        return corrections

    def errors(self, shares: Array) -> Array:
        """Standard errors of `log_factors`."""
        design = _design(shares)
        errors: Array = np.sqrt(np.einsum("ij,jk,ik->i", design, np.array(self.covariance), design))
        return errors


def check_enough(measurements: int) -> None:
    """Checks the number of measurements of a calibration.

    Raises:
        SpeedError: if there are fewer than `LEAST_MEASUREMENTS`.
    """
    if measurements < LEAST_MEASUREMENTS:
        raise SpeedError(f"{measurements} of at least {LEAST_MEASUREMENTS} measurements; ten of different families are better")


def calibrate(estimates: pd.DataFrame, measurements: pd.DataFrame, key: Sequence[str] = MODEL_COLUMNS) -> Calibration:
    """Fits a calibration of uncalibrated estimates to measurements.

    Args:
        estimates: what `zoo.estimation.estimate.estimate` gave, without a calibration.
        measurements: `latency_ms` of a step by the columns of `key` and `batch`.
        key: columns that together name a model in both.

    Raises:
        SpeedError: if fewer than `LEAST_MEASUREMENTS` of the measurements have an estimate.
    """
    usable = estimates[estimates["latency_ms"].notna()]
    joined = usable.merge(measurements[[*key, "batch", "latency_ms"]], on=[*key, "batch"], suffixes=("", "_measured"))
    if len(joined) < LEAST_MEASUREMENTS:
        raise SpeedError(
            f"{len(joined)} of the measurements have an estimate at their batch; a calibration needs {LEAST_MEASUREMENTS}, "
            "better ten. Measure models of different families."
        )
    ratios = np.log(joined["latency_ms_measured"].to_numpy(float) / joined["latency_ms"].to_numpy(float))
    coefficients, covariance = regress(joined[list(SHARES)].to_numpy(float), ratios)
    return Calibration(
        _run_from_record(joined.iloc[0]), len(joined), tuple(coefficients.tolist()), tuple(map(tuple, covariance.tolist()))
    )


def regress(shares: Array, log_ratios: Array) -> tuple[Array, Array]:
    """Coefficients of 1 and the shares, and their covariance."""
    design = _design(shares)
    deviations = np.array([_FACTOR_DEVIATION, *[_SHARE_DEVIATION] * len(SHARES)])
    prior = np.diag(deviations**-2.0)
    weights = np.ones(len(log_ratios))
    coefficients = np.array([float(np.median(log_ratios)), *[0.0] * len(SHARES)])
    covariance = np.diag(deviations**2.0)
    for _ in range(_ROUNDS):
        residuals = np.abs(log_ratios - design @ coefficients)
        noise = max(_NOISE, 1.4826 * float(np.median(residuals)))
        weights = np.minimum(1, _OUTLIER * noise / np.maximum(residuals, 1e-12))
        weights *= _EFFICIENCY / weights.mean()
        scaled = design * (weights / noise**2)[:, None]
        covariance = np.linalg.inv(scaled.T @ design + prior)
        coefficients = covariance @ (scaled.T @ log_ratios)
    return coefficients, covariance


def format_calibration(calibration: Calibration) -> str:
    """A calibration as YAML."""
    run = calibration.run
    record = {
        "device": run.device,
        "precision": run.precision.value,
        "layout": run.layout,
        "compiled": run.compiled,
        "measurements": calibration.measurements,
        "coefficients": dict(zip(("all", *SHARES), map(float, calibration.coefficients), strict=True)),
        "covariance": [list(map(float, row)) for row in calibration.covariance],
    }
    return yaml.safe_dump(record, sort_keys=False)


def parse_calibration(text: str) -> Calibration:
    """The calibration of a YAML file.

    Raises:
        SpeedError: if it is no calibration.
    """
    try:
        record = parse_yaml(text)
        coefficients = tuple(float(record["coefficients"][name]) for name in ("all", *SHARES))
        covariance = tuple(tuple(float(value) for value in row) for row in record["covariance"])
        if [len(row) for row in covariance] != [len(coefficients)] * len(coefficients):
            raise ValueError("covariance")
        return Calibration(_run_from_record(record), int(record["measurements"]), coefficients, covariance)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise SpeedError("The file is no calibration. Make one with: zoometer calibrate") from None


def _run_from_record(record: Mapping[str, Any] | pd.Series) -> RunConfig:
    """The run configuration of a row of estimates, or of a file."""
    precision = Precision.parse(str(record["precision"]))
    if precision is None:
        raise ValueError("precision")
    return RunConfig(str(record["device"]), precision, str(record["layout"]), compiled=bool(record["compiled"]))


def _design(shares: Array) -> Array:
    return np.column_stack([np.ones(len(shares)), shares])
