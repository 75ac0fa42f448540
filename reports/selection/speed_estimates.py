"""Speed of the models of a leaderboard from the cache, measured or estimated, and the estimate of a single model."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from reports.selection.candidate_speeds import SpeedSources
from reports.selection.default_runtime import with_runtime
from reports.selection.estimate_rounding import round_estimates
from reports.selection.platform_speeds import PlatformFeatures, kept_ways_on, platform_refusal
from reports.selection.unknown_speed import NO_WORKLOAD
from zoo.cache.store import Store
from zoo.devices.device import Device
from zoo.devices.device_names import DeviceNames
from zoo.measurement.speed_imports import known_speeds
from zoo.records import Variant
from zoo.run_config import TRACED, Precision, RunConfig
from zoo.validation.calibration_store import load_calibration

if TYPE_CHECKING:
    from reports.config.budget_section import BudgetSection
    from zoo.estimation.gpu_fleet import GpuSums
    from zoo.estimation.platforms.fleet import PlatformSums
    from zoo.estimation.platforms.settings import PlatformRun

MODEL_KEY = ["zoo", "arch", "input", "classes", "variant"]
"""What names a counted model, whatever its weights."""
_MODEL = "model"
_INSTEAD = {Precision.AMP: Precision.AMP_FAST_NORM}
"""Precision whose traces are used where the cache has none of another."""
_FIGURES = ["latency_ms", "latency_low_ms", "latency_high_ms"]
_NOT_TRACED = "no estimate: models are not traced in this precision"


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
    """Traces a model and estimates its latency, without a cache.

    Args:
        target: `zoo/arch`, `zoo/arch.tag` or `package.module:factory`.
        device: on which the model runs.
        run: how it runs there.
        size: the input; None: the native one.
        store: a cache that may have a calibration of the device.

    Raises:
        ZooError: if there is no such model, or it cannot be built or run.
    """
    from zoo.api.count_by_name import InputSpec, count_named
    from zoo.estimation.calibration import SHARES
    from zoo.estimation.estimate import estimate, layers
    from zoo.estimation.workloads.workload import summarise
    from zoo.traces import TRACE_BATCH

    run = with_runtime(run, device, store)
    refusal = _refusal(device, run, store)
    if refusal or run.is_on_platform:
        if (refusal := platform_refusal(device, run, refusal)) is None:
            return _model_on_platform(target, device, run, size, store)
        (counted,) = count_named(target, InputSpec((size,) if size else ()))
        return ModelEstimate(target, counted.input, device, run, None, None, None, None, refusal, {}, pd.DataFrame())
    spec = InputSpec((size,) if size else (), TRACE_BATCH, precision=run.precision, layout=run.layout)
    (counted,) = count_named(target, spec)
    assert counted.trace is not None
    workloads = pd.DataFrame(summarise(counted.trace, by_module=True)).assign(model=target)
    calibration = load_calibration(store, run) if store.exists() else None
    (row,) = estimate(workloads, device, run, calibration=calibration, key=["model"]).to_dict("records")
    row |= _rounded(pd.DataFrame([row])).iloc[0].to_dict()
    figures = {name: None if pd.isna(row[name]) else float(row[name]) for name in (*_FIGURES, "samples_per_s", *SHARES)}
    return ModelEstimate(
        target,
        counted.input,
        device,
        run,
        latency_from=row["latency_from"],
        shares={name.removeprefix("share_"): share for name in SHARES if (share := figures.pop(name)) is not None},
        layers=layers(workloads, device, run) if figures["latency_ms"] is not None else pd.DataFrame(),
        **figures,
    )


def _model_on_platform(target: str, device: Device, run: RunConfig, size: str | None, store: Store) -> ModelEstimate:
    """The estimate from what was published of the device and its relatives."""
    from zoo.api.count_by_name import InputSpec, count_named
    from zoo.estimation.platforms.estimate import estimate_on_platforms, layers_on_platforms
    from zoo.estimation.platforms.features import TRACED as TRACED_LIKE
    from zoo.estimation.platforms.features import features_of
    from zoo.estimation.workloads.workload import summarise
    from zoo.traces import TRACE_BATCH

    spec = InputSpec((size,) if size else (), TRACE_BATCH, precision=TRACED_LIKE.precision, layout=TRACED_LIKE.layout)
    (counted,) = count_named(target, spec)
    assert counted.trace is not None
    workloads = pd.DataFrame(summarise(counted.trace, by_module=True)).assign(model=target)
    calibrated = kept_ways_on(device, store)
    features, models = features_of(workloads, ["model"]), _named_model(target, counted.input)
    found = estimate_on_platforms(features, device, run, models=models, calibrated=calibrated)
    latency_ms, low_ms, high_ms = (None if pd.isna(value) else float(value) for value in _rounded(found).iloc[0])
    by_layer = layers_on_platforms(workloads, device, run, calibrated) if latency_ms is not None else pd.DataFrame()
    bound = by_layer[by_layer["bound"] != ""].groupby("bound")["share"].sum() if len(by_layer) else pd.Series(dtype=float)
    shares = {str(name): float(share) for name, share in bound.items()}
    rate = None if latency_ms is None else 1000 * run.batch / latency_ms
    return ModelEstimate(
        target, counted.input, device, run, latency_ms, low_ms, high_ms, rate, found["latency_from"].iloc[0], shares, by_layer
    )


def why_no_estimates(device: Device, run: RunConfig, store: Store) -> str | None:
    """Why no model has an estimate on a device in a run configuration; None where there are estimates."""
    refusal = _refusal(device, run, store)
    return platform_refusal(device, run, refusal) if refusal or run.is_on_platform else None


def _refusal(device: Device, run: RunConfig, store: Store) -> str | None:
    """Why there is no estimate from a data sheet or a calibration; None where there is one."""
    from zoo.estimation.estimate import why_no_estimate

    return why_no_estimate(device, run, load_calibration(store, run)) if run.precision in TRACED else _NOT_TRACED


def _named_model(target: str, input: str) -> pd.DataFrame | None:
    """What names a model of a zoo that may have been measured on other devices; None of a model of the user's own."""
    zoo, _, name = target.partition("/")
    if ":" in target or not name:
        return None
    return pd.DataFrame([{"zoo": zoo, "arch": name.partition(".")[0], "input": input, "variant": str(Variant.BASE)}])


@dataclass(frozen=True)
class _Workloads:
    """The traced workloads of one precision and layout."""

    precision: Precision
    models: pd.DataFrame  # `MODEL_KEY`, and the number of each model
    rows: pd.DataFrame  # the calls of each model, by its number

    def of_models(self, numbers: pd.Series[int]) -> pd.DataFrame:
        """The calls of these models."""
        is_included = np.isin(np.arange(len(self.models)), numbers)
        return self.rows if is_included.all() else self.rows[is_included[self.rows[_MODEL]]]


class CachedSpeeds:
    """The speeds that a cache knows: measurements, and estimates from its traces and calibrations."""

    def __init__(self, store: Store, files: Sequence[Path] = ()) -> None:
        """Takes a cache, and tables of speeds that are used beside its own."""
        self._store, self._files = store, files
        self._read: dict[tuple[Precision, str, bool], _Workloads] = {}  # by precision, layout and whether for compiled runs
        self._measured: dict[str, pd.DataFrame] = {}  # by device
        self._on_platforms = PlatformFeatures(store, MODEL_KEY, self._for_platforms)

    def on_device(self, device: Device, run: RunConfig, unstated: tuple[str, ...] = ()) -> SpeedSources:
        """The speeds on a device in one runtime; estimates are made when first used."""
        run = self.in_runtime(device, run, unstated)
        estimate = functools.partial(self._estimate, device, run)
        return SpeedSources(device, self.measured(device), estimate, unstated, run.runtime)

    def in_runtime(self, device: Device, run: RunConfig, unstated: tuple[str, ...] = ()) -> RunConfig:
        """The run configuration with the runtime of all answers to it."""
        return with_runtime(replace(run, device=device.id), device, self._store, self.measured(device), unstated)

    def for_budget(self, budget: BudgetSection, device: Device | None) -> SpeedSources | None:
        """The speeds on the device of a budget, estimated where it is about speed (or cannot be: then they say why); None without one."""
        if device is None:
            return None
        run = replace(budget.run(), device=device.id)
        sources = self.on_device(device, run, budget.unstated)
        is_wanted = budget.is_about_speed or why_no_estimates(device, sources.in_runtime(run), self._store) is not None
        return sources if is_wanted else replace(sources, estimate=None)

    def _estimate(self, device: Device, run: RunConfig, rows: pd.DataFrame) -> pd.DataFrame:
        from zoo.estimation.estimate import estimate

        refusal = _refusal(device, run, self._store)
        if refusal or run.is_on_platform:
            return self._estimate_on_platforms(device, run, rows, refusal)
        workloads = self._workloads_for(run)
        if not len(workloads.models):
            return _not_estimated(rows, NO_WORKLOAD)
        models = rows[MODEL_KEY].drop_duplicates().merge(workloads.models, on=MODEL_KEY)
        traced = replace(run, precision=workloads.precision)
        calibration = load_calibration(self._store, traced)
        estimates = estimate(workloads.of_models(models[_MODEL]), device, traced, calibration=calibration, key=(_MODEL,))
        estimates[_FIGURES] = _rounded(estimates)
        estimates = models.merge(estimates[[_MODEL, *_FIGURES, "latency_from"]], on=_MODEL)
        joined = rows[MODEL_KEY].merge(estimates, on=MODEL_KEY, how="left").set_axis(rows.index)
        return joined[[*_FIGURES, "latency_from"]].fillna({"latency_from": NO_WORKLOAD})

    def _estimate_on_platforms(self, device: Device, run: RunConfig, rows: pd.DataFrame, refusal: str | None) -> pd.DataFrame:
        if platform_refused := platform_refusal(device, run, refusal):
            return _not_estimated(rows, platform_refused)
        estimates = self._on_platforms.estimate(device, run, rows)
        if estimates is None:
            return _not_estimated(rows, NO_WORKLOAD)
        estimates[_FIGURES] = _rounded(estimates)
        return estimates.fillna({"latency_from": NO_WORKLOAD})

    def calibrated_ways(self, device: Device) -> list[PlatformRun]:
        """The run configurations on a phone, an accelerator or a board that the user calibrated."""
        return kept_ways_on(device, self._store)

    def gpu_sums(self, run: RunConfig) -> tuple[pd.DataFrame, GpuSums] | None:
        """Models by `MODEL_KEY`, and what they ask of GPUs in one run configuration, for many devices; None where none was traced."""
        from zoo.estimation.gpu_fleet import GpuSums

        workloads = self._workloads_for(run)
        if not len(workloads.models):
            return None
        sums = GpuSums(workloads.rows, replace(run, precision=workloads.precision), key=[_MODEL])
        return workloads.models.iloc[sums.models[_MODEL]][MODEL_KEY].reset_index(drop=True), sums

    def platform_sums(self, rows: pd.DataFrame) -> tuple[pd.DataFrame, PlatformSums] | None:
        """Models of a leaderboard by `MODEL_KEY`, and what they ask of platforms; None where none was traced."""
        return self._on_platforms.sums(rows)

    def is_calibrated(self, device: Device, run: RunConfig) -> bool:
        """Whether the cache has a calibration of a device in a run configuration."""
        return load_calibration(self._store, replace(run, device=device.id)) is not None

    def measured(self, device: Device) -> pd.DataFrame:
        """The speeds measured on a device."""
        is_known = self._files or device.id in self._devices
        name = device.id if is_known else ""  # nothing was measured on any of the others
        if name not in self._measured:
            self._measured[name] = known_speeds(self._store, device.id, self._files, DeviceNames([device]))
        return self._measured[name]

    @functools.cached_property
    def _devices(self) -> frozenset[str]:
        """Those that the table of measured speeds names."""
        return frozenset(self._store.speeds()["device"].dropna())

    def measured_precisions(self) -> dict[str, set[Precision]]:
        """The devices on which the cache has measurements, and the precisions of these."""
        pairs = self._store.speeds()[["device", "dtype"]].dropna().drop_duplicates()
        found: dict[str, set[Precision]] = {}
        for device, dtype in pairs.itertuples(index=False, name=None):
            if (precision := Precision.parse(dtype)) is not None:
                found.setdefault(device, set()).add(precision)
        return found

    def _workloads_for(self, run: RunConfig) -> _Workloads:
        """The workloads of a run configuration, or of the precision that stands in for it."""
        workloads = self._workloads(run.precision, run)
        if not len(workloads.models) and run.precision in _INSTEAD:
            workloads = self._workloads(_INSTEAD[run.precision], run)
        return workloads

    def _workloads(self, precision: Precision, run: RunConfig) -> _Workloads:
        from zoo.estimation.workloads.workload import EAGER_COLUMNS, MODEL_COLUMNS

        key = (precision, run.layout, run.compiled)
        if key not in self._read:
            columns = MODEL_COLUMNS if run.compiled else EAGER_COLUMNS
            models, rows = self._store.workloads_by_model(precision, run.layout, key=MODEL_KEY, columns=columns)
            self._read[key] = _Workloads(precision, models.assign(**{_MODEL: range(len(models))}), rows)
        return self._read[key]

    def _for_platforms(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Models and their calls, as estimates on platforms are made from them."""
        from zoo.estimation.platforms.features import TRACED as ON_PLATFORMS
        from zoo.estimation.platforms.features import USED

        precision, layout = ON_PLATFORMS.precision, ON_PLATFORMS.layout
        if (known := self._read.get((precision, layout, False))) is not None:
            return known.models, known.rows
        return self._store.workloads_by_model(precision, layout, key=MODEL_KEY, columns=USED)


def _rounded(estimates: pd.DataFrame) -> pd.DataFrame:
    """The figures of estimates as they are shown."""
    latency_ms, _, high_ms = (
        np.asarray(estimates[name].astype("Float64").to_numpy(np.float64, na_value=np.nan), np.float64) for name in _FIGURES
    )
    rounded = zip(_FIGURES, round_estimates(latency_ms, high_ms), strict=True)
    return pd.DataFrame({name: pd.array(values, dtype="Float64") for name, values in rounded}, index=estimates.index)


def _not_estimated(rows: pd.DataFrame, why: str) -> pd.DataFrame:
    return pd.DataFrame({**dict.fromkeys(_FIGURES, pd.NA), "latency_from": why}, index=rows.index).astype(
        {**dict.fromkeys(_FIGURES, "Float64"), "latency_from": "string"}
    )
