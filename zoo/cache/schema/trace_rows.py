"""A trace as one row of a table, and back: what the cache's table `traces` holds beside the model it belongs to."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from zoo.traces import Trace, TracedCall, TracedStorage, TracedTensor

TENSOR = pa.struct(
    [
        pa.field("argument", pa.string()),
        pa.field("shape", pa.list_(pa.int64())),
        pa.field("strides", pa.list_(pa.int64())),
        pa.field("dtype", pa.string()),
        pa.field("role", pa.string()),
        pa.field("storage", pa.int32()),
    ]
)

CALL = pa.struct(
    [
        pa.field("module", pa.string()),
        pa.field("module_class", pa.string()),
        pa.field("operation", pa.string()),
        pa.field("kind", pa.string()),
        pa.field("inputs", pa.list_(TENSOR)),
        pa.field("outputs", pa.list_(TENSOR)),
        pa.field("arguments", pa.string()),
        pa.field("groups", pa.int32()),
        pa.field("kernel", pa.list_(pa.int32())),
        pa.field("has_bias", pa.bool_()),
        pa.field("has_mask", pa.bool_()),
        pa.field("in_place", pa.bool_()),
        pa.field("macs", pa.int64()),
    ]
)

STORAGE = pa.struct(
    [
        pa.field("nbytes", pa.int64()),
        pa.field("role", pa.string()),
        pa.field("alloc_at", pa.int32()),
        pa.field("free_at", pa.int32()),
    ]
)

TRACE = pa.schema(
    [
        pa.field("precision", pa.string(), nullable=False),
        pa.field("layout", pa.string(), nullable=False),
        pa.field("traced_batch", pa.int32(), nullable=False),
        pa.field("calls", pa.list_(CALL), nullable=False),
        pa.field("storages", pa.list_(STORAGE), nullable=False),
    ]
)
"""The columns of a trace; its calls are in order, and a tensor's `storage` counts the elements of `storages` from 0."""


def to_table(trace: Trace) -> pa.Table:
    """One row. Built by columns: dictionaries for each tensor would take many times as long."""
    calls = _structs(CALL, trace.calls, {"inputs": _tensor_lists, "outputs": _tensor_lists})
    storages = _structs(STORAGE, trace.storages, {})
    columns = [
        pa.array([trace.precision]),
        pa.array([trace.layout]),
        pa.array([trace.batch], pa.int32()),
        _lists(calls, [len(trace.calls)]),
        _lists(storages, [len(trace.storages)]),
    ]
    return pa.Table.from_arrays(columns, schema=TRACE)


def with_traces(rows: pa.Table, traces: Sequence[pa.Table | None]) -> pa.Table:
    """The same rows of the table `traces`, each with its trace as `to_table` gives it; a row without one has nulls."""
    for field in TRACE:
        if any(trace is not None for trace in traces) and field.name not in ("precision", "layout"):
            pieces = [pa.nulls(1, field.type) if trace is None else trace[field.name].chunk(0) for trace in traces]
            place = rows.schema.get_field_index(field.name)
            rows = rows.set_column(place, rows.schema.field(place), pa.chunked_array(pieces, field.type))
    return rows


def from_table(table: pa.Table, row: int) -> Trace:
    """The trace in one row of a table that has the columns of `TRACE` among others."""
    calls = _values(table, "calls", row)
    storages = _values(table, "storages", row)
    return Trace(
        precision=table["precision"][row].as_py(),
        layout=table["layout"][row].as_py(),
        batch=table["traced_batch"][row].as_py(),
        calls=tuple(map(TracedCall._make, _rows(calls, {"inputs": _tensors, "outputs": _tensors, "kernel": _tuples}))),
        storages=tuple(map(TracedStorage._make, _rows(storages, {}))),
    )


def _structs(kind: pa.StructType, rows: Sequence[Any], special: dict[str, Any]) -> pa.StructArray:
    """Named tuples as structs; some of their fields are made into arrays by a function of their own."""
    columns = list(zip(*rows, strict=True)) or [()] * kind.num_fields
    arrays = [
        special[field.name](values) if field.name in special else pa.array(values, field.type)
        for field, values in zip(kind, columns, strict=True)
    ]
    return pa.StructArray.from_arrays(arrays, fields=list(kind))


def _lists(values: pa.Array, lengths: Iterable[int]) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(list(itertools.accumulate(lengths, initial=0)), pa.int32()), values)


def _tensor_lists(calls: Sequence[tuple[TracedTensor, ...]]) -> pa.ListArray:
    tensors = _structs(TENSOR, [tensor for tensors in calls for tensor in tensors], {"shape": _sizes, "strides": _sizes})
    return _lists(tensors, map(len, calls))


def _sizes(values: Sequence[tuple[int, ...]]) -> pa.ListArray:
    return _lists(pa.array(list(itertools.chain.from_iterable(values)), pa.int64()), map(len, values))


def _values(table: pa.Table, column: str, row: int) -> pa.StructArray:
    """The elements of one row's list."""
    return table[column][row].values


def _rows(structs: pa.StructArray, special: dict[str, Any]) -> Iterable[tuple[Any, ...]]:
    columns = [
        special.get(field.name, pa.Array.to_pylist)(values) for field, values in zip(structs.type, structs.flatten(), strict=True)
    ]
    return zip(*columns, strict=True)


def _pieces(lists: pa.ListArray, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The elements of each list; `values` are those of all of them."""
    ends = list(itertools.accumulate(lists.value_lengths().to_pylist(), initial=0))
    return [tuple(values[start:end]) for start, end in itertools.pairwise(ends)]


def _tuples(lists: pa.ListArray) -> list[tuple[Any, ...]]:
    return _pieces(lists, lists.flatten().to_pylist())


def _tensors(lists: pa.ListArray) -> list[tuple[TracedTensor, ...]]:
    rows = _rows(lists.flatten(), {"shape": _tuples, "strides": _tuples})
    return _pieces(lists, list(map(TracedTensor._make, rows)))
