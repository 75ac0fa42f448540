"""Intervals that hold nine times in ten by construction: the spread that was seen of what was left out of a fit.

A residual is divided by the deviation foreseen for it; the quantile of these scores over whole groups that were left out (models,
families, devices) is what an interval is widened by. Each group weighs the same, however many measurements it has. Few groups say
little of the next one: the quantile is widened as Student's distribution is wider than the normal one. So it is a conformal
prediction (Vovk, Gammerman and Shafer, 2005) for groups that are exchangeable, with a correction for small samples that stays finite.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from zoo.estimation.platforms.hierarchy import Array

COVERAGE = 0.9

_MEDIAN_DEVIATION = 1.4826
"""Standard deviation of normal values over the median of their amounts."""
_NORMAL = 1.645
"""95 % of normal values are below as many standard deviations."""
_LEAST_NOISE = 0.05
"""A published time is no nearer to what another run would give."""


def noise_of(residuals: Array, groups: npt.NDArray[np.intp]) -> float:
    """Standard deviation of residuals, not minding a few large ones; each group weighs the same."""
    return max(_LEAST_NOISE, _MEDIAN_DEVIATION * weighted_quantile(np.abs(residuals), _weights(groups), 0.5))


def conformal_quantile(scores: Array, groups: npt.NDArray[np.intp]) -> float:
    """What nine in ten scores of another group are within."""
    return _small_sample(len(np.unique(groups))) * weighted_quantile(scores, _weights(groups), COVERAGE)


def held_out_quantiles(scores: Array, groups: npt.NDArray[np.intp]) -> Array:
    """For each score, the quantile without its own group: what its interval would have been widened by before it was known."""
    found = np.zeros(len(scores))
    for group in np.unique(groups):
        own = groups == group
        found[own] = conformal_quantile(scores[~own], groups[~own]) if not own.all() else np.nan
    return found


def _small_sample(groups: int) -> float:
    """Student's 95 % quantile over the normal one, with groups - 1 degrees of freedom; by Cornish and Fisher's expansion."""
    degrees, z = max(groups - 1, 1), _NORMAL
    first, second = (z**2 + 1) / (4 * degrees), (5 * z**4 + 16 * z**2 + 3) / (96 * degrees**2)
    return 1 + first + second


def weighted_quantile(values: Array, weights: Array, level: float) -> float:
    """The least value up to which a share of the weight lies."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][min(int(np.searchsorted(reached, level - 1e-12)), len(values) - 1)])


def _weights(groups: npt.NDArray[np.intp]) -> Array:
    counts = np.bincount(groups)
    weights: Array = 1 / counts[groups]
    return weights
