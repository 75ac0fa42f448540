"""Effects of models: how much longer a model takes than the terms foresee, as it was seen in every setting that it was measured in.

A model that was published on some devices is better foreseen on others by its effect; of a model that nobody measured it is not known.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from zoo.estimation.arrays import Array, Flags
from zoo.estimation.platforms.hierarchy import Posterior, log_sum
from zoo.records import MODEL_COLUMNS
from zoo.validation.platforms.measurements import Measurements

_DOUBT = 0.25
"""As many measurements without an effect are counted in: the square of noise over the deviation of effects."""


def effects_of(measurements: Measurements, fit: Posterior, kept: Flags | None = None) -> Array:
    """By `Measurements.effect_row`; 0 where a model was not measured.

    Args:
        measurements: what was measured.
        fit: the constants that residuals are of.
        kept: which measurements speak; None: all.
    """
    data, rows = measurements.data, measurements.effect_row
    residuals = data.log_time - log_sum(fit.log_constants()[data.setting], data.amounts)[1]
    if kept is not None:
        residuals, rows = residuals[kept], rows[kept]
    grouped = pd.Series(residuals).groupby(rows)
    counts = grouped.size()
    found = np.zeros(measurements.effects)
    found[counts.index.to_numpy()] = (grouped.median() * counts / (counts + _DOUBT)).to_numpy()
    return found


def effect_table(measurements: Measurements, fit: Posterior) -> pd.DataFrame:
    """dtype, `MODEL_COLUMNS` and log_effect of every model that was measured."""
    effects = effects_of(measurements, fit)
    dtypes = np.repeat(np.array(measurements.platform.dtypes, dtype=object), len(measurements.models))
    models = pd.concat([measurements.models] * len(measurements.platform.dtypes), ignore_index=True)
    table = models[MODEL_COLUMNS].assign(dtype=dtypes, log_effect=effects)
    return table.loc[np.unique(measurements.effect_row), ["dtype", *MODEL_COLUMNS, "log_effect"]].reset_index(drop=True)
