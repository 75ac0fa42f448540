"""The estimated latency of a single model, which is traced for it."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from reports.selection.speeds.estimate_basis import find_basis
from reports.selection.speeds.estimate_rounding import round_figures
from zoo.cache.store import Store
from zoo.devices.device import Device
from zoo.records import Variant
from zoo.run_config import RunConfig
from zoo.validation.calibration_store import load_calibration, load_platform_runs


@dataclass(frozen=True)
class ModelEstimate:
    """The estimated latency of one model. Figures are None where there is no estimate; `latency_from` says why."""

    model: str
    input: str
    device: Device
    run: RunConfig
    latency_ms: float | None  # of one step of the batch
    latency_low_ms: float | None  # nine in ten lie between the two
    latency_high_ms: float | None
    samples_per_s: float | None
    latency_from: str
    shares: dict[str, float]  # of the time: compute, memory traffic and overhead per call
    layers: pd.DataFrame  # call by call in order: module, module_class, operation, calls, time_ms, share, bound


def estimate_model(target: str, device: Device, run: RunConfig, size: str | None, store: Store) -> ModelEstimate:
    """Traces a model and estimates its latency.

    Args:
        target: `zoo/arch`, `zoo/arch.tag` or `package.module:factory`.
        device: on which the model runs.
        run: how it runs there, with the runtime of its answers (`reports.selection.speeds.default_runtime`).
        size: the input; None: the native one.
        store: a cache that may have a calibration of the device.

    Raises:
        ZooError: if there is no such model, or it cannot be built or run.
    """
    from zoo.api.count_by_name import InputSpec, count_named
    from zoo.estimation.calibration import SHARES
    from zoo.estimation.estimate import estimate, layers
    from zoo.estimation.platforms.estimate import estimate_on_platforms, layers_on_platforms
    from zoo.estimation.platforms.features import TRACED as ON_PLATFORMS
    from zoo.estimation.platforms.features import features_of
    from zoo.estimation.workloads.workload import summarise
    from zoo.traces import TRACE_BATCH

    basis, inputs = find_basis(device, run, store), (size,) if size else ()
    if basis.refusal:
        (counted,) = count_named(target, InputSpec(inputs))
        return ModelEstimate(target, counted.input, device, run, None, None, None, None, basis.refusal, {}, pd.DataFrame())
    mode = ON_PLATFORMS if basis.is_published else run
    (counted,) = count_named(target, InputSpec(inputs, TRACE_BATCH, precision=mode.precision, layout=mode.layout))
    assert counted.trace is not None
    workloads = pd.DataFrame(summarise(counted.trace, by_module=True)).assign(model=target)
    calibrated = load_platform_runs(store, device.id)
    if basis.is_published:
        features, named = features_of(workloads, ["model"]), _named_model(target, counted.input)
        estimates = estimate_on_platforms(features, device, run, models=named, calibrated=calibrated)
    else:
        estimates = estimate(workloads, device, run, calibration=load_calibration(store, run), key=["model"])
    (figures,) = round_figures(estimates).astype(object).to_numpy()
    latency_ms, low_ms, high_ms = (None if pd.isna(figure) else float(figure) for figure in figures)
    origin = estimates["latency_from"].iloc[0]
    if latency_ms is None:
        return ModelEstimate(target, counted.input, device, run, None, None, None, None, origin, {}, pd.DataFrame())
    if basis.is_published:
        by_layer, rate = layers_on_platforms(workloads, device, run, calibrated), 1000 * run.batch / latency_ms
        shares = by_layer[by_layer["bound"] != ""].groupby("bound")["share"].sum()
    else:
        by_layer, rate = layers(workloads, device, run), float(estimates["samples_per_s"].iloc[0])
        shares = estimates[list(SHARES)].iloc[0].rename(lambda name: name.removeprefix("share_"))
    plain_shares = {str(name): float(share) for name, share in shares.items()}
    return ModelEstimate(target, counted.input, device, run, latency_ms, low_ms, high_ms, rate, origin, plain_shares, by_layer)


def _named_model(target: str, input: str) -> pd.DataFrame | None:
    """Names a model of a zoo that may have been measured on other devices; None for a model of the user's own."""
    zoo, _, name = target.partition("/")
    if ":" in target or not name:
        return None
    return pd.DataFrame([{"zoo": zoo, "arch": name.partition(".")[0], "input": input, "variant": str(Variant.BASE)}])
