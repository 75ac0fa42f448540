"""Which model to pick within limits, and why not another: pure functions over a table of candidates.

A candidate *fits* when every limited figure is known and within its limit, and is *over* when a known figure is beyond its limit.
All others are *unknown*: candidates with missing values never satisfy a limit. Candidates are ranked by the first objective, then
by the next ones; a candidate with a missing objective has no rank.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator, Sequence
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
    """How a candidate stands to the limits."""

    FITS = "fits"
    OVER = "over"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Relaxation:
    """The effect of relaxing one limit while the others stay.

    `row` is the next better pick: the one for which the limit has to move least. `best` is the pick without the limit.
    """

    limit: AnyLimit
    row: int
    ratio: float  # how far the limit has to move: the figure over the limit, or the limit over the figure for a least
    best: int


@dataclass(frozen=True)
class SelectionResult:
    """The pick and its alternatives. Rows are positions in `table`, which has one row per candidate."""

    table: pd.DataFrame
    limits: tuple[AnyLimit, ...]
    objectives: tuple[Column, ...]
    verdicts: pd.DataFrame  # state, binding (title of the limit exceeded most), ratio (to it), broken (how many), missing
    counts: pd.DataFrame  # of candidates for each limit: beyond, alone (beyond this one only), unknown
    on_frontier: pd.Series[bool]  # among those that fit
    unranked: int  # of those that fit, how many have a missing objective
    pick: int | None
    misses: tuple[int, ...]  # over a limit and better than the pick, the nearest first
    relaxations: tuple[Relaxation, ...]

    def in_state(self, state: State) -> _Mask:
        """Which candidates are in a state."""
        return (self.verdicts["state"] == state).to_numpy(dtype=bool)

    def count(self, state: State) -> int:
        """The number of candidates in a state."""
        return int(self.in_state(state).sum())

    @property
    def fitting(self) -> list[int]:
        """The rows that fit and have a rank, the best first."""
        rank = _rank_rows(self.table, self.objectives)
        return _sorted_rows(self.in_state(State.FITS) & (rank < len(self.table)), rank)

    @property
    def frontier(self) -> list[int]:
        """The rows on the frontier, the best of the first objective first."""
        return _sorted_rows(self.on_frontier.to_numpy(), _rank_rows(self.table, self.objectives))


def select_models(
    table: pd.DataFrame, limits: Sequence[AnyLimit], objectives: Sequence[Column], *, most_misses: int = 5
) -> SelectionResult:
    """Applies limits to candidates, and picks the best of those that fit.

    Args:
        table: one row per candidate, with the columns of limits and objectives; rows whose `status`, if there is such a column,
            is `failed` never fit.
        limits: all of them have to be satisfied.
        objectives: columns with a better end, in the order of their importance.
        most_misses: how many of the nearest misses are named.
    """
    shares = limit_shares(table, limits)
    broken, unknown = shares > 1, np.isnan(shares)
    failed = (table["status"] == "failed").fillna(False).to_numpy(dtype=bool) if "status" in table else np.zeros(len(table), bool)
    over, incomplete = broken.any(axis=0), unknown.any(axis=0) | failed
    fits = ~over & ~incomplete
    rank = _rank_rows(table, objectives)
    is_ranked = rank < len(table)
    pick = int(np.argmin(np.where(fits, rank, len(table)))) if (fits & is_ranked).any() else None
    is_better = is_ranked & (rank < rank[pick]) if pick is not None else is_ranked
    missed = over & is_better & ~incomplete
    on_frontier = pd.Series(False, index=table.index, dtype=bool, name="on_frontier")
    if fits.any():
        on_frontier[fits] = _find_frontier(table[fits], objectives).to_numpy()
    return SelectionResult(
        table=table,
        limits=tuple(limits),
        objectives=tuple(objectives),
        verdicts=_judge_rows(table.index, limits, shares, failed),
        counts=_count_by_limit(broken, unknown),
        on_frontier=on_frontier,
        unranked=int((fits & ~is_ranked).sum()),
        pick=pick,
        misses=tuple(_nearest_misses(table, shares, missed, rank)[:most_misses]),
        relaxations=tuple(_find_relaxations(limits, shares, missed, rank)),
    )


def limit_shares(table: pd.DataFrame, limits: Sequence[AnyLimit]) -> _Floats:
    """How much of each limit (first axis) each candidate (second axis) uses: above 1 is beyond the limit, NaN is unknown."""
    shares = np.zeros((len(limits), len(table)))
    for place, limit in enumerate(limits):
        values = table[limit.column.key]
        if isinstance(limit, Allowed):
            shares[place] = np.where(values.isna(), np.nan, np.where(_match_globs(values, limit.patterns), 0, np.inf))
        else:
            figures = values.to_numpy(dtype=np.float64, na_value=np.nan)
            shares[place] = _share_of_limit(limit.bound, figures) if limit.is_least else _share_of_limit(figures, limit.bound)
    return shares


def _match_globs(values: pd.Series, patterns: Sequence[str]) -> _Mask:
    texts = values.dropna().unique()
    matches = {text: any(fnmatch.fnmatchcase(str(text).lower(), p.lower()) for p in patterns) for text in texts}
    return values.map(matches).fillna(False).to_numpy(dtype=bool)


def _share_of_limit(above: _Floats | float, below: _Floats | float) -> _Floats:
    """The share of a limit that is used; of a limit of 0, 0 for nothing and infinity for more."""
    above, below = np.broadcast_arrays(above, below)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.divide(above, below)
    shares[(above == 0) & (below == 0)] = 0.0
    return shares


def _find_frontier(table: pd.DataFrame, objectives: Sequence[Column]) -> pd.Series[bool]:
    costs = [column.key for column in objectives if column.better is not Better.HIGH]
    return frontier(table, costs, [column.key for column in objectives if column.better is Better.HIGH])


def _rank_rows(table: pd.DataFrame, objectives: Sequence[Column]) -> _Integers:
    """The rank of each row from 0, shared by equal rows; rows with a missing objective have `len(table)`."""
    known = table[[column.key for column in objectives]].notna().all(axis=1).to_numpy(dtype=bool)
    ranks = np.full(len(table), len(table), dtype=np.int64)
    if known.any():
        signed = {c.key: dense_ranks(table[c.key], known) * (-1 if c.better is Better.HIGH else 1) for c in objectives}
        ranks[known] = pd.DataFrame(signed).groupby(list(signed)).ngroup()
    return ranks


def _sorted_rows(mask: _Mask, *keys: npt.NDArray[np.generic]) -> list[int]:
    """The rows of a mask, sorted by the first key, then by the next ones and their place."""
    rows = np.flatnonzero(mask)
    return [int(row) for row in rows[np.lexsort((rows, *(key[rows] for key in reversed(keys))))]]


def _worst_shares(shares: _Floats) -> _Floats:
    """The share of each candidate's most exceeded limit; -1 for candidates that exceed none."""
    worst: _Floats = np.where(shares > 1, shares, -1.0).max(axis=0, initial=-1.0)
    return worst


def _judge_rows(index: pd.Index, limits: Sequence[AnyLimit], shares: _Floats, failed: _Mask) -> pd.DataFrame:
    broken, unknown, worst = shares > 1, np.isnan(shares), _worst_shares(shares)
    is_over = worst > 1
    titles = np.array([limit.title for limit in limits], dtype=object)
    binding = np.full(len(index), None, dtype=object)
    if is_over.any():
        binding[is_over] = titles[np.where(broken, shares, -1.0).argmax(axis=0)[is_over]]
    missing = np.full(len(index), "", dtype=object)
    for row in np.flatnonzero(unknown.any(axis=0)):
        missing[row] = ", ".join(titles[unknown[:, row]])
    missing[failed] = _UNCOUNTED
    columns = {
        "state": pd.array(np.select([is_over, missing != ""], [State.OVER, State.UNKNOWN], State.FITS), dtype="string"),
        "binding": pd.array(binding, dtype="string"),
        "ratio": pd.array(np.where(is_over, worst, np.nan), dtype="Float64"),
        "broken": pd.array(broken.sum(axis=0), dtype="Int64"),
        "missing": pd.array(missing, dtype="string"),
    }
    return pd.DataFrame(columns, index=index)


def _count_by_limit(broken: _Mask, unknown: _Mask) -> pd.DataFrame:
    alone = broken & (broken.sum(axis=0) == 1)
    return pd.DataFrame({"beyond": broken.sum(axis=1), "alone": alone.sum(axis=1), "unknown": unknown.sum(axis=1)})


def _nearest_misses(table: pd.DataFrame, shares: _Floats, missed: _Mask, rank: _Integers) -> list[int]:
    """The missed candidates by their most exceeded limit; one row for weights of the same cost."""
    worst = _worst_shares(shares)
    rows = _sorted_rows(missed & np.isfinite(worst), worst, rank)
    same_cost = [name for name in ("zoo", "arch", "input") if name in table]
    if same_cost:
        repeats = table.iloc[rows].duplicated(same_cost)
        rows = [row for row, is_repeat in zip(rows, repeats, strict=True) if not is_repeat]
    return rows


def _find_relaxations(limits: Sequence[AnyLimit], shares: _Floats, missed: _Mask, rank: _Integers) -> Iterator[Relaxation]:
    broken = shares > 1
    by_one_limit = missed & (broken.sum(axis=0) == 1)
    for limit, of_limit, is_broken in zip(limits, shares, broken, strict=True):
        if (by_one_limit & is_broken).any():
            row = _sorted_rows(by_one_limit & is_broken, of_limit, rank)[0]
            best = _sorted_rows(by_one_limit & is_broken, rank)[0]
            yield Relaxation(limit, row, float(of_limit[row]), best)
