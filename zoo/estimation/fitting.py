"""Fits the constants of estimates to measured times.

An estimate is a sum of terms (`zoo.estimation.terms.term`), each a constant times a quantity of work over a rate of the data sheet. Constants are fitted in the logarithm, so that they stay positive, by Gauss-Newton steps
with Levenberg's damping on a loss that is quadratic for small relative errors and linear for large ones (Charbonnier's:
sqrt(1 + (e/s)^2) - 1), plus a weak penalty for departures from neutral values: a term that the data do not determine keeps its
neutral value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zoo.estimation.arrays import Array, Flags

_SCALE = 0.12
"""Relative error above which the loss grows linearly; about the standard error of a good estimate."""
_MOST_STEPS = 100
_LEAST_GAIN = 1e-10
_MOST_DAMPING = 1e8


@dataclass(frozen=True)
class Sample:
    """Measured models of one run configuration: their terms in seconds, the host's time for a step, and the measured time of it."""

    terms: Array  # models x constants
    host_s: Array
    measured_s: Array

    def predict(self, constants: Array) -> Array:
        """Times of steps by given constants."""
        return step_seconds(self.terms @ constants, self.host_s)

    def select(self, rows: Flags) -> Sample:
        """The sample of these models only."""
        return Sample(self.terms[rows], self.host_s[rows], self.measured_s[rows])


def step_seconds(device_s: Array, host_s: Array) -> Array:
    """Time of a step: a smooth maximum of the time of the device and the time of the host that submits calls to it."""
    whole: Array = (device_s**4 + host_s**4) ** 0.25
    return whole


def fit(samples: Sequence[Sample], neutral: Array, pull: Array) -> Array:
    """The constants that fit the samples best.

    Args:
        samples: their weights are their numbers of models.
        neutral: values that the constants start from.
        pull: weight of the penalty for departures from them, for each constant.
    """
    terms = np.concatenate([sample.terms for sample in samples])
    host = np.concatenate([sample.host_s for sample in samples])
    target = np.log(np.concatenate([sample.measured_s for sample in samples]))
    start = np.log(neutral)
    pull = pull / len(pull)

    def evaluate(logs: Array) -> tuple[Array, Array, float]:
        """Residuals, their derivatives by each log constant, and the loss."""
        parts = terms * np.exp(logs)
        device = parts.sum(axis=1)
        whole4 = device**4 + host**4
        residuals = np.log(whole4) / 4 - target
        slopes = parts * (device**3 / whole4)[:, None]
        loss = float((np.sqrt(1 + (residuals / _SCALE) ** 2) - 1).mean() + (pull * (logs - start) ** 2).sum())
        return residuals, slopes, loss

    logs, damping = start.copy(), 1e-3
    residuals, slopes, loss = evaluate(logs)
    for _ in range(_MOST_STEPS):
        weighted = slopes * (1 / (np.sqrt(1 + (residuals / _SCALE) ** 2) * _SCALE**2 * len(target)))[:, None]
        curvature = weighted.T @ slopes + 2 * np.diag(pull)
        slope = weighted.T @ residuals + 2 * pull * (logs - start)
        while True:
            step = np.linalg.solve(curvature + damping * np.diag(np.diag(curvature)), -slope)
            tried = logs + np.clip(step, -1, 1)
            new = evaluate(tried)
            if new[2] < loss or damping > _MOST_DAMPING:
                break
            damping *= 4
        gain = loss - new[2]
        if gain <= 0:
            break
        logs, (residuals, slopes, loss), damping = tried, new, damping / 4
        if gain < _LEAST_GAIN:
            break
    constants: Array = np.exp(logs)
    return constants
