"""Counts for an audit, from the cache; what it lacks is counted first, unless that is switched off.

What a table may have meant instead (no head, an image without objects) is kept in a cache of its own within the cache: these are no
models to choose among.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from reports.audit.audit import Audit, audit_table
from reports.audit.hypothesis import CountsByKey
from reports.audit.model_counts import ModelCounts
from reports.audit.published_table import PublishedRow
from zoo.adapters.base import Zoo
from zoo.addresses import Address
from zoo.cache.schema.tables import KEY
from zoo.cache.store import Store
from zoo.counting.rows import CachedCall, CachedRow
from zoo.operators.operator_kinds import Kind
from zoo.records import Architecture, CostKey, Status
from zoo.refresh.fill_missing import fill_missing
from zoo.refresh.plan import cost_keys
from zoo.settings import Execution, Listener

_APART = "audits"
_COLUMNS = ("module", "module_class", "operation", "kind", "shapes", "arguments", "calls", "macs", "elements_out")


@dataclass
class CachedCounter:
    """Counts of models by key."""

    cache: str
    execution: Execution = Execution()
    listener: Listener | None = None
    may_count: bool = True
    _counts: dict[CostKey, ModelCounts] = field(default_factory=dict)
    _failed: set[CostKey] = field(default_factory=set)

    def audit(self, rows: Sequence[PublishedRow], title: str, zoo: Zoo, architectures: Sequence[Architecture]) -> Audit:
        """Compares a published table with these counts (see `audit_table`)."""
        return audit_table(
            rows,
            title=title,
            zoo=zoo,
            architectures=architectures,
            count_models=self.count_models,
            count_hypotheses=self.count_hypotheses,
        )

    def count_models(self, keys: Iterable[CostKey]) -> CountsByKey:
        """Every model counted so far, these included as far as they can be counted.

        Raises:
            ZooError: if a zoo is not installed, or the cache cannot be read or written.
        """
        return self._count(keys, self.cache)

    def count_hypotheses(self, keys: Iterable[CostKey]) -> CountsByKey:
        """Likewise, with what may have been meant instead; it is kept apart where the cache does not have it."""
        self._read_counts(set(keys) - self._counts.keys(), self.cache)
        return self._count(keys, Address.of(f"{self.cache.rstrip('/')}/{_APART}", getattr(self.cache, "options", None)))

    def _count(self, keys: Iterable[CostKey], cache: str) -> CountsByKey:
        missing = set(keys) - self._counts.keys() - self._failed
        if missing and self.may_count:
            fill_missing(missing, cache, self.execution, self.listener)
        self._read_counts(missing, cache)
        self._failed |= missing - self._counts.keys()
        return self._counts

    def _read_counts(self, keys: AbstractSet[CostKey], cache: str) -> None:
        store = Store(cache)
        if not keys or not store.exists():
            return
        costs = store.costs(columns=["status", "params"])
        rows = zip(cost_keys(costs), costs.to_dict("records"), strict=True)
        counted = {key: row for key, row in rows if key in keys and row["status"] != Status.FAILED and not pd.isna(row["params"])}
        operations = _read_operations(store, counted) if counted else {}
        for key, row in counted.items():
            self._counts[key] = ModelCounts.from_operations(int(row["params"]), operations[key])


def _read_operations(store: Store, counted: Mapping[CostKey, Any]) -> dict[CostKey, list[CachedRow]]:
    """The recorded operations of each of these costs."""
    where = {name: sorted({getattr(key, name) for key in counted}) for name in ("zoo", "arch")}
    table = store.read("ops", [*KEY, "counted_at", *_COLUMNS], where)
    table = table.filter(
        pc.is_in(table["counted_at"], pa.array({row["counted_at"] for row in counted.values()}, table["counted_at"].type))
    )
    rows: dict[CostKey, list[CachedRow]] = defaultdict(list)
    distinct: dict[CachedCall, CachedCall] = {}
    columns = [table[name].to_pylist() for name in (*KEY, *_COLUMNS)]
    for values in zip(*columns, strict=True):
        key = CostKey(*values[: len(KEY)])
        module, module_class, operation, kind, shapes, arguments, calls, macs, elements_out = values[len(KEY) :]
        call = CachedCall(operation, Kind(kind), shapes, arguments, macs // calls, elements_out // calls)
        rows[key].append(CachedRow(module, module_class, distinct.setdefault(call, call), calls))
    return rows
