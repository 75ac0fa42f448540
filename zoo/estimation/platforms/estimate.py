"""Estimates on platforms: the time of models on phones, accelerators and boards, from their features.

    features = features_of(workloads, ["arch"])
    estimate_on_platforms(features, find_device("galaxy-s24"), RunConfig(precision=Precision.INT8))

The time of a pass is a sum of terms, each a few features at a cost fitted to published measurements (`hierarchy.py`); on a device
that has none, the costs are foreseen from its relatives (`relatives.py`). A model that was published on other devices is corrected
by what it took there beyond the terms. The interval holds nine times in ten (`intervals.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from zoo.devices.device import Device
from zoo.estimation.platforms.constants import Fitted, fitted_platforms
from zoo.estimation.platforms.features import features_of
from zoo.estimation.platforms.hierarchy import Array, log_sum
from zoo.estimation.platforms.measurements import MODEL
from zoo.estimation.platforms.platform import PARTS
from zoo.estimation.platforms.settings import Way, ways_on
from zoo.run_config import RunConfig

FIGURES = ["latency_ms", "latency_low_ms", "latency_high_ms"]
_MS = 1000.0


def estimate_on_platforms(
    features: pd.DataFrame,
    device: Device,
    run: RunConfig = RunConfig(),
    *,
    models: pd.DataFrame | None = None,
    fitted: Mapping[str, Fitted] | None = None,
) -> pd.DataFrame:
    """Time of a step of each model, in the fastest of the ways of running that are asked for.

    Args:
        features: of the models, as `zoo.estimation.platforms.features.features_of` gives them.
        device: on which they run.
        run: how they run there.
        models: zoo, arch, input, variant and, where it is known, family of each row of `features`: some were measured elsewhere.
        fitted: in place of the constants that come with zoometer.

    Returns:
        Under the index of `features`: `FIGURES`, NA where there is no estimate, and latency_from, which says why.
    """
    ways = ways_on(device, run, fitted_platforms() if fitted is None else fitted)
    table = pd.DataFrame({name: pd.array([pd.NA] * len(features), dtype="Float64") for name in FIGURES}, index=features.index)
    if not ways:
        return table.assign(latency_from=f"no estimate: {why_not(device, run)}")
    found = [_times(features, way, models) for way in ways]
    log_time, half_width = (np.stack([one[i] for one in found]) for i in range(2))
    fastest = log_time.argmin(axis=0)
    columns = np.arange(len(features))
    middle, width = log_time[fastest, columns], half_width[fastest, columns]
    figures = np.exp(np.stack([middle, middle - width, middle + width])) * run.batch * _MS
    for name, values in zip(FIGURES, figures, strict=True):
        table[name] = pd.array(values, dtype="Float64")
    texts = np.array([_how_known(way) for way in ways], dtype=object)
    table["latency_from"] = texts[fastest]
    unknown = features["unknown_calls"].to_numpy() > 0
    table.loc[unknown, FIGURES] = pd.NA
    table.loc[unknown, "latency_from"] = "no estimate: it has operations that nothing is known of"
    return table


def layers_on_platforms(workloads: pd.DataFrame, device: Device, run: RunConfig = RunConfig()) -> pd.DataFrame:
    """Where the time of one model goes, call by call: the terms of each call, without what a pass takes at least.

    Args:
        workloads: of one model; `summarise(trace, by_module=True)` keeps its layers apart.
        device: on which it runs.
        run: how it runs there.

    Returns:
        position, module, module_class, operation and calls; time_ms and share of the sum; bound: the part that takes most of it.
        Batch norms and simple activations, which runtimes join with convolutions, take no time of their own.
    """
    rows = workloads.reset_index(drop=True)
    whole = features_of(rows.assign(model=""), ["model"])
    way = min(ways_on(device, run, fitted_platforms()), key=lambda one: float(_times(whole, one, None)[0][0]))
    of_calls = features_of(rows.assign(call=range(len(rows))), ["call"]).assign(standalone_bn=0.0)
    terms = way.fitted.platform.terms
    amounts = way.fitted.platform.amounts(of_calls) - way.fitted.platform.amounts(of_calls * 0)
    seconds = amounts * np.exp(way.log_constants)
    parts = np.stack([seconds[:, [term.part == part for term in terms]].sum(axis=1) for part in PARTS], axis=1)
    table = rows[["position", "module", "module_class", "operation", "calls"]].copy()
    table["time_ms"] = _MS * run.batch * parts.sum(axis=1)
    table["share"] = table["time_ms"] / table["time_ms"].sum()
    table["bound"] = np.where(parts.sum(axis=1) > 0, np.array(PARTS)[parts.argmax(axis=1)], "")
    return table.sort_values("position", kind="stable", ignore_index=True)


def why_not(device: Device, run: RunConfig) -> str:
    """Why there is no way of running that an estimate could be for."""
    words = [run.precision.dtype, f"batch {run.batch}", *(["compiled"] if run.compiled else [])]
    words += [f"{run.threads} threads"] if run.threads else []
    words += [word for word in (run.processor, run.runtime) if word]
    return f"no device like {device.id} (in its chip, its cores or its series) has published speeds at {', '.join(words)}"


def _times(features: pd.DataFrame, way: Way, models: pd.DataFrame | None) -> tuple[Array, Array]:
    """Log seconds of one image, and the half-width of its interval."""
    shares, log_time = log_sum(np.tile(way.log_constants, (len(features), 1)), way.fitted.platform.amounts(features))
    spread, dtype = way.spread, way.setting["dtype"]
    effects, is_known = _effects(way.fitted, dtype, models, len(features))
    is_relative = _has_relatives(way.fitted, models, len(features))
    noise = np.where(is_relative, spread.model.noise, spread.family.noise)
    quantile = np.where(is_relative, spread.model.quantile, spread.family.quantile)
    of_constants = np.einsum("ij,jk,ik->i", shares, way.fitted.covariance[dtype], shares)
    half_width = quantile * np.sqrt(of_constants + noise**2)
    half_width = np.where(is_known, spread.transfer.quantile * spread.transfer.noise, half_width)
    if way.foreseen is not None:
        of_device = way.foreseen.deviation**2 + np.where(is_known, spread.transfer.noise**2, 0.0)
        of_device = spread.device.quantile * np.sqrt(of_device)
        half_width = np.where(is_known, of_device, np.hypot(half_width, of_device))
    return log_time + effects, half_width


def _has_relatives(fitted: Fitted, models: pd.DataFrame | None, count: int) -> npt.NDArray[np.bool_]:
    """Whether models of its family were measured."""
    if models is None or "family" not in models:
        return np.zeros(count, dtype=bool)
    return models["family"].isin(fitted.families).to_numpy(bool)


def _effects(fitted: Fitted, dtype: str, models: pd.DataFrame | None, count: int) -> tuple[Array, npt.NDArray[np.bool_]]:
    """What models take beyond the terms where they were measured elsewhere, and which of them were."""
    if models is None:
        return np.zeros(count), np.zeros(count, dtype=bool)
    known = fitted.effects[fitted.effects["dtype"] == dtype].set_index(MODEL)["log_effect"]
    found = known.reindex(pd.MultiIndex.from_frame(models[MODEL])).to_numpy(float)
    return np.nan_to_num(found), ~np.isnan(found)


def _how_known(way: Way) -> str:
    rate = ", of a stream's images a second" if way.fitted.platform.is_rate else ""
    if way.foreseen is None:
        return f"estimated: {way.describe()}{rate}; from {way.spread.models} published models"
    from_where = f"foreseen from {way.foreseen.nearest}" if way.foreseen.nearest else "foreseen from the data sheet"
    return f"estimated: {way.describe()}{rate}; nothing was published there, {from_where}"
