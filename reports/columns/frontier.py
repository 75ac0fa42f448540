"""The Pareto frontier: which models no other model beats in everything that is asked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

_Codes = npt.NDArray[np.int64]
_Mask = npt.NDArray[np.bool_]
_BLOCK = 512


def frontier(table: pd.DataFrame, cost: str | Sequence[str], quality: str | Sequence[str]) -> pd.Series[bool]:
    """Which rows are on the frontier of low costs and high qualities.

    A row is on it when all its figures are known and no other row is at least as good in every objective and better in one.
    Rows equal in every objective stand or fall together. A row with an unknown figure is never on it and beats nobody.

    Args:
        table: one row a candidate.
        cost: column or columns where less is better.
        quality: column or columns where more is better.

    Returns:
        True or False for each row, under the table's own index.
    """
    costs, qualities = _names(cost), _names(quality)
    if not costs and not qualities:
        raise ValueError("A frontier needs at least one column.")
    figures = table[[*costs, *qualities]]
    known = figures.notna().all(axis=1).to_numpy(dtype=bool)
    best = np.zeros(len(table), dtype=bool)
    if known.any():
        ranks = [dense_ranks(figures[name], known) for name in costs] + [-dense_ranks(figures[name], known) for name in qualities]
        best[known] = _least(np.column_stack(ranks))
    return pd.Series(best, index=table.index, name="on_frontier", dtype=bool)


def _names(columns: str | Sequence[str]) -> list[str]:
    return [columns] if isinstance(columns, str) else list(columns)


def dense_ranks(values: pd.Series, known: _Mask) -> _Codes:
    """Ranks of the known values from 0, equals sharing one: they compare exactly where a float could not tell whole numbers apart."""
    found = values[known]
    exact = found.to_numpy(dtype=np.int64 if pd.api.types.is_integer_dtype(found.dtype) else np.float64)
    return np.unique(exact, return_inverse=True)[1].astype(np.int64)


def _least(points: _Codes) -> _Mask:
    """Rows of `points` that no row is below or equal to in every column and below in one."""
    if points.shape[1] == 2:
        return _least_of_two(points[:, 0], points[:, 1])
    unique, inverse = np.unique(points, axis=0, return_inverse=True)
    return _least_of_many(unique)[inverse.reshape(-1)]


def _least_of_two(first: _Codes, second: _Codes) -> _Mask:
    """One sort: a row stays when it has the least `second` of its equals in `first`, and less than all rows before those."""
    order = np.lexsort((second, first))
    first_sorted, second_sorted = first[order], second[order]
    starts = np.flatnonzero(np.r_[True, first_sorted[1:] != first_sorted[:-1]])
    lowest = second_sorted[starts]
    before = np.r_[np.iinfo(np.int64).max, np.minimum.accumulate(lowest)[:-1]]
    group = np.repeat(np.arange(len(starts)), np.diff(np.r_[starts, len(order)]))
    kept = np.empty(len(order), dtype=bool)
    kept[order] = (second_sorted == lowest[group]) & (lowest[group] < before[group])
    return kept


def _least_of_many(points: _Codes) -> _Mask:
    """For distinct points in lexicographic order: a row can be beaten by earlier ones only, so what is kept once stays.

    Blocks are held against what was kept before them, column by column, which is where the time goes: rows x kept x columns.
    """
    columns = np.ascontiguousarray(points.T.astype(np.int32))
    kept = np.empty(0, dtype=np.int64)
    for start in range(0, len(points), _BLOCK):
        block = np.arange(start, min(start + _BLOCK, len(points)))
        block = block[~_beaten(columns, block, kept)]
        block = block[~_beaten(columns, block, block)]
        kept = np.concatenate([kept, block])
    mask = np.zeros(len(points), dtype=bool)
    mask[kept] = True
    return mask


def _beaten(columns: npt.NDArray[np.int32], rows: _Codes, others: _Codes) -> _Mask:
    """Which rows have another one below or equal to them in every column; for distinct points, that one beats them."""
    least = np.ones((len(rows), len(others)), dtype=bool)
    for column in columns:
        least &= column[others] <= column[rows, None]
    return np.asarray(least.sum(axis=1) > (1 if rows is others else 0), dtype=bool)
