"""Which rows of a table speak of the same thing, and which of them is the newest. Done on whole columns: tables are long."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc


def identities(table: pa.Table, columns: Sequence[str]) -> pa.ChunkedArray:
    """One text a row, equal where the columns are; a missing value equals a missing one."""
    texts = []
    for column in columns:
        values = table[column]
        texts.append((values.cast(pa.int64()) if pa.types.is_timestamp(values.type) else values).cast(pa.string()))
    return pc.binary_join_element_wise(*texts, "\x1f", null_handling="replace", null_replacement="\x00")


def newest_of_each(table: pa.Table, key: Sequence[str]) -> pa.Table:
    """The row of each key that was counted last, in the order in which they were counted."""
    order = np.argsort(_numbers(table["counted_at"].cast(pa.int64())), kind="stable")
    codes = _codes(identities(table, key))[order]
    _, from_the_end = np.unique(codes[::-1], return_index=True)
    return table.take(pa.array(order[np.sort(len(codes) - 1 - from_the_end)]))


def details_of(table: pa.Table, owners: pa.Table, key: Sequence[str]) -> pa.Table:
    """The rows that belong to one of the owners: equal in the key and in when they were counted. None of them twice."""
    own = (*key, "counted_at")
    names = identities(table, own)
    belongs = pc.is_in(names, identities(owners, own).combine_chunks())
    table, codes = table.filter(belongs), _codes(names.filter(belongs))
    rows = codes.astype(np.int64) << 32 | _numbers(table["position"])
    _, first = np.unique(rows, return_index=True)
    return table if len(first) == len(rows) else table.take(pa.array(np.sort(first)))


def _codes(texts: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """A number for each text, the same for equal ones."""
    return _numbers(pc.dictionary_encode(texts.combine_chunks()).indices)


def _numbers(values: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.int64]:
    numbers: npt.NDArray[np.int64] = values.to_numpy()
    return numbers.astype(np.int64)
