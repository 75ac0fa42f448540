"""How estimates are rounded: three significant digits, and an interval of whole steps of its logarithm.

    low = latency / f, high = latency * f, f = exp(steps / STEPS_PER_E)

The steps are rounded up, so that an interval is at most 1.6 % wider on each side than it was estimated. Every output rounds in this way,
so that a page that keeps the steps alone shows the figures of `zoometer select`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from reports.columns.budget_columns import LATENCY_FIGURES

Floats = npt.NDArray[np.float64]

STEPS_PER_E = 64
_DIGITS = 3  # significant ones: the interval of an estimate is wider than the fourth
_SLACK = 1e-9  # of a step, for errors of floating-point numbers


def round_estimates(latency_ms: Floats, high_ms: Floats) -> tuple[Floats, Floats, Floats]:
    """Latencies with the ends of their intervals, low and high; NaN stays NaN.

    Args:
        latency_ms: of the estimates.
        high_ms: the upper ends of their intervals, which are as far above as the lower ends are below on a logarithmic scale.
    """
    steps = np.ceil(STEPS_PER_E * np.log(high_ms / latency_ms) - _SLACK)
    rounded_ms, factor = _round(latency_ms), np.exp(steps / STEPS_PER_E)
    return rounded_ms, _round(rounded_ms / factor), _round(rounded_ms * factor)


def round_figures(estimates: pd.DataFrame) -> pd.DataFrame:
    """The columns `LATENCY_FIGURES` of a table of estimates, rounded."""
    latency_ms, _, high_ms = (
        np.asarray(estimates[name].astype("Float64").to_numpy(np.float64, na_value=np.nan), np.float64)
        for name in LATENCY_FIGURES
    )
    rounded = zip(LATENCY_FIGURES, round_estimates(latency_ms, high_ms), strict=True)
    return pd.DataFrame({name: pd.array(values, dtype="Float64") for name, values in rounded}, index=estimates.index)


def interval_steps(latency_ms: Floats, high_ms: Floats) -> npt.NDArray[np.int64]:
    """The steps of the intervals of rounded estimates; 0 where there is none."""
    steps = np.round(STEPS_PER_E * np.log(high_ms / latency_ms))
    return np.nan_to_num(steps).astype(np.int64)


def _round(values: Floats) -> Floats:
    exponents = np.floor(np.log10(values, where=values > 0, out=np.zeros_like(values)))
    scales = 10.0 ** (_DIGITS - 1 - exponents)
    rounded: Floats = np.round(values * scales) / scales
    return rounded
