"""Estimated speed: of the rows of a leaderboard, from the operations that the cache holds of each model, and of one model by itself."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from zoo.cache.store import Store
from zoo.errors import InputError
from zoo.run_config import RUN_BY_TORCH, TRACED, Precision, RunConfig
from zoo.validation.calibration_store import kept_calibration

if TYPE_CHECKING:
    from reports.config.budgets import BudgetSection
    from reports.selection.candidates import Estimator
    from zoo.devices.devices import Device

_KEY = ["zoo", "arch", "input", "classes", "variant"]
_MODEL = "model"
_INSTEAD = {Precision.AMP: Precision.AMP_FAST_NORM}
"""Precision of traces that stand in for those of another, where the cache has none."""
_FIGURES = ["latency_ms", "latency_low_ms", "latency_high_ms"]


@dataclass(frozen=True)
class ModelEstimate:
    """How long one model would take on a device. Figures are None where there is no estimate, and `latency_from` says why."""

    model: str
    input: str
    device: Device
    run: RunConfig
    latency_ms: float | None  # of one step of the batch
    latency_low_ms: float | None  # nine in ten lie between the two
    latency_high_ms: float | None
    samples_per_s: float | None
    latency_from: str
    shares: dict[str, float]  # of the time: in computing, in moving data, and in what each call takes at least
    layers: pd.DataFrame  # call by call in order: module, module_class, operation, calls, time_ms, share, bound


def estimate_model(target: str, device: Device, run: RunConfig, size: str | None, store: Store) -> ModelEstimate:
    """Traces a model and estimates it; nothing is kept.

    Args:
        target: `zoo/arch`, `zoo/arch.tag` or `package.module:factory`.
        device: on which the model runs.
        run: how it runs there.
        size: the input; None: the native one.
        store: a cache that may have a calibration of the device.

    Raises:
        ZooError: if there is no such model, or it cannot be built or run.
    """
    from zoo.api.named import InputSpec, count_named
    from zoo.estimation.calibration import SHARES
    from zoo.estimation.estimate import estimate, layers
    from zoo.estimation.workload import summarise
    from zoo.traces import TRACE_BATCH

    if run.precision not in TRACED:
        choices = ", ".join(one.dtype for one in RUN_BY_TORCH)
        raise InputError(f"The speed in {run.precision.dtype} is not estimated. Choose one of {choices}.")
    spec = InputSpec((size,) if size else (), TRACE_BATCH, precision=run.precision, layout=run.layout)
    (counted,) = count_named(target, spec)
    assert counted.trace is not None
    workloads = pd.DataFrame(summarise(counted.trace, by_module=True)).assign(model=target)
    calibration = kept_calibration(store, run) if store.exists() else None
    found = estimate(workloads, device, run, calibration=calibration, key=["model"])
    (row,) = found.to_dict("records")
    known = {name: None if pd.isna(row[name]) else float(row[name]) for name in (*_FIGURES, "samples_per_s", *SHARES)}
    figures = {name: known[name] for name in (*_FIGURES, "samples_per_s")}
    return ModelEstimate(
        target,
        counted.input,
        device,
        run,
        **figures,
        latency_from=row["latency_from"],
        shares={name.removeprefix("share_"): share for name in SHARES if (share := known[name]) is not None},
        layers=layers(workloads, device, run) if figures["latency_ms"] is not None else pd.DataFrame(),
    )


@dataclass(frozen=True)
class _Workloads:
    """What traces of one precision and layout ask of a device."""

    run: RunConfig  # `RunConfig.for_trace`
    models: pd.DataFrame  # `_KEY`, and the number that stands for it
    rows: pd.DataFrame  # the calls of each model, by its number

    def of_models(self, numbers: pd.Series[int]) -> pd.DataFrame:
        """The calls of some models."""
        is_wanted = np.isin(np.arange(len(self.models)), numbers)
        return self.rows if is_wanted.all() else self.rows[is_wanted[self.rows[_MODEL]]]


class Estimates:
    """What the cache knows of speed beside measurements: operations of models, and calibrations of devices."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._read: dict[RunConfig, _Workloads] = {}  # by `RunConfig.for_trace`: several runs share them

    def estimator(self, device: Device, run: RunConfig) -> Estimator:
        """Estimates rows of a leaderboard that run like this on a device; the work begins with the first call."""
        return functools.partial(self._estimate, device, run)

    def of_budget(self, budget: BudgetSection, device: Device | None) -> Estimator | None:
        """Estimates the speed that a budget speaks of; None where it speaks of none, or of no device."""
        return self.estimator(device, replace(budget.run(), device=device.id)) if device and budget.is_about_speed else None

    def _estimate(self, device: Device, run: RunConfig, rows: pd.DataFrame) -> pd.DataFrame:
        from zoo.estimation.estimate import estimate

        if run.precision not in TRACED:
            return _refused(rows, f"not estimated: {run.precision.dtype} is not supported")
        of_cache = self._workloads_of(run)
        if of_cache is None:
            return _refused(rows, _not_traced(run))
        asked = rows[_KEY].drop_duplicates().merge(of_cache.models, on=_KEY)
        traced = replace(run, precision=of_cache.run.precision)
        calibration = kept_calibration(self.store, traced)
        found = estimate(of_cache.of_models(asked[_MODEL]), device, traced, calibration=calibration, key=(_MODEL,))
        found = asked.merge(found[[_MODEL, *_FIGURES, "latency_from"]], on=_MODEL)
        joined = rows[_KEY].merge(found, on=_KEY, how="left").set_axis(rows.index)
        return joined[[*_FIGURES, "latency_from"]].fillna({"latency_from": _not_traced(run)})

    def _workloads_of(self, run: RunConfig) -> _Workloads | None:
        """What the cache has for a run, in the first precision that it has any of."""
        precisions = dict.fromkeys([run.precision, _INSTEAD.get(run.precision, run.precision)])
        found = (self._workloads(replace(run.for_trace(), precision=precision)) for precision in precisions)
        return next((workloads for workloads in found if len(workloads.models)), None)

    def _workloads(self, run: RunConfig) -> _Workloads:
        from zoo.estimation.workload import AMOUNTS

        if run not in self._read:
            models, rows = self.store.workloads_by_model(run.precision, run.layout, key=_KEY, columns=AMOUNTS)
            self._read[run] = _Workloads(run, models.assign(**{_MODEL: range(len(models))}), rows)
        return self._read[run]


def _not_traced(run: RunConfig) -> str:
    mode = run.trace_mode
    return f"not estimated: the cache has no trace {mode} of it; zoometer run CONFIG --traces {mode} makes them"


def _refused(rows: pd.DataFrame, why: str) -> pd.DataFrame:
    figures = {name: pd.array([pd.NA] * len(rows), dtype="Float64") for name in _FIGURES}
    return pd.DataFrame({**figures, "latency_from": pd.array([why] * len(rows), dtype="string")}, index=rows.index)
