"""Fits the constants of platforms to published measurements, with the residuals of measurements left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from zoo.estimation.arrays import Array
from zoo.estimation.platforms.constants import Fitted, Residuals, Spread
from zoo.estimation.platforms.hierarchy import Posterior
from zoo.estimation.platforms.platform import SETTING
from zoo.published.published import published_sources
from zoo.records import MODEL_COLUMNS
from zoo.validation.platforms.effects import effect_table
from zoo.validation.platforms.intervals import conformal_quantile, noise_of
from zoo.validation.platforms.measurements import Measurements
from zoo.validation.platforms.protocols import HeldOut, Protocol

_LEAST_GROUPS = 3
_WIDE = 3.0
"""Least quantile if fewer groups were tested: a judgement."""


@dataclass(frozen=True)
class Context:
    """Input of the fit besides measurements."""

    families: Mapping[tuple[str, str], str]  # by zoo and architecture
    same_as: pd.DataFrame  # `MODEL_COLUMNS` and same_as of published measurements: the architectures that compute the same
    command: str  # that fits them

    def family(self, zoo: str, arch: str) -> str:
        """The family of an architecture; if it is unknown, its own name."""
        return self.families.get((zoo, arch), arch)


def fit_platform(measurements: Measurements, full: Posterior, tests: Sequence[HeldOut], context: Context) -> Fitted:
    """The constants of a platform, from the fit to all its measurements and the residuals of those held out."""
    platform = measurements.platform
    by_protocol: dict[str, HeldOut] = {test.protocol: test for test in tests}
    source = published_sources()[platform.source]
    return Fitted(
        platform=platform,
        settings=measurements.settings[SETTING],
        log_constants=full.log_constants(),
        covariance={dtype: _covariance(measurements, full, dtype) for dtype in platform.dtypes},
        spread={dtype: spread_of(measurements, by_protocol, dtype) for dtype in platform.dtypes},
        families=frozenset(context.family(zoo, arch) for zoo, arch in measurements.architectures()),
        effects=_extend_to_equals(effect_table(measurements, full), context.same_as),
        provenance={
            "source": f"{source.title}, {', '.join(source.dates) or 'undated'}",
            "measurements": len(measurements.data.log_time),
            "models": len(measurements.models),
            "devices": int(measurements.settings["device"].nunique()),
            "command": context.command,
        },
    )


def _covariance(measurements: Measurements, full: Posterior, dtype: str) -> Array:
    """Covariance of the log constants in a dtype: the mean over settings."""
    settings = np.flatnonzero((measurements.settings["dtype"] == dtype).to_numpy())
    mean: Array = np.mean([full.covariance(int(setting)) for setting in settings], axis=0)
    return mean


def spread_of(measurements: Measurements, tests: Mapping[str, HeldOut], dtype: str) -> Spread:
    """Errors of estimates in a dtype."""
    model = _residuals(measurements, tests[Protocol.MODEL], dtype)
    transfer = _residuals(measurements, tests[Protocol.FEW], dtype, instead=model)
    of_dtype = measurements.dtype == dtype
    return Spread(
        model=model,
        family=_residuals(measurements, tests[Protocol.FAMILY], dtype),
        transfer=transfer,
        device=_residuals(measurements, tests[Protocol.DEVICE], dtype, instead=model, noise=transfer.noise),
        models=len(np.unique(measurements.model[of_dtype])),
        devices=int(measurements.settings["device"][np.unique(measurements.data.setting[of_dtype])].nunique()),
    )


def _residuals(
    measurements: Measurements, test: HeldOut, dtype: str, *, instead: Residuals | None = None, noise: float | None = None
) -> Residuals:
    """Residuals of one protocol, of models whose calls are known exactly: joined to an architecture, or built."""
    rows = (measurements.dtype[test.row] == dtype) & measurements.is_exact[test.row]
    group = test.group[rows]
    groups = len(np.unique(group))
    if groups < _LEAST_GROUPS and instead is not None:
        return Residuals(instead.noise, max(instead.quantile, _WIDE), groups)
    noise = noise_of(test.residual[rows], group) if noise is None else noise
    scores = np.abs(test.residual[rows]) / np.sqrt(test.variance[rows] + noise**2)
    return Residuals(noise, conformal_quantile(scores, group), groups)


def _extend_to_equals(effects: pd.DataFrame, same_as: pd.DataFrame) -> pd.DataFrame:
    """The effects, extended to architectures that compute the same as a measured one."""
    others = same_as.explode("same_as").dropna(subset=["same_as"]).drop_duplicates([*MODEL_COLUMNS, "same_as"])
    rows = effects.merge(others, on=MODEL_COLUMNS)
    names = rows["same_as"].str.partition("/")
    rows = rows.assign(zoo=names[0], arch=names[2]) if len(rows) else rows
    both = pd.concat([effects, rows[effects.columns]], ignore_index=True)
    return both.drop_duplicates(["dtype", *MODEL_COLUMNS], ignore_index=True)
