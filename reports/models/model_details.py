"""Everything known of one model, for a page about it or for a program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from reports.columns.accuracy_columns import ACCURACY_COLUMNS
from reports.columns.table_rows import records
from reports.leaderboard.breakdown import read_breakdown
from reports.leaderboard.report import empty_breakdown
from reports.models.model_latency import DeviceRun, ModelLatency, latencies_on, latency_record
from reports.models.model_lookup import ModelLookup, NamedModel
from reports.models.run_memory import memory_in
from reports.selection.speeds.published_speeds import as_speed_rows, published_by_architecture
from zoo.cache.store import Store
from zoo.records import Accuracy, Architecture, Variant, Weights
from zoo.refresh.plan import cost_keys

_SPEED_COLUMNS = [
    "input", "variant", "device", "processor", "runtime", "dtype", "layout", "compiled", "threads", "batch", "latency_ms",
    "samples_per_s", "status", "source", "way", "conditions",
]  # fmt: skip


@dataclass(frozen=True)
class ModelDetails:
    """One architecture, or one set of its weights, with its costs and results."""

    model: str
    architecture: Architecture
    weights: tuple[Weights, ...]  # the named ones, or all, the default one first
    accuracy: tuple[Accuracy, ...]  # of these weights
    costs: pd.DataFrame  # rows of the `costs` table, the native one first
    breakdown: pd.DataFrame  # of the native cost: `reports.leaderboard.report.BREAKDOWN`
    is_counted_now: bool  # because the cache lacks its native cost
    speeds: pd.DataFrame  # of the architecture: `_SPEED_COLUMNS`
    device_run: DeviceRun | None = None  # the device whose latencies are requested
    latencies: tuple[ModelLatency, ...] = ()  # on that device: at the native input, and where they are known at others
    memory: pd.DataFrame = field(default_factory=pd.DataFrame)  # in that run configuration: `reports.models.run_memory.memory_in`
    memory_note: str = ""  # what is assumed of it

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """The costs as plain values, None where unknown."""
        return list(records(self.costs))

    @property
    def native(self) -> Mapping[str, Any]:
        """The cost at the native input."""
        return self.rows[0]

    def accuracy_of(self, weights: Weights, metric: tuple[str, str], input: str | None = None) -> float | None:
        """A published result of one set of weights: at an input; without one at its own, or else wherever it was evaluated."""
        results = [a for a in self.accuracy if (a.tag, a.dataset, a.metric) == (weights.tag, *metric)]
        if input is not None:
            return next((a.value for a in results if a.input == input), None)
        return next((a.value for a in sorted(results, key=lambda a: a.input != weights.input)), None)


def gather_details(lookup: ModelLookup, named: NamedModel) -> ModelDetails:
    """The details of one of the models."""
    architecture = named.architecture
    weights = (named.weights,) if named.weights else tuple(sorted(architecture.weights, key=lambda w: not w.is_default))
    names = {(architecture.zoo, architecture.name, w.tag) for w in weights}
    costs = _sorted_costs(lookup, named)
    memory, memory_note = memory_in(costs, lookup.device_run.run) if lookup.device_run else (pd.DataFrame(), "")
    return ModelDetails(
        model=named.name,
        architecture=architecture,
        weights=weights,
        accuracy=tuple(a for a in lookup.store.accuracy() if (a.zoo, a.arch, a.tag) in names),
        costs=costs,
        breakdown=read_breakdown(lookup.store, costs.head(1)) if len(costs) else empty_breakdown(),
        is_counted_now=(architecture.zoo, architecture.name) in lookup.counted_now,
        speeds=find_speeds(architecture, lookup.store),
        device_run=lookup.device_run,
        latencies=tuple(_known_latencies(lookup.device_run, costs, architecture, lookup.store)) if lookup.device_run else (),
        memory=memory,
        memory_note=memory_note,
    )


def find_speeds(architecture: Architecture, store: Store) -> pd.DataFrame:
    """Measured before published, and of each the fastest run configuration first, on each device and at each batch."""
    measured, published = (
        rows[(rows["zoo"] == architecture.zoo) & (rows["arch"] == architecture.name)]
        for rows in (store.speeds(), published_by_architecture())
    )
    both = [rows.reindex(columns=_SPEED_COLUMNS).astype(object) for rows in (measured, as_speed_rows(published))]
    speeds = pd.concat(both, ignore_index=True)
    return speeds.sort_values(["input", "device", "batch", "status", "latency_ms"], kind="stable", ignore_index=True)


def _known_latencies(device_run: DeviceRun, costs: pd.DataFrame, architecture: Architecture, store: Store) -> list[ModelLatency]:
    """At the native input, whatever is known, and at the others where a latency is."""
    native, *others = cost_keys(costs)
    keys = [
        native,
        *(key for key in others if (key.classes, key.batch) == (native.classes, 1) and key.variant != Variant.FEATURES),
    ]
    first, *more = latencies_on(device_run, keys, [architecture.family] * len(keys), store)
    return [first, *(latency for latency in more if latency.kind)]


def _sorted_costs(lookup: ModelLookup, named: NamedModel) -> pd.DataFrame:
    """All costs of the architecture: at the native input, then with the model's own number of classes, then by size."""
    costs = lookup.store.costs(zoo=named.architecture.zoo, arch=named.architecture.name)
    own = named.key_at()
    has_own_head = costs["classes"].isna() if own.classes is None else (costs["classes"] == own.classes).fillna(False)
    order = costs.assign(is_native=[key == own for key in cost_keys(costs)], has_own_head=has_own_head)
    order = order.sort_values(["is_native", "has_own_head", "variant", "macs"], ascending=[False, False, False, True])
    return costs.loc[order.index].reset_index(drop=True)


def details_record(details: ModelDetails) -> dict[str, Any]:
    """The details as plain data with exact figures, None where unknown."""
    architecture = asdict(details.architecture)
    for name in ("weights", "declared"):
        del architecture[name]
    parts = {by: list(records(rows[["part", "macs", "bytes_moved"]])) for by, rows in details.breakdown.groupby("by")}
    return {
        "model": details.model,
        "architecture": architecture,
        "is_counted_now": details.is_counted_now,
        "costs": [{**row, "counted_at": row["counted_at"].isoformat()} for row in details.rows],
        "weights": [{**asdict(w), "accuracy": [asdict(a) for a in details.accuracy if a.tag == w.tag]} for w in details.weights],
        "speeds": list(records(details.speeds)),
        "latencies": [latency_record(details.device_run, latency) for latency in details.latencies if details.device_run],
        "memory": list(records(details.memory)),
        "stages": parts.get("stage", []),
        "operations": parts.get("operation", []),
    }


def known_metrics(details: ModelDetails) -> list[tuple[str, str]]:
    """Datasets and metrics of the known results: declared ones in the order of their columns, then others."""
    known = {(a.dataset, a.metric) for a in details.accuracy}
    declared = [(column.dataset, column.metric) for column in ACCURACY_COLUMNS]
    return [*(pair for pair in declared if pair in known), *sorted(known - set(declared))]
