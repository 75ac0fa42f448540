"""What a few measurements on a phone, an accelerator or a board say of how it runs models.

    one = calibrate_way(way, sums, rows, log_s)
    sums.on(device, run, [one.way(fitted_platforms())])

The constants of the way of running, published or foreseen, are fitted to the measurements (`fit_to_few`), which
`zoometer validate-speed --published` tests as a device held out with five measured models.
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
from zoo.estimation.platforms.constants import Fitted
from zoo.estimation.platforms.fleet import PlatformSums
from zoo.estimation.platforms.hierarchy import Data, Hierarchy, Level
from zoo.estimation.platforms.platform import Platform
from zoo.estimation.platforms.relatives import Foreseen
from zoo.estimation.platforms.settings import CalibratedConstants, Way

LEAST_MEASUREMENTS = 5
"""Fewer are refused: the protocol that is tested has as many."""

_OWN_DEVIATION = 0.3
"""Prior standard deviation of the factor where the device was measured by others: another unit, another version of the runtime."""


_LEAST_DEVIATION = 0.1
"""Of the factor for all terms: nothing is foreseen better."""


@dataclass(frozen=True, slots=True)
class WayCalibration:
    """The constants of one way of running on a device, fitted to what was measured there."""

    platform: str
    setting: Mapping[str, Any]  # by `zoo.estimation.platforms.platform.SETTING`
    measurements: int
    factor: float  # measured over estimated time before, the median
    log_constants: Mapping[str, float]  # by the name of the term
    covariance: tuple[tuple[float, ...], ...]

    def way(self, fitted: Mapping[str, Fitted]) -> Way:
        """The way of running with these constants.

        Raises:
            SpeedError: if its terms are no longer those of its platform.
        """
        one = fitted.get(self.platform)
        if one is None or [term.name for term in one.platform.terms] != list(self.log_constants):
            raise SpeedError(
                f"The calibration of {self.setting['device']} is of older terms. Make it anew with: zoometer calibrate"
            )
        setting = {name: np.nan if value is None else value for name, value in self.setting.items()}
        calibrated = CalibratedConstants(np.array(self.covariance), self.measurements)
        return Way(one, setting, np.array([*self.log_constants.values()]), None, calibrated)


def calibrate_way(way: Way, sums: PlatformSums, rows: Indices, log_s: Array) -> WayCalibration:
    """Fits the constants of a way of running.

    Args:
        way: published or foreseen.
        sums: of the measured models.
        rows: of each measurement, the row of its model in `sums`.
        log_s: of each measurement, the logarithm of the seconds of one image.

    Raises:
        SpeedError: if there are fewer than `LEAST_MEASUREMENTS`.
    """
    if len(rows) < LEAST_MEASUREMENTS:
        raise SpeedError(f"{len(rows)} of at least {LEAST_MEASUREMENTS} measurements; ten of different families are better")
    platform, effects = way.fitted.platform, sums.effects(way.fitted, way.setting["dtype"])
    nothing = np.zeros(len(rows), dtype=np.intp)
    data = Data(sums.amounts(way.fitted)[rows], nothing, log_s - effects.log_effect[rows], np.ones(len(rows)))
    foreseen = way.foreseen or Foreseen(way.log_constants, _OWN_DEVIATION, None)
    constants, covariance = fit_to_few(platform, foreseen, data)
    return WayCalibration(
        platform=platform.name,
        setting={name: None if pd.isna(value) else _plain(value) for name, value in way.setting.items()},
        measurements=len(rows),
        factor=math.exp(float(np.median(log_s - sums.log_seconds(way)[0][rows]))),
        log_constants={term.name: float(value) for term, value in zip(platform.terms, constants, strict=True)},
        covariance=tuple(tuple(map(float, row)) for row in covariance),
    )


def fit_to_few(platform: Platform, foreseen: Foreseen, data: Data) -> tuple[Array, Array]:
    """The log constants of one setting, and their covariance.

    Args:
        platform: of the setting.
        foreseen: without measurements.
        data: a few measurements in that setting, numbered 0, effects of their models taken off.
    """
    level = platform.device_level(max(foreseen.deviation, _LEAST_DEVIATION))
    own = Level(level.name, np.zeros(1, dtype=np.intp), level.basis, level.deviation)
    fit = Hierarchy(foreseen.log_constants, (), own).fit(data)
    return fit.log_constants()[0], fit.covariance(0)


def nearest_way(ways: list[Way], sums: PlatformSums, rows: Indices, log_s: Array) -> Way:
    """That of several ways of running whose estimates are nearest to what was measured."""
    return min(ways, key=lambda way: float(np.median(np.abs(log_s - sums.log_seconds(way)[0][rows]))))


def format_way_calibrations(calibrations: Sequence[WayCalibration]) -> str:
    """As JSON, those of one device."""
    return json.dumps([asdict(one) for one in calibrations], indent=1)


def parse_way_calibrations(text: str) -> list[WayCalibration]:
    """Of a file that `format_way_calibrations` wrote.

    Raises:
        SpeedError: if it is none.
    """
    try:
        return [_parse(record) for record in json.loads(text)]
    except (KeyError, TypeError, ValueError, AttributeError):
        raise SpeedError("The file holds no calibrations of a platform. Make one with: zoometer calibrate") from None


def _parse(record: Mapping[str, Any]) -> WayCalibration:
    covariance = tuple(tuple(map(float, row)) for row in record["covariance"])
    if [len(row) for row in covariance] != [len(record["log_constants"])] * len(record["log_constants"]):
        raise ValueError("covariance")
    return WayCalibration(**{**record, "covariance": covariance})


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value
