"""Tables that a run writes beside its row of `runs`: the keys it planned, and the accuracies in force for its models.

The name of both is a digest of their rows, so that runs with equal rows share them: a nightly run without changes adds none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from zoo.cache.schema.tables import TABLES, columns_of, table_of
from zoo.records import Accuracy, Architecture, CostKey
from zoo.refresh.plan import requested_classes, requested_input
from zoo.settings import ZooSettings

_DIGEST_BATCH = 10_000
"""Rows that are hashed at a time, to bound the memory."""


class NamedTable(NamedTuple):
    """Rows of a table whose first column contains their name."""

    table: str
    name: str
    rows: pa.Table


def plan_table(keys: Collection[CostKey]) -> NamedTable:
    """The keys of a plan. Built by columns, because plans may be long."""
    columns = {column: [key[place] for key in keys] for place, column in enumerate(CostKey._fields)}
    return _with_digest("plans", columns_of("plans", len(keys), columns, {"plan": ""}), CostKey._fields)


def results_table(
    selected: Mapping[str, Sequence[Architecture]], published: Mapping[str, Sequence[Accuracy]], zoos: Mapping[str, ZooSettings]
) -> NamedTable:
    """The published accuracies of the selected models, with the inputs and heads that the settings request."""
    rows = [
        row for name, architectures in selected.items() for row in _results(architectures, published.get(name, ()), zoos[name])
    ]
    return _with_digest("results", table_of("results", rows), ("zoo", "arch", "tag", "input", "dataset", "metric"))


def _results(
    architectures: Sequence[Architecture], published: Sequence[Accuracy], settings: ZooSettings
) -> Iterator[dict[str, Any]]:
    weights = {(w.arch, w.tag): (architecture, w) for architecture in architectures for w in architecture.weights}
    for result in published:
        if (result.arch, result.tag) in weights:
            architecture, own = weights[result.arch, result.tag]
            yield {
                "results": "",
                "zoo": architecture.zoo,
                "arch": result.arch,
                "tag": result.tag,
                "task": own.task,
                "family": architecture.family,
                "classes": requested_classes(own.classes, settings),
                "input": requested_input(result.input, settings),
                "dataset": result.dataset,
                "metric": result.metric,
                "value": result.value,
            }


def _with_digest(table: str, rows: pa.Table, order: Sequence[str]) -> NamedTable:
    """The sorted rows, named by their digest."""
    rows = rows.sort_by([(column, "ascending") for column in order])
    digest = hashlib.sha256()
    for batch in rows.to_batches(max_chunksize=_DIGEST_BATCH):
        digest.update(repr(batch.to_pydict()).encode())
    name = digest.hexdigest()[:16]
    return NamedTable(table, name, rows.set_column(0, TABLES[table].field(0), pa.repeat(pa.scalar(name), len(rows))))
