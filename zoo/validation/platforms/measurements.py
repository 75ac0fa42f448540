"""Published measurements as input of the fit: settings, and for each measurement the amounts of its model and its time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from zoo.estimation.arrays import Array, Flags, Indices
from zoo.estimation.platforms.hierarchy import Data, Hierarchy
from zoo.estimation.platforms.platform import SETTING, Platform
from zoo.published.published import Check
from zoo.records import MODEL_COLUMNS

_NEAR_WEIGHT = 0.5
"""Weight of measurements of models that are only similar to an architecture, which differs from them by a few percent."""


@dataclass(frozen=True)
class Measurements:
    """The measurements of one platform. Of several published times of a model in a setting, the least one is used."""

    platform: Platform
    settings: pd.DataFrame  # `SETTING`, a row each
    models: pd.DataFrame  # `MODEL_COLUMNS`, a row each
    model: Indices  # of each measurement, its row of `models`
    is_exact: Flags  # of models that are an architecture or a built network, not only similar to one
    data: Data  # the measurements in their order; times are of one image

    def hierarchy(self) -> Hierarchy:
        """The levels of its settings."""
        return self.platform.hierarchy(self.settings)

    @property
    def dtype(self) -> npt.NDArray[np.object_]:
        """The dtype of each measurement."""
        return self.settings["dtype"].to_numpy(object)[self.data.setting]

    def architectures(self) -> list[tuple[str, str]]:
        """Zoo and architecture of each model."""
        return [(str(zoo), str(arch)) for zoo, arch in self.models[["zoo", "arch"]].to_numpy().tolist()]

    @property
    def effects(self) -> int:
        """Number of effects: one for each model and dtype."""
        return len(self.platform.dtypes) * len(self.models)

    @property
    def effect_row(self) -> Indices:
        """For each measurement, the index of the effect of its model."""
        dtype = np.array([self.platform.dtypes.index(name) for name in self.settings["dtype"]], dtype=np.intp)
        rows: Indices = dtype[self.data.setting] * len(self.models) + self.model
        return rows


def measurements_of(platform: Platform, rows: pd.DataFrame, features: pd.DataFrame) -> Measurements:
    """The measurements of a platform.

    Args:
        platform: whose rows are taken.
        rows: as `zoo.published.published.published_speeds(near=True)` gives them.
        features: of their models, by `MODEL_COLUMNS`; models without are left out.
    """
    rows = rows[
        (rows["source"] == platform.source) & (rows["processor"] == platform.processor) & rows["dtype"].isin(platform.dtypes)
    ]
    rows = rows[~(rows["zoo"] + "/" + rows["arch"]).isin(platform.unlike)]
    on_others = rows["layers_on_npu"].notna() & (rows["layers_on_npu"] < rows["layers"])
    rows = rows[~(on_others & (platform.processor == "npu"))]
    known = pd.MultiIndex.from_frame(rows[MODEL_COLUMNS]).isin(features.index)
    rows = (
        rows[known]
        .drop(columns="model")
        .sort_values("latency_ms", kind="stable")
        .drop_duplicates([*SETTING, *MODEL_COLUMNS])
        .reset_index(drop=True)
    )
    settings = rows[SETTING].drop_duplicates(ignore_index=True).sort_values(SETTING, ignore_index=True)
    models = rows[MODEL_COLUMNS].drop_duplicates(ignore_index=True).sort_values(MODEL_COLUMNS, ignore_index=True)
    rows = rows.merge(settings.assign(setting=settings.index), on=SETTING).merge(
        models.assign(model=models.index), on=MODEL_COLUMNS
    )
    is_near = (rows["check"] == Check.NONE.value).to_numpy()
    amounts = platform.amounts(features.loc[pd.MultiIndex.from_frame(models)])[rows["model"]]
    times = rows.groupby(["model", "dtype"])["batch"].transform("size").to_numpy(float)
    data = Data(
        amounts=_scale_to_published(platform, amounts, rows, is_near),
        setting=rows["setting"].to_numpy(np.intp),
        log_time=np.log(rows["latency_ms"].to_numpy(float) / rows["batch"].to_numpy(float) / 1000),
        weight=np.where(is_near, _NEAR_WEIGHT, 1.0) * np.minimum(1, platform.evidence / times),
    )
    return Measurements(platform, settings, models, rows["model"].to_numpy(np.intp), ~is_near, data)


def _scale_to_published(platform: Platform, amounts: Array, rows: pd.DataFrame, is_near: Flags) -> Array:
    """The amounts; those of models that are only similar to an architecture are scaled to their published multiply-accumulates."""
    ratio = (rows["published_macs"] / rows["macs"]).where(is_near).fillna(1.0).to_numpy(float)
    computes = np.array([term.part == "compute" for term in platform.terms])
    return np.where(computes, amounts * ratio[:, None], amounts)
