"""Effects of models: log of measured over estimated time, the median over the settings in which a model was measured.

The effect of a model on some devices improves its estimates on others; models without measurements have none.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from zoo.estimation.arrays import Array, Flags
from zoo.estimation.platforms.hierarchy import Posterior, log_sum
from zoo.records import MODEL_COLUMNS
from zoo.validation.platforms.measurements import Measurements

_DOUBT = 0.25
"""Pseudo-measurements without an effect (shrinkage): the square of noise over the deviation of effects."""


def effects_of(measurements: Measurements, fit: Posterior, rows: Flags | None = None) -> Array:
    """Effects in the order of `Measurements.effect_row`; 0 for models that were not measured."""
    data, effect_row = measurements.data, measurements.effect_row
    residuals = data.log_time - log_sum(fit.log_constants()[data.setting], data.amounts)[1]
    if rows is not None:
        residuals, effect_row = residuals[rows], effect_row[rows]
    grouped = pd.Series(residuals).groupby(effect_row)
    counts = grouped.size()
    effects = np.zeros(measurements.effects)
    effects[counts.index.to_numpy()] = (grouped.median() * counts / (counts + _DOUBT)).to_numpy()
    return effects


def effect_table(measurements: Measurements, fit: Posterior) -> pd.DataFrame:
    """dtype, `MODEL_COLUMNS` and log_effect of every model that was measured."""
    effects = effects_of(measurements, fit)
    dtypes = np.repeat(np.array(measurements.platform.dtypes, dtype=object), len(measurements.models))
    models = pd.concat([measurements.models] * len(measurements.platform.dtypes), ignore_index=True)
    table = models[MODEL_COLUMNS].assign(dtype=dtypes, log_effect=effects)
    return table.loc[np.unique(measurements.effect_row), ["dtype", *MODEL_COLUMNS, "log_effect"]].reset_index(drop=True)
