"""Baselines of estimates on platforms: multiply-accumulates alone, and four summed features, fitted to each setting by itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from zoo.estimation.arrays import Array
from zoo.records import MODEL_COLUMNS
from zoo.validation.platforms.measurements import Measurements
from zoo.validation.platforms.protocols import HeldOut, Protocol

MACS_ALONE, FOUR_FEATURES = "MACs alone, model held out", "four summed features, model held out"

_LEAST_MODELS = 6
"""Smallest number of models in a setting; settings with fewer are not used."""
_ROUNDS = 60
_Fit = Callable[[Array, Array], Array]


def baselines(measurements: Measurements, features: pd.DataFrame) -> dict[str, HeldOut]:
    """Predictions of each measurement from the other models of its setting."""
    of_models = features.loc[pd.MultiIndex.from_frame(measurements.models[MODEL_COLUMNS])]
    macs = of_models[["macs"]].to_numpy()
    summed = of_models.assign(
        one=1.0, traffic=(of_models["matrix_in"] + of_models["matrix_out"]) / 1e7, parameters=of_models["weights"] / 1e7,
        layers=of_models["matrix_calls"] / 100, gmacs=of_models["macs"] / 1e9,
    )[["one", "gmacs", "traffic", "parameters", "layers"]].to_numpy()  # fmt: skip
    return {
        MACS_ALONE: _predict_left_out(measurements, macs, _median_ratio),
        FOUR_FEATURES: _predict_left_out(measurements, summed, relative_least_squares),
    }


def _predict_left_out(measurements: Measurements, amounts: Array, fit: _Fit) -> HeldOut:
    """Predictions of each model by a fit to the other models of its setting."""
    data = measurements.data
    rows: list[int] = []
    residuals: list[float] = []
    for setting in np.unique(data.setting):
        of_setting = np.flatnonzero(data.setting == setting)
        if len(of_setting) < _LEAST_MODELS:
            continue
        for row in of_setting:
            others = of_setting[of_setting != row]
            costs = fit(amounts[measurements.model[others]], np.exp(data.log_time[others]))
            predicted = max(float(amounts[measurements.model[row]] @ costs), 1e-9)
            rows.append(int(row))
            residuals.append(float(data.log_time[row] - np.log(predicted)))
    tested = np.array(rows, dtype=np.intp)
    return HeldOut(Protocol.MODEL, tested, np.array(residuals), np.zeros(len(tested)), measurements.model[tested])


def _median_ratio(amounts: Array, times: Array) -> Array:
    return np.array([np.median(times / amounts[:, 0])])


def relative_least_squares(amounts: Array, times: Array) -> Array:
    """Non-negative least squares of relative errors, by coordinate descent."""
    scaled = amounts / times[:, None]
    products, targets = scaled.T @ scaled, scaled.sum(axis=0)
    costs = np.maximum(np.linalg.lstsq(scaled, np.ones(len(times)), rcond=None)[0], 0.0)
    for _ in range(_ROUNDS):
        for place in np.flatnonzero(np.diag(products) > 0):
            rest = targets[place] - products[place] @ costs
            costs[place] = max(0.0, costs[place] + rest / products[place, place])
    least: Array = costs
    return least
