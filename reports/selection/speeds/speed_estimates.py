"""Speeds of the models of a leaderboard from the cache, measured or estimated."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from reports.columns.budget_columns import LATENCY_FIGURES
from reports.columns.leaderboard_columns import MODEL_KEY
from reports.selection.speeds.candidate_speeds import SpeedSources
from reports.selection.speeds.default_runtime import with_runtime
from reports.selection.speeds.estimate_basis import find_basis
from reports.selection.speeds.estimate_rounding import round_figures
from reports.selection.speeds.unknown_speed import NO_WORKLOAD
from zoo.cache.store import Store
from zoo.devices.device import Device
from zoo.devices.device_names import DeviceNames
from zoo.measurement.speed_imports import known_speeds
from zoo.run_config import Precision, RunConfig
from zoo.validation.calibration_store import load_calibration, load_platform_runs

if TYPE_CHECKING:
    from reports.config.budget_section import BudgetSection
    from zoo.estimation.gpu_fleet import GpuSums
    from zoo.estimation.platforms.fleet import PlatformSums
    from zoo.estimation.platforms.settings import PlatformRun

_MODEL = "model"
_INSTEAD = {Precision.AMP: Precision.AMP_FAST_NORM}
"""Precision whose traces are used where the cache has none of another."""


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
        self._features: pd.DataFrame | None = None  # of all models, for estimates on platforms; by `MODEL_KEY`

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
        has_use = budget.is_about_speed or find_basis(device, sources.in_runtime(run), self._store).refusal is not None
        return sources if has_use else replace(sources, estimate=None)

    def _estimate(self, device: Device, run: RunConfig, rows: pd.DataFrame) -> pd.DataFrame:
        basis = find_basis(device, run, self._store)
        if basis.refusal:
            return _not_estimated(rows, basis.refusal)
        estimates = (self._estimate_from_published if basis.is_published else self._estimate_from_data_sheet)(device, run, rows)
        if estimates is None:
            return _not_estimated(rows, NO_WORKLOAD)
        joined = rows[MODEL_KEY].merge(estimates, on=MODEL_KEY, how="left").set_axis(rows.index)
        return round_figures(joined).assign(latency_from=joined["latency_from"].fillna(NO_WORKLOAD))

    def _estimate_from_data_sheet(self, device: Device, run: RunConfig, rows: pd.DataFrame) -> pd.DataFrame | None:
        """An estimate of each model of the rows that was traced; None where none was."""
        from zoo.estimation.estimate import estimate

        workloads = self._workloads_for(run)
        if not len(workloads.models):
            return None
        models = rows[MODEL_KEY].drop_duplicates().merge(workloads.models, on=MODEL_KEY)
        traced = replace(run, precision=workloads.precision)
        calibration = load_calibration(self._store, traced)
        estimates = estimate(workloads.of_models(models[_MODEL]), device, traced, calibration=calibration, key=(_MODEL,))
        return models.merge(estimates[[_MODEL, *LATENCY_FIGURES, "latency_from"]], on=_MODEL)

    def _estimate_from_published(self, device: Device, run: RunConfig, rows: pd.DataFrame) -> pd.DataFrame | None:
        """The same on a phone, an accelerator, a board or a CPU."""
        from zoo.estimation.platforms.estimate import estimate_on_platforms

        if (found := self._platform_features(rows)) is None:
            return None
        models, features = found
        calibrated = self.calibrated_runs(device)
        return models[MODEL_KEY].join(estimate_on_platforms(features, device, run, models=models, calibrated=calibrated))

    def calibrated_runs(self, device: Device) -> list[PlatformRun]:
        """The run configurations on a phone, an accelerator, a board or a CPU that the user calibrated."""
        return load_platform_runs(self._store, device.id)

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
        from zoo.estimation.platforms.fleet import PlatformSums

        found = self._platform_features(rows)
        return (found[0], PlatformSums(found[1], found[0])) if found else None

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

    def _platform_features(self, rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame] | None:
        """Of these rows' models that were traced: their key and family, and their features in the same order; None without any."""
        from zoo.estimation.platforms.features import features_of

        if self._features is None:
            traced, calls = self._platform_calls()
            features = features_of(calls, [_MODEL])
            names = traced.iloc[features.index.to_numpy(int)][MODEL_KEY]
            self._features = features.set_axis(pd.MultiIndex.from_frame(names))
        if self._features.empty:
            return None
        models = rows[[*MODEL_KEY, *(["family"] if "family" in rows else [])]].drop_duplicates(MODEL_KEY)
        place = self._features.index.get_indexer(pd.MultiIndex.from_frame(models[MODEL_KEY]))
        return models[place >= 0].reset_index(drop=True), self._features.iloc[place[place >= 0]].reset_index(drop=True)

    def _platform_calls(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The traced models and their calls, each with the number of its model, as estimates on platforms need them."""
        from zoo.estimation.platforms.features import TRACED as ON_PLATFORMS
        from zoo.estimation.platforms.features import USED

        precision, layout = ON_PLATFORMS.precision, ON_PLATFORMS.layout
        if (known := self._read.get((precision, layout, False))) is not None:
            return known.models, known.rows
        return self._store.workloads_by_model(precision, layout, key=MODEL_KEY, columns=USED)


def _not_estimated(rows: pd.DataFrame, why: str) -> pd.DataFrame:
    return pd.DataFrame({**dict.fromkeys(LATENCY_FIGURES, pd.NA), "latency_from": why}, index=rows.index).astype(
        {**dict.fromkeys(LATENCY_FIGURES, "Float64"), "latency_from": "string"}
    )
