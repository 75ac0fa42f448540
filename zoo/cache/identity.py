"""Which rows of a table speak of the same thing, and which of them is the newest. Done on whole columns: tables are long."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_LARGEST = 2**62

Numbers = npt.NDArray[np.int64]


def identities(table: pa.Table, columns: Sequence[str]) -> pa.ChunkedArray:
    """One text a row, equal where the columns are; a missing value equals a missing one. It holds between tables read in turn."""
    texts = []
    for column in columns:
        values = table[column]
        texts.append((values.cast(pa.int64()) if pa.types.is_timestamp(values.type) else values).cast(pa.string()))
    return pc.binary_join_element_wise(*texts, "\x1f", null_handling="replace", null_replacement="\x00")


def newest_of_each(table: pa.Table, key: Sequence[str]) -> pa.Table:
    """The row of each key that was counted last, in the order in which they were counted."""
    order = np.argsort(_numbers(table["counted_at"].cast(pa.int64())), kind="stable")
    (codes,) = _codes([table], key)
    _, from_the_end = np.unique(codes[order][::-1], return_index=True)
    return table.take(pa.array(order[np.sort(len(codes) - 1 - from_the_end)]))


def those_of(table: pa.Table, others: pa.Table, columns: Sequence[str]) -> pa.Table:
    """The rows that equal one of the others in these columns."""
    codes, wanted = _codes([table, others], columns)
    return table.filter(pa.array(np.isin(codes, wanted)))


def details_of(table: pa.Table, owners: pa.Table, key: Sequence[str]) -> pa.Table:
    """The rows that belong to one of the owners: equal in the key and in when they were counted. None of them twice."""
    own = (*key, "counted_at")
    table = those_of(table, owners, own)
    (codes,) = _codes([table], (*own, "position"))
    _, first = np.unique(codes, return_index=True)
    return table if len(first) == len(codes) else table.take(pa.array(np.sort(first)))


def _codes(tables: Sequence[pa.Table], columns: Sequence[str]) -> list[Numbers]:
    """The same as numbers, for tables at hand together: many times faster than texts. One array a table."""
    codes, kinds = np.zeros(sum(map(len, tables)), dtype=np.int64), 1
    for column in columns:
        values = pa.chunked_array([chunk for table in tables for chunk in table[column].chunks], tables[0][column].type)
        encoded = values.combine_chunks().dictionary_encode(null_encoding="encode")
        more = max(len(encoded.dictionary), 1)
        if kinds * more > _LARGEST:
            _, codes = np.unique(codes, return_inverse=True)
            kinds = int(codes.max(initial=0)) + 1
        codes, kinds = codes * more + _numbers(encoded.indices), kinds * more
    return np.split(codes, np.cumsum([len(table) for table in tables])[:-1])


def _numbers(values: pa.ChunkedArray | pa.Array) -> Numbers:
    numbers: Numbers = values.to_numpy()
    return numbers.astype(np.int64)
