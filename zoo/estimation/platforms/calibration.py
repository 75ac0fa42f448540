"""Calibrates the constants of a platform with a few measurements on a phone, an accelerator or a board.

    calibration = calibrate_platform_run(platform_run, sums, rows, log_s)
    sums.on(device, run, [calibration.platform_run(fitted_platforms())])

The published or predicted constants are fitted to the measurements (`fit_to_few`); `zoometer validate-speed --published` tests
this as a device held out with five measured models.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from zoo.errors import SpeedError
from zoo.estimation.arrays import Array, Indices
from zoo.estimation.calibration import check_enough
from zoo.estimation.platforms.constants import Fitted
from zoo.estimation.platforms.fleet import PlatformSums
from zoo.estimation.platforms.hierarchy import Data, Hierarchy
from zoo.estimation.platforms.platform import Platform
from zoo.estimation.platforms.relatives import PredictedConstants
from zoo.estimation.platforms.settings import CalibratedConstants, PlatformRun

_OWN_DEVIATION = 0.3
"""Prior standard deviation of the factor where others measured the device: another unit, another version of the runtime."""

_LEAST_DEVIATION = 0.1
"""Lower limit of the standard deviation of a predicted factor."""


@dataclass(frozen=True, slots=True)
class PlatformCalibration:
    """The constants of one run configuration on a device, fitted to measurements there."""

    platform: str
    setting: Mapping[str, Any]  # by `zoo.estimation.platforms.platform.SETTING`
    measurements: int
    factor: float  # measured over estimated time before, the median
    log_constants: Mapping[str, float]  # by the name of the term
    covariance: tuple[tuple[float, ...], ...]

    def platform_run(self, fitted: Mapping[str, Fitted]) -> PlatformRun:
        """The run configuration with these constants.

        Raises:
            SpeedError: if the terms of its platform have changed.
        """
        one = fitted.get(self.platform)
        if one is None or [term.name for term in one.platform.terms] != list(self.log_constants):
            raise SpeedError(
                f"The calibration of {self.setting['device']} is of older terms. Make it anew with: zoometer calibrate"
            )
        setting = {name: np.nan if value is None else value for name, value in self.setting.items()}
        calibrated = CalibratedConstants(np.array(self.covariance), self.measurements)
        return PlatformRun(one, setting, np.array([*self.log_constants.values()]), None, calibrated)


def calibrate_platform_run(platform_run: PlatformRun, sums: PlatformSums, rows: Indices, log_s: Array) -> PlatformCalibration:
    """Fits the constants of a run configuration.

    Args:
        platform_run: with published or predicted constants.
        sums: of the measured models.
        rows: of each measurement, the row of its model in `sums`.
        log_s: of each measurement, the logarithm of the seconds of one image.

    Raises:
        SpeedError: if there are too few.
    """
    check_enough(len(rows))
    platform, effects = platform_run.fitted.platform, sums.effects(platform_run.fitted, platform_run.setting["dtype"])
    nothing = np.zeros(len(rows), dtype=np.intp)
    data = Data(sums.amounts(platform_run.fitted)[rows], nothing, log_s - effects.log_effect[rows], np.ones(len(rows)))
    prior = platform_run.predicted or PredictedConstants(platform_run.log_constants, _OWN_DEVIATION, None)
    constants, covariance = fit_to_few(platform, prior, data)
    return PlatformCalibration(
        platform=platform.name,
        setting={name: None if pd.isna(value) else _python_value(value) for name, value in platform_run.setting.items()},
        measurements=len(rows),
        factor=math.exp(float(np.median(log_s - sums.log_seconds(platform_run)[rows]))),
        log_constants={term.name: float(value) for term, value in zip(platform.terms, constants, strict=True)},
        covariance=tuple(tuple(map(float, row)) for row in covariance),
    )


def fit_to_few(platform: Platform, prior: PredictedConstants, data: Data) -> tuple[Array, Array]:
    """The log constants of one setting, and their covariance.

    Args:
        platform: of the setting.
        prior: the constants before these measurements.
        data: a few measurements in that setting, numbered 0, without the effects of their models.
    """
    fit = Hierarchy(prior.log_constants, (), platform.device_level(max(prior.deviation, _LEAST_DEVIATION))).fit(data)
    return fit.log_constants()[0], fit.covariance(0)


def nearest_platform_run(runs: list[PlatformRun], sums: PlatformSums, rows: Indices, log_s: Array) -> PlatformRun:
    """The run configuration whose estimates are closest to the measurements."""
    return min(runs, key=lambda one: float(np.median(np.abs(log_s - sums.log_seconds(one)[rows]))))


def format_platform_calibrations(calibrations: Sequence[PlatformCalibration]) -> str:
    """The calibrations of one device as JSON."""
    return json.dumps([asdict(one) for one in calibrations], indent=1)


def parse_platform_calibrations(text: str) -> list[PlatformCalibration]:
    """The calibrations in a file that `format_platform_calibrations` wrote.

    Raises:
        SpeedError: if the file holds none.
    """
    try:
        return [_parse_calibration(record) for record in json.loads(text)]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise SpeedError("The file holds no calibrations of a platform. Make one with: zoometer calibrate") from None


def _parse_calibration(record: Mapping[str, Any]) -> PlatformCalibration:
    covariance = tuple(tuple(map(float, row)) for row in record["covariance"])
    if [len(row) for row in covariance] != [len(record["log_constants"])] * len(record["log_constants"]):
        raise ValueError("covariance")
    return PlatformCalibration(**{**record, "covariance": covariance})


def _python_value(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
