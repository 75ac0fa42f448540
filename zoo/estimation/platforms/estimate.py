"""Estimates on platforms: the time of models on phones, accelerators and boards, from their features.

    features = features_of(workloads, ["arch"])
    estimate_on_platforms(features, find_device("galaxy-s24"), RunConfig(precision=Precision.INT8))

The time of a pass is a sum of terms, each a few features at a cost fitted to published measurements (`hierarchy.py`); on a device
without any, the costs are predicted from related devices (`relatives.py`). A model that was published on other devices is corrected
by its residual there. The interval holds nine times in ten (`zoo.validation.platforms.intervals`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from zoo.devices.device import Device
from zoo.errors import SpeedError
from zoo.estimation.estimate import layer_table
from zoo.estimation.platforms.features import features_of
from zoo.estimation.platforms.fleet import PlatformSums
from zoo.estimation.platforms.settings import PlatformRun
from zoo.estimation.terms.term import TimePart
from zoo.run_config import RunConfig

FIGURES = ["latency_ms", "latency_low_ms", "latency_high_ms"]


def estimate_on_platforms(  # all but three are keyword-only
    features: pd.DataFrame,
    device: Device,
    run: RunConfig = RunConfig(),
    *,
    models: pd.DataFrame | None = None,
    calibrated: Sequence[PlatformRun] = (),
) -> pd.DataFrame:
    """Time of a step of each model, in the fastest run configuration that matches the request.

    Args:
        features: of the models, as `zoo.estimation.platforms.features.features_of` gives them.
        device: on which they run.
        run: the requested configuration.
        models: zoo, arch, input, variant and, where it is known, family of each row of `features`: some were measured elsewhere.
        calibrated: run configurations that the user calibrated, preferred to the shipped ones.

    Returns:
        Under the index of `features`: `FIGURES`, NA where there is no estimate, and latency_from, which says why.
    """
    table = pd.DataFrame({name: pd.array([pd.NA] * len(features), dtype="Float64") for name in FIGURES}, index=features.index)
    sums = PlatformSums(features, models)
    try:
        latencies = sums.on(device, run, calibrated)
    except SpeedError as error:
        return table.assign(latency_from=f"no estimate: {error}")
    for name, values in zip(FIGURES, (latencies.latency_ms, latencies.low_ms, latencies.high_ms), strict=True):
        table[name] = pd.array(values, dtype="Float64")
    table["latency_from"] = np.array([_origin(one) for one in latencies.runs], dtype=object)[latencies.fastest]
    table.loc[sums.is_unknown, FIGURES] = pd.NA
    table.loc[sums.is_unknown, "latency_from"] = "no estimate: it has operations that nothing is known of"
    return table


def layers_on_platforms(
    workloads: pd.DataFrame, device: Device, run: RunConfig = RunConfig(), calibrated: Sequence[PlatformRun] = ()
) -> pd.DataFrame:
    """The time of each call of one model: the terms of the call, without the fixed time of a pass.

    Args:
        workloads: of one model; `summarise(trace, by_module=True)` keeps its layers apart.
        device: on which it runs.
        run: the requested configuration.
        calibrated: run configurations that the user calibrated, preferred to the shipped ones.

    Returns:
        position, module, module_class, operation and calls; time_ms and share of the sum; bound: the part that takes most of it.
        Batch norms and simple activations, which runtimes join with convolutions, take no time of their own.

    Raises:
        SpeedError: if there is no estimate for the device.
    """
    rows = workloads.reset_index(drop=True)
    whole = PlatformSums(features_of(rows.assign(model=""), ["model"])).on(device, run, calibrated)
    platform_run = whole.runs[whole.fastest[0]]
    of_calls = features_of(rows.assign(call=range(len(rows))), ["call"]).assign(standalone_bn=0.0)
    terms = platform_run.fitted.platform.terms
    amounts = platform_run.fitted.platform.amounts(of_calls) - platform_run.fitted.platform.amounts(of_calls * 0)
    seconds = amounts * np.exp(platform_run.log_constants)
    parts = np.stack([seconds[:, [term.part == part for term in terms]].sum(axis=1) for part in TimePart], axis=1)
    return layer_table(rows, parts, run.batch)


def _origin(platform_run: PlatformRun) -> str:
    """The origin of the latencies of a run configuration."""
    rate = ", of a stream's images a second" if platform_run.fitted.platform.is_rate else ""
    if platform_run.calibrated is not None:
        return f"estimated: {platform_run.describe()}{rate}; calibrated with {platform_run.calibrated.measurements} measurements on it"
    if platform_run.predicted is None:
        return f"estimated: {platform_run.describe()}{rate}; from {platform_run.spread.models} published models"
    from_where = (
        f"predicted from {platform_run.predicted.nearest}" if platform_run.predicted.nearest else "predicted from the data sheet"
    )
    return f"estimated: {platform_run.describe()}{rate}; nothing was published there, {from_where}"
