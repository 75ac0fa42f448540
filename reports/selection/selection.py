"""Which model to pick within limits, and why not another: pure functions over a table of candidates.

A candidate *fits* when every limited figure is known and within its limit. It is *over* when a known figure is beyond its limit.
Otherwise it is *unknown*: a figure that is not known never passes a limit. Candidates are ranked by the objectives in their
order, the first one deciding and the next ones breaking ties; one with an unknown objective has no rank.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import pandas as pd

from reports.columns.column import Better, Column
from reports.columns.frontier import dense_ranks, frontier
from reports.columns.limits import Allowed, AnyLimit

_Floats = npt.NDArray[np.float64]
_Integers = npt.NDArray[np.int64]
_Mask = npt.NDArray[np.bool_]
_UNCOUNTED = "a count"


class State(StrEnum):
    """What the limits make of a candidate."""

    FITS = "fits"
    OVER = "over"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Relaxation:
    """What would be picked instead if one limit gave way and the others stayed.

    `row` is the next better pick: the one that needs the limit to move least. `best` is the one if the limit were dropped.
    """

    limit: AnyLimit
    row: int
    ratio: float  # how far the limit has to move: the figure over the limit, or the limit over the figure for a least
    best: int


@dataclass(frozen=True)
class Selected:
    """An answer. Rows are positions in `table`, which has one row a candidate."""

    table: pd.DataFrame
    limits: tuple[AnyLimit, ...]
    objectives: tuple[Column, ...]
    verdicts: pd.DataFrame  # state, binding (title of the limit exceeded most), ratio (to it), broken (how many), missing
    counts: pd.DataFrame  # of each limit, by its place: beyond, alone (beyond this one only), unknown
    on_frontier: pd.Series[bool]  # among those that fit
    unranked: int  # of those that fit, how many have an unknown objective
    pick: int | None
    misses: tuple[int, ...]  # beyond a limit, better than the pick, the nearest first
    relaxations: tuple[Relaxation, ...]

    def rows(self, state: State) -> pd.DataFrame:
        """The candidates in a state."""
        return self.table[(self.verdicts["state"] == state).to_numpy()]

    @property
    def fitting(self) -> list[int]:
        """The rows that fit and can be ranked, the best first."""
        rank = _rank(self.table, self.objectives)
        kept = np.flatnonzero((self.verdicts["state"] == State.FITS).to_numpy(dtype=bool) & (rank < len(self.table)))
        return [int(row) for row in kept[np.argsort(rank[kept], kind="stable")]]

    @property
    def frontier(self) -> list[int]:
        """The rows on the frontier, the best of the first objective first."""
        kept = np.flatnonzero(self.on_frontier.to_numpy())
        return [int(row) for row in kept[np.argsort(_rank(self.table, self.objectives)[kept], kind="stable")]]


def shares(table: pd.DataFrame, limits: Sequence[AnyLimit]) -> _Floats:
    """How much of each limit (first axis) each candidate uses (second axis): above 1 is beyond it, NaN is not known."""
    return _check(table, limits).ratio


@dataclass(frozen=True, slots=True)
class _Checked:
    """Each limit (first axis) against each candidate (second axis)."""

    broken: _Mask
    unknown: _Mask
    ratio: _Floats


def select(table: pd.DataFrame, limits: Sequence[AnyLimit], objectives: Sequence[Column], *, most_misses: int = 5) -> Selected:
    """Hold candidates against limits, and pick the best of those that fit.

    Args:
        table: one row a candidate, with the columns that limits and objectives name; a row whose `status`, if there is such a
            column, is `failed` was not counted and never fits.
        limits: any number; all of them have to be kept.
        objectives: columns that say which end is better, the first one deciding.
        most_misses: how many of the nearest misses are named.
    """
    checked = _check(table, limits)
    failed = (table["status"] == "failed").fillna(False).to_numpy(dtype=bool) if "status" in table else np.zeros(len(table), bool)
    over = checked.broken.any(axis=0)
    unknown = ~over & (checked.unknown.any(axis=0) | failed)
    fits = ~over & ~unknown
    rank = _rank(table, objectives)
    is_ranked = rank < len(table)
    pick = int(np.argmin(np.where(fits, rank, len(table)))) if (fits & is_ranked).any() else None
    is_better = is_ranked & (rank < rank[pick]) if pick is not None else is_ranked
    to_relax = over & is_better & ~checked.unknown.any(axis=0) & ~failed
    kept = pd.Series(fits, index=table.index, dtype=bool)
    on_frontier = kept & False
    if fits.any():
        on_frontier[fits] = _frontier(table[fits], objectives).to_numpy()
    return Selected(
        table,
        tuple(limits),
        tuple(objectives),
        _verdicts(table.index, limits, checked, np.select([over, unknown], [State.OVER, State.UNKNOWN], State.FITS), failed),
        _counts(checked),
        on_frontier,
        int((fits & ~is_ranked).sum()),
        pick,
        _nearest(table, checked, to_relax, rank, most_misses),
        tuple(_relax(limits, checked, to_relax, rank)),
    )


def _frontier(table: pd.DataFrame, objectives: Sequence[Column]) -> pd.Series[bool]:
    costs = [column.key for column in objectives if column.better is not Better.HIGH]
    return frontier(table, costs, [column.key for column in objectives if column.better is Better.HIGH])


def _rank(table: pd.DataFrame, objectives: Sequence[Column]) -> _Integers:
    """Rank of each row by the objectives in their order, from 0, equals sharing one; rows with an unknown one have `len(table)`."""
    known = table[[column.key for column in objectives]].notna().all(axis=1).to_numpy(dtype=bool)
    ranks = np.full(len(table), len(table), dtype=np.int64)
    if known.any():
        signed = [dense_ranks(table[c.key], known) * (-1 if c.better is Better.HIGH else 1) for c in objectives]
        order = np.lexsort(signed[::-1])
        changes = np.zeros(len(order), dtype=bool)
        for codes in signed:
            changes[1:] |= codes[order][1:] != codes[order][:-1]
        ranks[np.flatnonzero(known)[order]] = np.cumsum(changes)
    return ranks


def _check(table: pd.DataFrame, limits: Sequence[AnyLimit]) -> _Checked:
    shape = (len(limits), len(table))
    checked = _Checked(np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool), np.zeros(shape))
    for place, limit in enumerate(limits):
        values = table[limit.column.key]
        checked.unknown[place] = values.isna()
        if isinstance(limit, Allowed):
            allowed = _match(values, limit.patterns)
            checked.broken[place] = ~allowed & ~checked.unknown[place]
            checked.ratio[place] = np.where(checked.broken[place], np.inf, 0)
            continue
        figures = values.to_numpy(dtype=np.float64, na_value=np.nan)
        checked.broken[place] = figures < limit.bound if limit.is_least else figures > limit.bound
        checked.ratio[place] = _ratio(limit.bound, figures) if limit.is_least else _ratio(figures, limit.bound)
    return checked


def _match(values: pd.Series, patterns: Sequence[str]) -> _Mask:
    found = {text: any(fnmatch.fnmatchcase(str(text).lower(), p.lower()) for p in patterns) for text in values.dropna().unique()}
    return values.map(found).fillna(False).to_numpy(dtype=bool)


def _ratio(above: _Floats | float, below: _Floats | float) -> _Floats:
    """How much of a limit is used; 0 of a limit of 0 is nothing, and more is infinitely much."""
    above, below = np.broadcast_arrays(np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64))
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.where((above == 0) & (below == 0), 0.0, above / below)
    return np.asarray(shares, dtype=np.float64)


def _verdicts(
    index: pd.Index, limits: Sequence[AnyLimit], checked: _Checked, states: npt.NDArray[np.object_], failed: _Mask
) -> pd.DataFrame:
    titles = np.array([limit.title for limit in limits] or [""], dtype=object)
    beyond = np.where(checked.broken, checked.ratio, -1.0) if len(limits) else np.full((1, len(index)), -1.0)
    worst = beyond.argmax(axis=0)
    is_over = states == State.OVER
    ratios = beyond[worst, np.arange(len(index))]
    missing = np.full(len(index), "", dtype=object)
    for row in np.flatnonzero(checked.unknown.any(axis=0) | failed):
        names = [limit.title for place, limit in enumerate(limits) if checked.unknown[place, row]]
        missing[row] = _UNCOUNTED if failed[row] else ", ".join(names)
    columns = {
        "state": states,
        "binding": np.where(is_over, titles[worst], None),
        "ratio": np.where(is_over, ratios, np.nan),
        "broken": checked.broken.sum(axis=0),
        "missing": missing,
    }
    dtypes = {"state": "string", "binding": "string", "ratio": "Float64", "broken": "Int64", "missing": "string"}
    return pd.DataFrame(columns, index=index).astype(dtypes)


def _counts(checked: _Checked) -> pd.DataFrame:
    alone = checked.broken.sum(axis=0) == 1
    return pd.DataFrame(
        {
            "beyond": checked.broken.sum(axis=1),
            "alone": (checked.broken & alone).sum(axis=1),
            "unknown": checked.unknown.sum(axis=1),
        }
    )


def _nearest(table: pd.DataFrame, checked: _Checked, to_relax: _Mask, rank: _Integers, most: int) -> tuple[int, ...]:
    """Those that miss by least, measured at the limit they exceed most; weights that cost the same are named once."""
    worst = np.where(checked.broken, checked.ratio, -1.0).max(axis=0, initial=-1.0)
    rows = np.flatnonzero(to_relax & np.isfinite(worst))
    rows = rows[np.lexsort((rank[rows], worst[rows]))]
    alike = [name for name in ("zoo", "arch", "input") if name in table]
    if alike:
        rows = rows[~table.iloc[rows].duplicated(alike).to_numpy()]
    return tuple(int(row) for row in rows[:most])


def _relax(limits: Sequence[AnyLimit], checked: _Checked, to_relax: _Mask, rank: _Integers) -> list[Relaxation]:
    found = []
    only_one = checked.broken.sum(axis=0) == 1
    for place, limit in enumerate(limits):
        rows = np.flatnonzero(to_relax & only_one & checked.broken[place])
        if not len(rows):
            continue
        ratios = checked.ratio[place, rows]
        nearest = rows[np.lexsort((rows, rank[rows], ratios))[0]]
        best = rows[np.lexsort((rows, rank[rows]))[0]]
        found.append(Relaxation(limit, int(nearest), float(ratios.min()), int(best)))
    return found
