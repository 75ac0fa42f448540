"""A few measurements on a device that constants were only foreseen for: how they move them."""

from __future__ import annotations

import numpy as np

from zoo.estimation.platforms.hierarchy import Array, Data, Hierarchy, Level
from zoo.estimation.platforms.platform import Platform
from zoo.estimation.platforms.relatives import Foreseen

_LEAST_DEVIATION = 0.1
"""Of the factor for all terms: nothing is foreseen better."""


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
