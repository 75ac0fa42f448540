"""Compares rows of whole tables by several columns at once. A missing value equals a missing value."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_LARGEST_CODE = 2**62

Integers = npt.NDArray[np.int64]


def latest_rows(table: pa.Table, key: Sequence[str]) -> pa.Table:
    """The row of each key that was counted last, ordered by when it was counted."""
    by_time = np.argsort(_integers(table["counted_at"].cast(pa.int64())), kind="stable")
    (codes,) = _row_codes([table], key)
    _, first_of_reversed = np.unique(codes[by_time][::-1], return_index=True)
    return table.take(pa.array(by_time[np.sort(len(table) - 1 - first_of_reversed)]))


def is_among(table: pa.Table, others: pa.Table, columns: Sequence[str]) -> pa.Array:
    """Which rows equal one of the others in these columns."""
    codes, other_codes = _row_codes([table, others], columns)
    return pa.array(np.isin(codes, other_codes))


def distinct_rows(table: pa.Table, columns: Sequence[str]) -> pa.Table:
    """The first row of each combination of values of these columns, in the table's order."""
    (codes,) = _row_codes([table], columns)
    _, first = np.unique(codes, return_index=True)
    return table if len(first) == len(table) else table.take(pa.array(np.sort(first)))


def details_of(table: pa.Table, owners: pa.Table, key: Sequence[str]) -> pa.Table:
    """The rows that belong to one of the owners, by key and time of counting; each position once."""
    own = (*key, "counted_at")
    starts = span_starts(table, own)
    codes, owner_codes = _row_codes([table.select(own).take(pa.array(starts)), owners], own)
    is_owned = np.isin(codes, owner_codes)
    rises = np.diff(_integers(table["position"])) > 0
    rises[starts[1:] - 1] = True  # positions only have to rise within a span
    if len(np.unique(codes)) == len(codes) and rises.all():  # sorted, as writers write them
        return table if is_owned.all() else table.filter(pa.array(np.repeat(is_owned, _span_lengths(table, starts))))
    return distinct_rows(table.filter(is_among(table, owners, own)), (*own, "position"))


def span_starts(table: pa.Table, columns: Sequence[str]) -> Integers:
    """The first row of each span of neighbouring rows that are equal in these columns.

    A sorted table has far fewer spans than rows.
    """
    is_start = np.ones(len(table), dtype=bool)
    is_start[1:] = False
    for column in columns:
        values = table[column].combine_chunks()
        before, after = values.slice(0, max(len(values) - 1, 0)), values.slice(1)
        differs = pc.fill_null(pc.not_equal(before, after), pc.xor(before.is_null(), after.is_null()))
        is_start[1:] |= differs.to_numpy(zero_copy_only=False)
    return np.flatnonzero(is_start)


def _span_lengths(table: pa.Table, starts: Integers) -> Integers:
    return np.diff(starts, append=len(table))


def factorize(table: pa.Table, columns: Sequence[str]) -> tuple[pa.Table, Integers]:
    """The distinct values of these columns in the order of their first rows, and for each row the position of its values."""
    starts = span_starts(table, columns)
    heads = table.select(columns).take(pa.array(starts))
    (codes,) = _row_codes([heads], columns)
    _, first, of_span = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(first)
    position = np.empty(len(order), dtype=np.int64)
    position[order] = np.arange(len(order))
    return heads.take(pa.array(first[order])), np.repeat(position[of_span], _span_lengths(table, starts))


def _row_codes(tables: Sequence[pa.Table], columns: Sequence[str]) -> list[Integers]:
    """For each table a number for each row; rows that are equal in these columns have equal numbers, also across tables."""
    codes, kinds = np.zeros(sum(map(len, tables)), dtype=np.int64), 1
    for column in columns:
        values = pa.chunked_array([chunk for table in tables for chunk in table[column].chunks], tables[0][column].type)
        encoded = values.combine_chunks().dictionary_encode(null_encoding="encode")
        more = max(len(encoded.dictionary), 1)
        if kinds * more > _LARGEST_CODE:
            _, codes = np.unique(codes, return_inverse=True)
            kinds = int(codes.max(initial=0)) + 1
        codes, kinds = codes * more + _integers(encoded.indices), kinds * more
    return np.split(codes, np.cumsum([len(table) for table in tables])[:-1])


def _integers(values: pa.ChunkedArray | pa.Array) -> Integers:
    numbers: Integers = values.to_numpy()
    return numbers.astype(np.int64)
