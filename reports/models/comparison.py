"""A few models side by side: their figures at one input, and how each compares to the first."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from reports.columns.accuracy_columns import ACCURACY_COLUMNS
from reports.columns.budget_columns import LATENCY
from reports.columns.column import Better, Column
from reports.columns.leaderboard_columns import LEADERBOARD_BY_KEY
from reports.leaderboard.leaderboard_report import build_leaderboard_report
from reports.leaderboard.report import Report
from reports.leaderboard.speed_report import with_speeds
from reports.models.model_details import ModelDetails, gather_details
from reports.models.model_latency import DeviceRun, ModelLatency, latencies_on, latency_record
from reports.models.model_lookup import ModelLookup, NamedModel
from reports.models.run_memory import MEMORY_COLUMNS, memory_of
from reports.selection.speeds.speed_estimates import CachedSpeeds
from zoo.records import Weights
from zoo.refresh.plan import NATIVE, cost_keys

_ACCURACIES = [known.column for known in ACCURACY_COLUMNS]
_COSTS = ("params", "macs", "flops", "activations", "peak_activation_bytes", "weight_bytes", "operations", "file_bytes")
_AS_COUNTED = ("peak_activation_bytes", "weight_bytes")  # in float32 at batch 1: with a device, the memory of its run instead


@dataclass(frozen=True)
class ComparedModel:
    """One of the models."""

    name: str  # `zoo/arch.tag`, or `zoo/arch` where there are no weights
    weights: Weights | None  # the named ones or the default ones, whose results are shown; None: the zoo has none
    cost: Mapping[str, Any]  # its row of the `costs` table
    figures: Mapping[str, float | None]  # by key of `Comparison.columns`; None where unknown
    is_counted_now: bool  # because the cache lacks its cost
    latency: ModelLatency | None = None  # on the requested device
    memory_note: str = ""  # what is assumed of the memory there


@dataclass(frozen=True)
class Comparison:
    """All of the models; the others are compared to the first."""

    models: tuple[ComparedModel, ...]
    columns: tuple[Column, ...]  # with a value of any model: accuracy, then latency and cost
    device_run: DeviceRun | None = None  # the device whose latencies are requested

    def change(self, model: ComparedModel, column: Column) -> float | None:
        """Compared to the first model: a difference of accuracy, a ratio of cost; None where unknown."""
        value, first = model.figures[column.key], self.models[0].figures[column.key]
        if value is None or first is None:
            return None
        if is_accuracy(column):
            return value - first
        return value / first if first else None

    def best(self, column: Column) -> float | None:
        """The best value of the models, where they differ."""
        known = {value for model in self.models if (value := model.figures[column.key]) is not None}
        if len(known) < 2 or column.better is Better.NEITHER:
            return None
        return max(known) if column.better is Better.HIGH else min(known)


def is_accuracy(column: Column) -> bool:
    """Whether a column is compared by differences rather than by ratios."""
    return column in _ACCURACIES


def compare_models(lookup: ModelLookup, size: str = NATIVE) -> Comparison:
    """The models at one size each."""
    latencies = _comparable_latencies(lookup, size)
    models = tuple(
        _build_compared_model(gather_details(lookup, named), named, size, latency)
        for named, latency in zip(lookup.models, latencies, strict=True)
    )
    costs = [LEADERBOARD_BY_KEY[name] for name in _COSTS if not lookup.device_run or name not in _AS_COUNTED]
    columns = [*_ACCURACIES, LATENCY, *costs, *MEMORY_COLUMNS]
    known = tuple(column for column in columns if any(model.figures[column.key] is not None for model in models))
    return Comparison(models, known, lookup.device_run)


def _comparable_latencies(lookup: ModelLookup, size: str) -> Sequence[ModelLatency | None]:
    """Of all models in one run configuration, so that measured ones are comparable."""
    if lookup.device_run is None:
        return [None] * len(lookup.models)
    keys, families = zip(*((named.key_at(size), named.architecture.family) for named in lookup.models), strict=True)
    return latencies_on(lookup.device_run, keys, families, lookup.store)


def _build_compared_model(details: ModelDetails, named: NamedModel, size: str, latency: ModelLatency | None) -> ComparedModel:
    key = named.key_at(size)
    row = next(row for row, own in zip(details.rows, cost_keys(details.costs), strict=True) if own == key)
    weights = next((w for w in details.weights if named.weights or w.is_default), None)
    figures: dict[str, float | None] = {name: row.get(name) for name in _COSTS}
    figures |= dict.fromkeys((column.key for column in MEMORY_COLUMNS), None)
    figures |= memory_of(details.memory, key) if details.device_run else {}
    figures["file_bytes"] = weights.file_bytes if weights else None
    figures[LATENCY.key] = latency.latency_ms if latency else None
    for a in ACCURACY_COLUMNS:
        figures[a.column.key] = details.accuracy_of(weights, (a.dataset, a.metric), key.input) if weights else None
    name = weights.name if weights else details.model
    return ComparedModel(name, weights, row, figures, details.is_counted_now, latency, details.memory_note)


def comparison_record(comparison: Comparison) -> dict[str, Any]:
    """The comparison as plain data: exact figures under the names of the exports, None where unknown."""
    columns = comparison.columns
    return {
        "reference": comparison.models[0].name,
        "models": [
            {
                "model": model.name,
                "input": model.cost["input"],
                "status": model.cost["status"],
                "reason": model.cost["reason"],
                "license": model.weights.license if model.weights else None,
                "is_counted_now": model.is_counted_now,
                "latency": latency_record(comparison.device_run, model.latency)
                if comparison.device_run and model.latency
                else None,
                **{column.export_name: model.figures[column.key] for column in columns},
                "differences": {c.export_name: comparison.change(model, c) for c in columns if is_accuracy(c)},
                "ratios": {c.export_name: comparison.change(model, c) for c in columns if not is_accuracy(c)},
            }
            for model in comparison.models
        ],
    }


def build_comparison_report(lookup: ModelLookup) -> Report:
    """A report of only these models: all weights of a named architecture, or the named weights."""
    names = {named.name for named in lookup.models}
    archs = {f"{named.architecture.zoo}/{named.architecture.name}" for named in lookup.models if named.weights is None}
    title = " · ".join(named.name.partition("/")[2] for named in lookup.models)
    report = build_leaderboard_report(lookup.settings, title=f"Comparison: {title}")
    rows: pd.DataFrame = report.leaderboard
    is_named = rows["model"].isin(names) | (rows["zoo"] + "/" + rows["arch"]).isin(archs)
    cached, device_runs = CachedSpeeds(lookup.store), [lookup.device_run] if lookup.device_run else []
    runs = [(one.run, cached.on_device(one.device, one.run, one.unstated)) for one in device_runs]
    return with_speeds(dataclasses.replace(report, leaderboard=rows[is_named].reset_index(drop=True)), cached, runs)
