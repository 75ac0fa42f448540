"""A few models side by side: their figures at one input, and how each stands to the first."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from reports.columns.accuracy_columns import ACCURACY_COLUMNS
from reports.columns.column import Better, Column, ColumnKind
from reports.columns.leaderboard_columns import LEADERBOARD_BY_KEY
from reports.leaderboard.leaderboard_report import build_leaderboard_report
from reports.leaderboard.report import Report
from reports.models.model_facts import ModelFacts, facts_of, known_metrics
from reports.models.model_lookup import Excerpt, Named
from zoo.records import Weights
from zoo.refresh.plan import NATIVE, cost_keys

_COSTS = ("params", "macs", "flops", "activations", "peak_activation_bytes", "weight_bytes", "operations", "file_bytes")


@dataclass(frozen=True)
class Compared:
    """One of the models."""

    facts: ModelFacts
    weights: Weights | None  # whose results count: the named ones, or the default ones; None: the zoo has none
    input: str
    cost: Mapping[str, Any]  # its row of the `costs` table
    figures: Mapping[str, float | None]  # by key of `Comparison.columns`; None where unknown

    @property
    def name(self) -> str:
        """`zoo/arch.tag`, or `zoo/arch` where there are no weights."""
        return self.weights.name if self.weights else self.facts.model

    @property
    def is_counted_now(self) -> bool:
        """Whether the cache did not have its cost."""
        return self.facts.is_counted_now


@dataclass(frozen=True)
class Comparison:
    """All of them; the others are held against the first."""

    models: tuple[Compared, ...]
    columns: tuple[Column, ...]  # figures that any of them has: accuracy, then cost

    def change(self, model: Compared, column: Column) -> float | None:
        """How a figure stands to that of the first model: a difference for accuracy, a ratio for cost; None where unknown."""
        value, first = model.figures[column.key], self.models[0].figures[column.key]
        if value is None or first is None:
            return None
        if is_accuracy(column):
            return value - first
        return value / first if first else None

    def best(self, column: Column) -> float | None:
        """The best value among the models, where they differ."""
        known = [value for model in self.models if (value := model.figures[column.key]) is not None]
        if len(set(known)) < 2 or column.better is Better.NEITHER:
            return None
        return max(known) if column.better is Better.HIGH else min(known)


def is_accuracy(column: Column) -> bool:
    """Whether differences, rather than ratios, say something of a column."""
    return column.kind is ColumnKind.NUMBER


def compare(found: Excerpt, size: str = NATIVE) -> Comparison:
    """The models of an excerpt at one size each."""
    facts = [facts_of(found, named) for named in found.models]
    pairs = known_metrics(*facts)
    published = [(a.dataset, a.metric, a.column) for a in ACCURACY_COLUMNS if (a.dataset, a.metric) in pairs]
    models = tuple(_compared(one, named, size, published) for one, named in zip(facts, found.models, strict=True))
    columns = [*(column for _, _, column in published), *(LEADERBOARD_BY_KEY[name] for name in _COSTS)]
    known = tuple(column for column in columns if any(model.figures[column.key] is not None for model in models))
    return Comparison(models, known)


def _compared(facts: ModelFacts, named: Named, size: str, published: Sequence[tuple[str, str, Column]]) -> Compared:
    key = named.key_at(size)
    row = next(row for row, own in zip(facts.rows, cost_keys(facts.costs), strict=True) if own == key)
    weights = facts.weights[0] if facts.weights and (named.weights or facts.weights[0].is_default) else None
    figures: dict[str, float | None] = {
        column.key: facts.value_of(weights, dataset, metric, key.input) if weights else None
        for dataset, metric, column in published
    }
    for name in _COSTS:
        value = weights.file_bytes if weights and name == "file_bytes" else row.get(name)
        figures[name] = None if value is None else int(value)
    return Compared(facts, weights, key.input, row, figures)


def record(comparison: Comparison) -> dict[str, Any]:
    """The comparison as plain data: exact figures under the names of the exports, unknown as None."""
    columns = comparison.columns
    return {
        "reference": comparison.models[0].name,
        "models": [
            {
                "model": model.name,
                "input": model.input,
                "status": model.cost["status"],
                "reason": model.cost["reason"],
                "license": model.weights.license if model.weights else None,
                "is_counted_now": model.is_counted_now,
                **{column.export_name: model.figures[column.key] for column in columns},
                "differences": {c.export_name: comparison.change(model, c) for c in columns if is_accuracy(c)},
                "ratios": {c.export_name: comparison.change(model, c) for c in columns if not is_accuracy(c)},
            }
            for model in comparison.models
        ],
    }


def report_of(found: Excerpt) -> Report:
    """A report of just these models: of an architecture that was named all of its weights, of weights that were named only those."""
    names = {named.name for named in found.models}
    whole = {(named.architecture.zoo, named.architecture.name) for named in found.models if named.weights is None}
    title = " · ".join(named.name.partition("/")[2] for named in found.models)
    report = build_leaderboard_report(found.settings, title=f"Comparison: {title}")
    rows = report.leaderboard
    is_meant = rows["model"].isin(names) | pd.Series(
        [pair in whole for pair in zip(rows["zoo"], rows["arch"], strict=True)], rows.index
    )
    return dataclasses.replace(report, leaderboard=rows[is_meant].reset_index(drop=True))
