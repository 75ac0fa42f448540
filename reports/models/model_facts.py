"""Everything known of one model, gathered for a page about it or a program that asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from reports.columns.accuracy_columns import ACCURACY_COLUMNS
from reports.exports.tables import records
from reports.leaderboard.breakdown import read_breakdown
from reports.models.model_lookup import Excerpt, Named
from zoo.records import Accuracy, Architecture, Status, Weights
from zoo.refresh.plan import cost_keys

COST_FIGURES = ("macs", "flops", "params", "activations", "peak_activation_bytes", "weight_bytes", "operations")


@dataclass(frozen=True)
class ModelFacts:
    """One architecture, or one set of its weights, with its costs and results."""

    model: str
    architecture: Architecture
    weights: tuple[Weights, ...]  # those that are meant, the default one first
    accuracy: tuple[Accuracy, ...]  # of these weights
    costs: pd.DataFrame  # rows of the `costs` table, the native one first
    breakdown: pd.DataFrame  # of the native cost, see `reports.leaderboard.breakdown`
    is_counted_now: bool  # whether the cache did not have its native cost

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """The costs as plain values, None where unknown."""
        return list(records(self.costs))

    @property
    def native(self) -> Mapping[str, Any]:
        """The cost row at the model's own input."""
        return self.rows[0]

    def value_of(self, weights: Weights, dataset: str, metric: str, input: str | None = None) -> float | None:
        """A published result of one set of weights: at an input, or else at its own, or else wherever it was measured."""
        found = [a for a in self.accuracy if (a.tag, a.dataset, a.metric) == (weights.tag, dataset, metric)]
        if input is not None:
            return next((a.value for a in found if a.input == input), None)
        return next((a.value for a in sorted(found, key=lambda a: a.input != weights.input)), None)


def facts_of(found: Excerpt, named: Named) -> ModelFacts:
    """What an excerpt holds of one of its models."""
    architecture = named.architecture
    weights = (named.weights,) if named.weights else tuple(sorted(architecture.weights, key=lambda w: not w.is_default))
    tags = {w.tag for w in weights}
    costs = _costs(found, named)
    breakdown = read_breakdown(found.store, costs.head(1)) if len(costs) else costs
    return ModelFacts(
        named.name,
        architecture,
        weights,
        tuple(a for a in found.store.accuracy() if (a.zoo, a.arch) == (architecture.zoo, architecture.name) and a.tag in tags),
        costs,
        breakdown,
        (architecture.zoo, architecture.name) in found.counted_now,
    )


def _costs(found: Excerpt, named: Named) -> pd.DataFrame:
    """All costs of the architecture, those with the model's own head at its own input first, then by size."""
    costs = found.store.costs(zoo=named.architecture.zoo, arch=named.architecture.name)
    native = [key == named.key_at() for key in cost_keys(costs)]
    with_own_head = costs["classes"].fillna(-1) == (-1 if named.key_at().classes is None else named.key_at().classes)
    order = costs.assign(is_native=native, has_own_head=with_own_head)
    order = order.sort_values(["is_native", "has_own_head", "variant", "macs"], ascending=[False, False, False, True])
    return costs.loc[order.index].reset_index(drop=True)


def record(facts: ModelFacts) -> dict[str, Any]:
    """All of it as plain data with exact figures, unknown as None."""
    architecture = asdict(facts.architecture)
    for name in ("weights", "declared"):
        del architecture[name]
    parts = facts.breakdown
    return {
        "model": facts.model,
        "architecture": architecture,
        "is_counted_now": facts.is_counted_now,
        "costs": [{**row, "counted_at": row["counted_at"].isoformat()} for row in facts.rows],
        "weights": [{**asdict(w), "accuracy": [asdict(a) for a in facts.accuracy if a.tag == w.tag]} for w in facts.weights],
        "stages": list(records(parts.loc[parts["by"] == "stage", ["part", "macs", "bytes_moved"]])) if len(parts) else [],
        "operations": list(records(parts.loc[parts["by"] == "operation", ["part", "macs", "bytes_moved"]])) if len(parts) else [],
    }


def is_counted(row: Mapping[str, Any]) -> bool:
    """Whether a cost row has figures."""
    return str(row["status"]) != Status.FAILED


def known_metrics(*facts: ModelFacts) -> list[tuple[str, str]]:
    """Datasets and metrics that any of the models has a result in, in the order of the reports' columns, others after them."""
    known = {(a.dataset, a.metric) for one in facts for a in one.accuracy}
    declared = [(column.dataset, column.metric) for column in ACCURACY_COLUMNS]
    return [*(pair for pair in declared if pair in known), *sorted(known - set(declared))]
