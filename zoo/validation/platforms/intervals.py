"""Intervals that contain nine in ten measurements by construction, from residuals of groups that were left out of a fit.

A score is a residual over its predicted deviation; an interval is widened by the quantile of the scores of groups that were left out
(models, families, devices). Each group has the same weight, independently of its number of measurements. A quantile of few groups is
uncertain for the next one, so it is multiplied by the smaller of two corrections: that of Student's distribution for this number of
groups, and the factor with which the quantile of all groups but one contains nine in ten scores of that one. This is a conformal
prediction (Vovk, Gammerman and Shafer, 2005; Barber and others, 2021, for the jackknife) for groups that are exchangeable.
"""

from __future__ import annotations

import numpy as np

from zoo.estimation.arrays import Array, Indices
from zoo.estimation.estimate import QUANTILE

COVERAGE = 0.9

_MEDIAN_DEVIATION = 1.4826
"""Standard deviation of normal values over the median of their amounts."""
_ONE_GROUP = 2.0
"""Factor where only one group was left out: a judgement."""
_LEAST_NOISE = 0.05
"""Lower limit: published times vary as much between runs."""


def noise_of(residuals: Array, groups: Indices) -> float:
    """Robust standard deviation of residuals; each group weighs the same."""
    return max(_LEAST_NOISE, _MEDIAN_DEVIATION * weighted_quantile(np.abs(residuals), _group_weights(groups), 0.5))


def conformal_quantile(scores: Array, groups: Indices) -> float:
    """The bound that contains nine in ten scores of another group."""
    weights, quantile = _group_weights(groups), weighted_quantile(scores, _group_weights(groups), COVERAGE)
    names = np.unique(groups)
    if len(names) == 1:
        return _ONE_GROUP * quantile
    without = np.zeros(len(scores))
    for group in names:
        own = groups == group
        without[own] = weighted_quantile(scores[~own], weights[~own], COVERAGE)
    seen = max(1.0, weighted_quantile(scores / without, weights, COVERAGE))
    return min(seen, _small_sample(len(names))) * quantile


def _small_sample(groups: int) -> float:
    """Student's 95 % quantile over the normal one, with groups - 1 degrees of freedom; by Cornish and Fisher's expansion."""
    degrees, z = groups - 1, QUANTILE
    first, second = (z**2 + 1) / (4 * degrees), (5 * z**4 + 16 * z**2 + 3) / (96 * degrees**2)
    return 1 + first + second


def held_out_quantiles(scores: Array, groups: Indices) -> Array:
    """For each score, the conformal quantile of the other groups."""
    quantiles = np.zeros(len(scores))
    for group in np.unique(groups):
        own = groups == group
        quantiles[own] = conformal_quantile(scores[~own], groups[~own]) if not own.all() else np.nan
    return quantiles


def weighted_quantile(values: Array, weights: Array, level: float) -> float:
    """The least value such that the values up to it have this share of the weight."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][min(int(np.searchsorted(reached, level - 1e-12)), len(values) - 1)])


def _group_weights(groups: Indices) -> Array:
    counts = np.bincount(groups)
    weights: Array = 1 / counts[groups]
    return weights
