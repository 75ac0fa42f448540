"""Reads the cache as DataFrames and records: costs, operations, traces, measured speeds, runs, architectures and accuracies."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from zoo.cache.row_keys import details_of, factorize, latest_rows
from zoo.cache.runs import RunRecord, run_records
from zoo.cache.schema.tables import DETAILS, OWNERS, TABLES
from zoo.cache.storage.parts import Where
from zoo.cache.table_store import DAMAGED, TableStore
from zoo.records import SPEED_KEY, Accuracy, Architecture, Weights

__all__ = ["DAMAGED", "Store", "key_tuples", "to_pandas"]


class Store(TableStore):
    """A cache at a folder or any fsspec address."""

    def costs(self, *, columns: Iterable[str] | None = None, as_of: datetime | None = None, **equal: str) -> pd.DataFrame:
        """The newest row of each key, optionally as of a moment, and with given values: `costs(zoo="timm", arch="resnet50")`."""
        return to_pandas(self.in_force("costs", columns, where=_where(equal), as_of=as_of))

    def traces(self, *, columns: Iterable[str] | None = None, **equal: str) -> pd.DataFrame:
        """The newest row of each trace; `workloads` gives its calls."""
        return to_pandas(self.in_force("traces", columns, where=_where(equal)))

    def workloads(self, *, columns: Iterable[str] | None = None, **equal: str) -> pd.DataFrame:
        """The distinct calls of the newest traces, with amounts for one image; models come in no particular order."""
        rows = self._details("workloads", _where(equal), columns)
        figures = [field.name for field in rows.schema if not (field.nullable or pa.types.is_string(field.type))]
        others = to_pandas(rows.drop_columns(figures))
        both: pd.DataFrame = pd.concat([others, rows.select(figures).to_pandas()], axis=1)  # figures with numpy dtypes
        return both.reindex(columns=rows.column_names)

    def workloads_by_model(
        self, precision: str, layout: str, *, key: Sequence[str], columns: Sequence[str]
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The distinct calls of the newest traces of all models.

        Args:
            precision: of the traces.
            layout: of the traces.
            key: columns that identify a model.
            columns: of the calls; strings become categories.

        Returns:
            The models by `key`, and the calls with `model`, the row number of their model.
        """
        rows = self._details("workloads", {"precision": [precision], "layout": [layout]}, [*key, *columns])
        models, model = factorize(rows, key)
        rows = rows.select(columns)
        for place, field in enumerate(rows.schema):
            if pa.types.is_string(field.type):
                rows = rows.set_column(place, field.name, rows[field.name].combine_chunks().dictionary_encode())
        return to_pandas(models), rows.to_pandas(split_blocks=True).assign(model=model)

    def details(self, name: str, **equal: str) -> pd.DataFrame:
        """The rows of a detail table whose owner is in force."""
        return to_pandas(self._details(name, _where(equal)))

    def in_force(
        self, name: str, columns: Iterable[str] | None = None, *, where: Where | None = None, as_of: datetime | None = None
    ) -> pa.Table:
        """The newest row of each key of `costs` or `traces`, as of a moment: its key, these columns and `counted_at`."""
        key = OWNERS[name]
        table = self.read(name, dict.fromkeys([*key, *columns, "counted_at"]) if columns else None, where)
        if as_of is not None:
            table = table.filter(_until(table, "counted_at", as_of))
        return latest_rows(table, key)

    def _details(self, name: str, where: Where, columns: Iterable[str] | None = None) -> pa.Table:
        columns = list(TABLES[name].names if columns is None else columns)
        owners = self.in_force(DETAILS[name], OWNERS[DETAILS[name]], where=where)  # first: details are written before their owner
        key = [column for column in OWNERS[DETAILS[name]] if len(where.get(column, ())) != 1]  # the others have one value
        rows = self.read(name, dict.fromkeys([*columns, *key, "position", "counted_at"]), where)
        return details_of(rows, owners, key).select(columns)

    def speeds(self, device: str | None = None, *, failed: bool = False, as_of: datetime | None = None) -> pd.DataFrame:
        """The newest measurement of each `SPEED_KEY`, on one device or all; optionally also failures, and as of a moment."""
        table = self.read("speed", where={} if device is None else {"device": [device]})
        if not failed:
            table = table.filter(pc.equal(table["status"], "measured"))
        if as_of is not None:
            table = table.filter(_until(table, "added_at", as_of))
        frame = to_pandas(table).sort_values(["measured_at", "added_at"], kind="stable", na_position="first")
        return frame.drop_duplicates(list(SPEED_KEY), keep="last").reset_index(drop=True)

    def runs(self) -> list[RunRecord]:
        """All recorded runs, in the order they began."""
        return run_records(self.read("runs").to_pylist())

    def architectures(self) -> list[Architecture]:
        """Every architecture with its weights, as of the last refresh; imports no zoo."""
        weights: dict[tuple[str, str], list[Weights]] = defaultdict(list)
        names = [field.name for field in dataclasses.fields(Weights)]
        for row in self.read("weights", names).to_pylist():
            weights[row["zoo"], row["arch"]].append(Weights(**row))
        rows = [row for row in self.read("architectures").to_pylist() if all(row[name] is not None for name in _REQUIRED)]
        return [_architecture(row, tuple(weights[row["zoo"], row["arch"]])) for row in rows]

    def accuracy(self) -> list[Accuracy]:
        """All published results in the cache."""
        names = [field.name for field in dataclasses.fields(Accuracy)]
        return [Accuracy(**row) for row in self.read("accuracy", names).to_pylist()]


def _until(table: pa.Table, column: str, moment: datetime) -> pa.ChunkedArray:
    """Which rows have a time that is not after a moment."""
    return pc.less_equal(table[column], pa.scalar(moment, table.schema.field(column).type))


_REQUIRED = ("zoo", "arch", "task", "input")
"""Columns of `architectures` that are never missing in rows that zoometer wrote."""


def _where(equal: Mapping[str, Any]) -> Where:
    return {column: [value] for column, value in equal.items()}


def _architecture(row: Mapping[str, Any], weights: tuple[Weights, ...]) -> Architecture:
    """A row of `architectures` as a record; lists become tuples, and missing values the record's defaults."""
    names = {field.name for field in dataclasses.fields(Architecture)}
    values: dict[str, Any] = {"classes": None, "family": None}
    for name, value in row.items():
        if value is not None and name in names:
            values[name] = tuple(value) if isinstance(value, list) else value
    return Architecture(name=row["arch"], weights=weights, **values)


_NULLABLE: dict[Any, Any] = {
    pa.int64(): pd.Int64Dtype(),
    pa.int32(): pd.Int64Dtype(),
    pa.float64(): pd.Float64Dtype(),
    pa.string(): pd.StringDtype(),
    pa.bool_(): pd.BooleanDtype(),
}


def to_pandas(table: pa.Table) -> pd.DataFrame:
    """A DataFrame with nullable dtypes, so that integers stay exact where some are missing."""
    frame: pd.DataFrame = table.to_pandas(types_mapper=_NULLABLE.get)
    return frame


def key_tuples(rows: pd.DataFrame, columns: Sequence[str]) -> list[tuple[Any, ...]]:
    """The values of these columns of each row as Python objects; missing ones are None."""
    keys = rows[list(columns)].astype(object)
    return list(keys.where(keys.notna(), None).itertuples(index=False, name=None))
