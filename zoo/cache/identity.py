"""Which rows of a table speak of the same thing, and which of them is the newest. Done on whole columns: tables are long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
    runs = runs_of(table, own)
    codes, wanted = _codes([table.select(own).take(pa.array(runs.starts)), owners], own)
    is_wanted = np.isin(codes, wanted)
    if len(np.unique(codes)) == len(codes) and runs.are_rising(_numbers(table["position"])):  # as writers leave them
        return table if is_wanted.all() else table.filter(pa.array(np.repeat(is_wanted, runs.lengths)))
    table = those_of(table, owners, own)
    (codes,) = _codes([table], (*own, "position"))
    _, first = np.unique(codes, return_index=True)
    return table if len(first) == len(codes) else table.take(pa.array(np.sort(first)))


@dataclass(frozen=True, slots=True)
class Runs:
    """Neighbouring rows that speak of the same: far fewer than rows where tables are sorted."""

    starts: Numbers  # positions of the first rows
    rows: int

    @property
    def lengths(self) -> Numbers:
        """Rows of each run."""
        return np.diff(self.starts, append=self.rows)

    def are_rising(self, values: Numbers) -> bool:
        """Whether the values of all rows grow from row to row within each run, so that none is there twice."""
        is_start = np.zeros(self.rows, dtype=bool)
        is_start[self.starts] = True
        return bool((is_start[1:] | (np.diff(values) > 0)).all())


def runs_of(table: pa.Table, columns: Sequence[str]) -> Runs:
    """The runs of rows that equal their neighbours in these columns; a missing value equals a missing one."""
    is_start = np.ones(len(table), dtype=bool)
    is_start[1:] = False
    for column in columns:
        values = table[column].combine_chunks()
        before, after = values.slice(0, max(len(values) - 1, 0)), values.slice(1)
        differs = pc.fill_null(pc.not_equal(before, after), pc.xor(before.is_null(), after.is_null()))
        is_start[1:] |= differs.to_numpy(zero_copy_only=False)
    return Runs(np.flatnonzero(is_start), len(table))


def numbered(table: pa.Table, columns: Sequence[str]) -> tuple[pa.Table, Numbers]:
    """The distinct values of these columns, in the order of their first rows, and of every row the place of its own."""
    runs = runs_of(table, columns)
    heads = table.select(columns).take(pa.array(runs.starts))
    (codes,) = _codes([heads], columns)
    _, first, of_run = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    return heads.take(pa.array(first[order])), np.repeat(place[of_run], runs.lengths)


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
