"""How well estimates agree with measurements."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from zoo.estimation.arrays import Array

CLOSE = 0.25
"""Estimates within this share of the measured time are close."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of a set of models. Errors are |estimated / measured - 1|, in percent."""

    models: int
    rank_correlation: float  # Spearman's
    median_error_percent: float
    p90_error_percent: float
    close_percent: float  # of models within 25 %
    covered_percent: float | None  # of models whose measured time is in the interval; None where there is none


def agreement(measured: Array, estimated: Array, low: Array | None = None, high: Array | None = None) -> Agreement:
    """Of estimated times, and their intervals, with measured ones."""
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
    """Spearman's: the correlation of ranks, ties sharing theirs."""
    return float(pd.Series(first).rank().corr(pd.Series(second).rank()))


def median_of(found: list[Agreement]) -> Agreement:
    """Of each figure over many draws."""
    covered = [one.covered_percent for one in found if one.covered_percent is not None]
    return Agreement(
        models=round(float(np.median([one.models for one in found]))),
        rank_correlation=float(np.median([one.rank_correlation for one in found])),
        median_error_percent=float(np.median([one.median_error_percent for one in found])),
        p90_error_percent=float(np.median([one.p90_error_percent for one in found])),
        close_percent=float(np.median([one.close_percent for one in found])),
        covered_percent=float(np.median(covered)) if covered else None,
    )
