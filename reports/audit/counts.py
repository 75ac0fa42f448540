"""Where an audit gets its counts: the cache, which is filled with what it lacks unless that is not wanted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from reports.audit.figures import Tally
from zoo.cache.schema.tables import KEY
from zoo.cache.store import Store
from zoo.operators.operations import Kind
from zoo.records import CostKey, Status
from zoo.refresh.fill_missing import ensure_counted
from zoo.refresh.plan import cost_keys
from zoo.settings import Execution, Listener


class _Facts(NamedTuple):
    """One distinct call of an operator, as the cache has it."""

    operation: str
    kind: Kind
    shapes: str
    arguments: str
    macs: int
    elements_out: int


class _Row(NamedTuple):
    module: str
    module_class: str
    facts: _Facts
    calls: int


_COLUMNS = ("module", "module_class", "operation", "kind", "shapes", "arguments", "calls", "macs", "elements_out")


@dataclass
class CachedCounts:
    """Tallies of models by key; what the cache lacks is counted first, where it may be."""

    cache: str
    execution: Execution = Execution()
    listener: Listener | None = None
    may_count: bool = True
    failures: dict[CostKey, str] = field(default_factory=dict)  # why a key has no tally
    _tallies: dict[CostKey, Tally] = field(default_factory=dict)

    def tallies(self, keys: Iterable[CostKey]) -> Mapping[CostKey, Tally]:
        """Everything tallied so far, with these keys as far as they can be counted.

        Raises:
            ZooError: if a zoo is not installed, or the cache cannot be read or written.
        """
        missing = {key for key in keys if key not in self._tallies and key not in self.failures}
        if missing and self.may_count:
            ensure_counted(missing, self.cache, self.execution, self.listener)
        if missing:
            self._read(missing)
        return self._tallies

    def _read(self, keys: AbstractSet[CostKey]) -> None:
        store = Store(self.cache)
        costs = store.costs(columns=["status", "reason", "params"])
        rows = {key: row for key, row in zip(cost_keys(costs), costs.to_dict("records"), strict=True) if key in keys}
        counted = {key: row for key, row in rows.items() if row["status"] != Status.FAILED}
        for key in keys - counted.keys():
            self.failures[key] = str(rows[key]["reason"]) if key in rows else "it was not counted"
        operations = _operations(store, counted)
        for key, row in counted.items():
            self._tallies[key] = Tally.of(int(row["params"]), operations[key])


def _operations(store: Store, counted: Mapping[CostKey, Any]) -> dict[CostKey, list[_Row]]:
    """The recorded operations of each of these costs."""
    where = {name: sorted({getattr(key, name) for key in counted}) for name in ("zoo", "arch")} if counted else None
    table = store.read("ops", [*KEY, "counted_at", *_COLUMNS], where)
    table = table.filter(
        pc.is_in(table["counted_at"], pa.array({row["counted_at"] for row in counted.values()}, table["counted_at"].type))
    )
    rows: dict[CostKey, list[_Row]] = defaultdict(list)
    facts: dict[_Facts, _Facts] = {}
    columns = [table[name].to_pylist() for name in (*KEY, *_COLUMNS)]
    for values in zip(*columns, strict=True):
        key = CostKey(*values[: len(KEY)])
        module, module_class, operation, kind, shapes, arguments, calls, macs, elements_out = values[len(KEY) :]
        fact = _Facts(operation, Kind(kind), shapes, arguments, macs // calls, elements_out // calls)
        rows[key].append(_Row(module, module_class, facts.setdefault(fact, fact), calls))
    return rows
