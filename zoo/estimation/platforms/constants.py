"""The constants of platforms, fitted to published measurements: reads and writes `constants.json` beside this module."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any

import numpy as np
import pandas as pd

from zoo.estimation.arrays import Array, rounded
from zoo.estimation.platforms.platform import SETTING, Platform, platforms
from zoo.records import MODEL_COLUMNS

FILE = "constants.json"

_DIGITS, _SPREAD_DIGITS = 5, 4
"""Significant digits of constants and of errors."""


@dataclass(frozen=True, slots=True)
class Residuals:
    """Residuals of the logarithm, of measurements left out of a fit."""

    noise: float  # their standard deviation, beyond the uncertainty of constants and devices
    quantile: float  # nine in ten are within as many standard deviations
    groups: int  # that were left out


@dataclass(frozen=True, slots=True)
class Spread:
    """Errors of estimates in a dtype, of measurements that the fit did not see."""

    model: Residuals  # a model that was measured nowhere
    family: Residuals  # the same of a family of which no model was measured
    transfer: Residuals  # a model that was measured on other devices, on a device of which five others were measured
    device: Residuals  # a model that was measured on other devices, on a device whose constants are predicted
    models: int  # measured
    devices: int


@dataclass(frozen=True, eq=False)
class Fitted:
    """A platform with its constants."""

    platform: Platform
    settings: pd.DataFrame  # `SETTING`
    log_constants: Array  # settings x terms
    covariance: Mapping[str, Array]  # of the log constants of a setting, by dtype: terms x terms
    spread: Mapping[str, Spread]  # by dtype
    families: frozenset[str]  # of which a model was measured
    effects: pd.DataFrame  # dtype, `MODEL_COLUMNS`, log_effect: of measured models, log of measured over estimated time
    provenance: Mapping[str, Any]  # source of the measurements, and the command of the fit

    @functools.cached_property
    def setting_records(self) -> Sequence[Mapping[Any, Any]]:
        """The settings as records, converted once."""
        return self.settings.to_dict("records")


@functools.cache
def fitted_platforms() -> Mapping[str, Fitted]:
    """The fitted platforms that come with zoometer, by name."""
    return parse_fitted(resources.files("zoo.estimation.platforms").joinpath(FILE).read_text(encoding="utf-8"))


def parse_fitted(text: str) -> Mapping[str, Fitted]:
    """Fitted platforms in JSON, by name."""
    return {name: _parse_platform_constants(platforms()[name], entry) for name, entry in json.loads(text).items()}


def _parse_platform_constants(platform: Platform, entry: Mapping[str, Any]) -> Fitted:
    settings = pd.DataFrame(entry["settings"], columns=SETTING)
    return Fitted(
        platform=platform,
        settings=settings.astype({"threads": "Int64", "batch": "int64"}),
        log_constants=np.array(entry["log_constants"]),
        covariance={dtype: np.array(matrix) for dtype, matrix in entry["covariance"].items()},
        spread={dtype: _parse_spread(figures) for dtype, figures in entry["spread"].items()},
        families=frozenset(entry["families"]),
        effects=pd.DataFrame(entry["effects"], columns=["dtype", *MODEL_COLUMNS, "log_effect"]),
        provenance=entry["provenance"],
    )


def _parse_spread(figures: Mapping[str, Any]) -> Spread:
    values: dict[str, Any] = {name: Residuals(**one) if isinstance(one, dict) else one for name, one in figures.items()}
    return Spread(**values)


def dump_fitted(fitted: Sequence[Fitted]) -> str:
    """Fitted platforms as JSON, with one line for each list of numbers."""
    lines = []
    for one in fitted:
        record = {
            "provenance": dict(one.provenance),
            "terms": [term.name for term in one.platform.terms],
            "settings": [[None if pd.isna(value) else value for value in row] for row in one.settings[SETTING].to_numpy(object)],
            "log_constants": rounded(one.log_constants, _DIGITS),
            "covariance": {dtype: rounded(matrix, _DIGITS) for dtype, matrix in one.covariance.items()},
            "spread": {dtype: rounded(asdict(of), _SPREAD_DIGITS) for dtype, of in one.spread.items()},
            "families": sorted(one.families),
            "effects": one.effects.assign(log_effect=one.effects["log_effect"].round(_DIGITS - 1)).to_numpy(object).tolist(),
        }
        entries = [f"  {json.dumps(key)}: {_json_lines(value)}" for key, value in record.items()]
        lines.append(f"{json.dumps(one.platform.name)}: {{\n" + ",\n".join(entries) + "\n}")
    return "{" + ",\n".join(lines) + "}\n"


def _json_lines(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], list):
        return "[\n" + ",\n".join(f"    {json.dumps(row)}" for row in value) + "\n  ]"
    return json.dumps(value)
