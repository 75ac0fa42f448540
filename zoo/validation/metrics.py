"""Agreement of estimates with measurements, before and after a calibration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from zoo.estimation.arrays import Array
from zoo.run_config import RunConfig

CLOSE = 0.25
"""Estimates within this share of the measured time are close."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well the estimates of a set of models agree with measurements. Errors are |estimated / measured - 1|, in percent."""

    models: int
    rank_correlation: float  # Spearman's
    median_error_percent: float
    p90_error_percent: float
    close_percent: float  # of models within 25 %
    covered_percent: float | None  # of models whose measured time is in the interval; None without intervals


@dataclass(frozen=True)
class CalibratedRun:
    """A calibration of the estimates of one run configuration, and how much it improves them."""

    run: RunConfig
    measurements: int
    factor: float  # measured over estimated time without the calibration
    path: str  # of its file
    before: Agreement | None  # of estimates without it; None where there are none without
    after: Agreement  # of estimates with it, each model's made without its own measurement
    unused: tuple[str, ...]  # measured models without an estimate, with the reason
    standard_error: float | None = None  # of the logarithm of the factor; None on platforms
    platform_run: str | None = None  # description of the run configuration on a platform
    left_out: int = 0  # measurements of other runtimes and numbers of threads


def agreement(measured: Array, estimated: Array, low: Array | None = None, high: Array | None = None) -> Agreement:
    """The agreement of estimated times, and of the ends of their intervals, with measured times."""
    errors = np.abs(estimated / measured - 1)
    covered = None if low is None or high is None else 100 * float(np.mean((low <= measured) & (measured <= high)))
    return Agreement(
        models=len(measured),
        rank_correlation=rank_correlation(measured, estimated),
        median_error_percent=100 * float(np.median(errors)),
        p90_error_percent=100 * float(np.percentile(errors, 90)),
        close_percent=100 * float(np.mean(errors <= CLOSE)),
        covered_percent=covered,
    )


def rank_correlation(first: Array, second: Array) -> float:
    """Spearman's rank correlation; ties have their mean rank."""
    return float(pd.Series(first).rank().corr(pd.Series(second).rank()))


def median_of(agreements: Sequence[Agreement]) -> Agreement:
    """The median of each figure; NaN where an agreement has none, and of covered percents those that are known."""
    figures = pd.DataFrame(agreements).astype(float)
    medians: dict[str, Any] = {str(name): value for name, value in figures.median(skipna=False).items()}
    covered = figures["covered_percent"].median()
    return Agreement(
        **{**medians, "models": round(medians["models"]), "covered_percent": None if math.isnan(covered) else covered}
    )
