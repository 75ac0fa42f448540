"""The Pareto frontier: the rows of a table that no other row dominates."""

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

    A row dominates another if it is at least as good in every objective and better in one. A row with a missing objective is not on
    the frontier and dominates none.

    Args:
        table: one row per candidate.
        cost: column or columns where less is better.
        quality: column or columns where more is better.

    Returns:
        True or False for each row, under the table's own index.
    """
    costs, qualities = ([names] if isinstance(names, str) else list(names) for names in (cost, quality))
    if not costs and not qualities:
        raise ValueError("A frontier needs at least one column.")
    objectives = table[[*costs, *qualities]]
    known = objectives.notna().all(axis=1).to_numpy(dtype=bool)
    on_frontier = np.zeros(len(table), dtype=bool)
    if known.any():
        signs = [1] * len(costs) + [-1] * len(qualities)
        ranks = [sign * dense_ranks(objectives[name], known) for name, sign in zip(objectives, signs, strict=True)]
        on_frontier[known] = _undominated(np.column_stack(ranks))
    return pd.Series(on_frontier, index=table.index, name="on_frontier", dtype=bool)


def dense_ranks(values: pd.Series, known: _Mask) -> _Codes:
    """Ranks of the known values from 0, shared by equal values. Whole numbers are compared exactly, beyond the precision of floats."""
    dtype = np.int64 if pd.api.types.is_integer_dtype(values.dtype) else np.float64
    return np.unique(values[known].to_numpy(dtype=dtype), return_inverse=True)[1].astype(np.int64)


def _undominated(points: _Codes) -> _Mask:
    """Rows of `points`, where less is better in every column, that no other row dominates."""
    if points.shape[1] == 2:
        return _undominated_of_two(points[:, 0], points[:, 1])
    unique, inverse = np.unique(points, axis=0, return_inverse=True)
    return _undominated_of_many(unique)[inverse.reshape(-1)]


def _undominated_of_two(first: _Codes, second: _Codes) -> _Mask:
    """One sort: an undominated row has the lowest `second` of its equals in `first`, and a lower one than all rows before those."""
    order = np.lexsort((second, first))
    first_sorted, second_sorted = first[order], second[order]
    starts = np.flatnonzero(np.r_[True, first_sorted[1:] != first_sorted[:-1]])
    lowest = second_sorted[starts]
    before = np.r_[np.iinfo(np.int64).max, np.minimum.accumulate(lowest)[:-1]]
    group = np.repeat(np.arange(len(starts)), np.diff(np.r_[starts, len(order)]))
    mask = np.empty(len(order), dtype=bool)
    mask[order] = (second_sorted == lowest[group]) & (lowest[group] < before[group])
    return mask


def _undominated_of_many(points: _Codes) -> _Mask:
    """For distinct points in lexicographic order, in which only earlier points can dominate later ones.

    Blocks are compared to the undominated points before them, column by column: points x undominated points x columns.
    """
    columns = np.ascontiguousarray(points.T.astype(np.int32))
    undominated = np.empty(0, dtype=np.int64)
    for start in range(0, len(points), _BLOCK):
        block = np.arange(start, min(start + _BLOCK, len(points)))
        block = block[~_dominated(columns, block, undominated)]
        block = block[~_dominated(columns, block, block)]
        undominated = np.concatenate([undominated, block])
    mask = np.zeros(len(points), dtype=bool)
    mask[undominated] = True
    return mask


def _dominated(columns: npt.NDArray[np.int32], rows: _Codes, others: _Codes) -> _Mask:
    """Which rows have another one that is at most as large in every column; points are distinct."""
    at_most = np.ones((len(rows), len(others)), dtype=bool)
    for column in columns:
        at_most &= column[others] <= column[rows, None]
    return np.asarray(at_most.sum(axis=1) > (1 if rows is others else 0), dtype=bool)
