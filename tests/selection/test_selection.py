"""The selection against its definition, word for word, on random tables with ties and unknown figures."""

from __future__ import annotations

import itertools
import time
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.columns.column import Better, Column, ColumnKind
from reports.columns.limits import Allowed, AnyLimit, Limit
from reports.selection.selection import SelectionResult, State, select_models


def column(key: str, better: Better, unit: str = "") -> Column:
    return Column(key, key.title(), "", "", ColumnKind.NUMBER, unit, better=better)


COST, SIZE, GOOD = column("cost", Better.LOW), column("size", Better.LOW), column("good", Better.HIGH)
LICENCE = Column("license", "Licence", "", "")
COLUMNS = (COST, SIZE, GOOD)

_FIGURE = st.one_of(st.none(), st.integers(0, 6))
_ROWS = st.lists(st.tuples(_FIGURE, _FIGURE, _FIGURE, st.sampled_from([None, "mit", "apache-2.0", "cc-by-nc-4.0"])), max_size=20)
_LIMITS = st.lists(
    st.one_of(
        st.builds(Limit, st.sampled_from(COLUMNS), st.integers(0, 6).map(float)),
        st.just(Allowed(LICENCE, ("apache-*", "MIT"))),
    ),
    max_size=4,
)
_OBJECTIVES = st.permutations(COLUMNS).flatmap(lambda order: st.integers(1, 3).map(lambda count: order[:count]))


def table_of(rows: list[Any]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["cost", "size", "good", "license"])
    return table.astype({"cost": "Int64", "size": "Float64", "good": "Float64", "license": "string"})


class Definition:
    """What the answer has to be, in loops and without numpy."""

    def __init__(self, table: pd.DataFrame, limits: list[AnyLimit], objectives: list[Column]) -> None:
        self.limits, self.objectives = limits, objectives
        self.rows: list[dict[Any, Any]] = [
            {key: None if pd.isna(value) else value for key, value in row.items()} for row in table.to_dict("records")
        ]
        self.fitting = [i for i in range(len(self.rows)) if self.state(i) is State.FITS]
        ranked = [i for i in self.fitting if self.merit(i) is not None]
        self.pick = min(ranked, key=lambda i: (self.merit(i), i)) if ranked else None

    def verdict(self, i: int, limit: AnyLimit) -> bool | None:
        """Kept, broken, or unknown."""
        value = self.rows[i][limit.column.key]
        if value is None:
            return None
        if isinstance(limit, Allowed):
            return value in {"mit", "apache-2.0"}
        return bool(value >= limit.bound if limit.column.better is Better.HIGH else value <= limit.bound)

    def broken(self, i: int) -> list[int]:
        return [place for place, limit in enumerate(self.limits) if self.verdict(i, limit) is False]

    def unknown(self, i: int) -> list[str]:
        return [limit.title for limit in self.limits if self.verdict(i, limit) is None]

    def state(self, i: int) -> State:
        if self.broken(i):
            return State.OVER
        return State.UNKNOWN if self.unknown(i) else State.FITS

    def merit(self, i: int) -> tuple[float, ...] | None:
        """Smaller is better, the first objective first; None where one is unknown."""
        values = [self.rows[i][c.key] for c in self.objectives]
        if any(value is None for value in values):
            return None
        return tuple(-v if c.better is Better.HIGH else v for v, c in zip(values, self.objectives, strict=True))

    def ratio(self, i: int, place: int) -> float:
        limit = self.limits[place]
        if isinstance(limit, Allowed):
            return float("inf")
        above, below = self.rows[i][limit.column.key], limit.bound
        if limit.column.better is Better.HIGH:
            above, below = below, above
        return above / below if below else float("inf")

    def is_on_frontier(self, i: int) -> bool:
        mine = self.merit(i)
        if i not in self.fitting or mine is None:
            return False
        others = [self.merit(j) for j in self.fitting]
        return not any(o is not None and o != mine and all(a <= b for a, b in zip(o, mine, strict=True)) for o in others)

    def is_worth(self, i: int) -> bool:
        """Better than the pick, and certain to fit but for what it breaks."""
        mine = self.merit(i)
        if mine is None or self.state(i) is not State.OVER or self.unknown(i):
            return False
        best = self.merit(self.pick) if self.pick is not None else None
        return best is None or mine < best

    def misses(self, most: int) -> list[int]:
        near = [
            (max(self.ratio(i, p) for p in self.broken(i)), self.merit(i), i) for i in range(len(self.rows)) if self.is_worth(i)
        ]
        return [i for ratio, _, i in sorted(near)[:most] if ratio < float("inf")]

    def relaxed(self, place: int) -> tuple[int, float, int] | None:
        """By trying: move the limit to each figure it stops, nearest first, and see what is picked."""
        alone = [i for i in range(len(self.rows)) if self.broken(i) == [place] and self.is_worth(i)]
        if not alone:
            return None
        least = min(self.ratio(i, place) for i in alone)
        nearest = min((i for i in alone if self.ratio(i, place) == least), key=lambda i: (self.merit(i), i))
        return nearest, least, min(alone, key=lambda i: (self.merit(i), i))


@given(rows=_ROWS, limits=_LIMITS, objectives=_OBJECTIVES, most=st.integers(0, 4))
@settings(max_examples=100)
def test_selection_is_its_definition(rows: list[Any], limits: list[AnyLimit], objectives: list[Column], most: int) -> None:
    table = table_of(rows)
    selected, expected = select_models(table, limits, objectives, most_misses=most), Definition(table, limits, objectives)
    everyone = range(len(rows))
    assert selected.verdicts["state"].tolist() == [expected.state(i) for i in everyone]
    assert selected.verdicts["broken"].tolist() == [len(expected.broken(i)) for i in everyone]
    assert selected.verdicts["missing"].tolist() == [", ".join(expected.unknown(i)) for i in everyone]
    assert selected.on_frontier.tolist() == [expected.is_on_frontier(i) for i in everyone]
    assert selected.pick == expected.pick
    assert selected.frontier[:1] == ([] if expected.pick is None else [expected.pick])
    assert selected.unranked == sum(expected.merit(i) is None for i in expected.fitting)
    assert list(selected.misses) == expected.misses(most)
    found = {selected.limits.index(r.limit): (r.row, r.ratio, r.best) for r in selected.relaxations}
    by_place = {place: expected.relaxed(place) for place in range(len(limits))}
    assert found == {place: relaxed for place, relaxed in by_place.items() if relaxed}
    for i in everyone:
        worst = [expected.ratio(i, place) for place in expected.broken(i)]
        if worst:
            place = expected.broken(i)[worst.index(max(worst))]
            assert selected.verdicts["binding"].iloc[i] == limits[place].title
            assert selected.verdicts["ratio"].iloc[i] == max(worst)
        else:
            assert pd.isna(selected.verdicts["binding"].iloc[i])
    for place, limit in enumerate(limits):
        beyond = [i for i in everyone if place in expected.broken(i)]
        counts = [
            len(beyond),
            sum(expected.broken(i) == [place] for i in beyond),
            sum(expected.verdict(i, limit) is None for i in everyone),
        ]
        assert selected.counts.iloc[place].tolist() == counts


@given(rows=_ROWS, limits=_LIMITS, objectives=_OBJECTIVES)
@settings(max_examples=40)
def test_moving_a_limit_buys_what_was_promised(rows: list[Any], limits: list[AnyLimit], objectives: list[Column]) -> None:
    """Moved to the named figure the other model is picked; moved less, nothing better is."""
    table = table_of(rows)
    selected = select_models(table, limits, objectives)
    for relaxation in selected.relaxations:
        place = limits.index(relaxation.limit)
        if not isinstance(relaxation.limit, Limit) or limits.count(relaxation.limit) > 1:
            continue
        bound = float(table[relaxation.limit.column.key].iloc[relaxation.row])
        moved = [*limits[:place], Limit(relaxation.limit.column, bound), *limits[place + 1 :]]
        assert select_models(table, moved, objectives).pick == relaxation.row
        short = bound + (0.5 if relaxation.limit.is_least else -0.5)
        almost = [*limits[:place], Limit(relaxation.limit.column, short), *limits[place + 1 :]]
        assert select_models(table, almost, objectives).pick == selected.pick


def test_unknown_never_passes_a_limit_and_what_was_not_counted_never_fits() -> None:
    table = table_of([(None, 1, 9, "mit"), (1, 1, 5, "mit"), (1, 1, 9, "mit")]).assign(status=["exact", "exact", "failed"])
    selected = select_models(table, [Limit(COST, 3)], [GOOD, COST])
    assert selected.verdicts["state"].tolist() == ["unknown", "fits", "unknown"]
    assert selected.verdicts["missing"].tolist() == ["Cost", "", "a count"]
    assert selected.pick == 1


def test_weights_that_cost_the_same_are_one_near_miss() -> None:
    table = table_of([(4, 1, 7, "mit"), (4, 1, 9, "mit"), (5, 1, 8, "mit"), (1, 1, 1, "mit")])
    table = table.assign(zoo="timm", arch=["a", "a", "b", "c"], input="3x224x224")
    assert select_models(table, [Limit(COST, 3)], [GOOD]).misses == (1, 2)


def test_the_index_is_kept_even_if_it_repeats() -> None:
    table = table_of([(1, 1, 5, "mit"), (9, 1, 9, "mit")]).set_axis(["x", "x"])
    selected = select_models(table, [Limit(COST, 3)], [GOOD])
    assert selected.verdicts.index.tolist() == ["x", "x"]
    assert (selected.pick, selected.count(State.OVER)) == (0, 1)


def test_whole_numbers_too_close_for_a_float_are_told_apart_in_the_ranking() -> None:
    table = table_of([(2**53 + 1, 1, 5, "mit"), (2**53, 1, 5, "mit")])
    assert select_models(table, [], [GOOD, COST]).pick == 1


def many(rows: int) -> pd.DataFrame:
    random = np.random.default_rng(0)
    merit = random.random(rows)  # models that cost more are better, more or less
    return pd.DataFrame({"cost": merit + 0.1 * random.random(rows), "size": merit + 0.1 * random.random(rows), "good": merit})


def test_twenty_thousand_candidates_take_a_moment() -> None:
    table = many(20_000)
    table.loc[::7, "size"] = np.nan
    limits = [Limit(COST, 0.6), Limit(SIZE, 0.5), Limit(GOOD, 0.2)]
    assert select_models(table, limits, COLUMNS).pick is not None
    times = []
    for _ in range(3):
        started = time.process_time()
        select_models(table, limits, COLUMNS)
        times.append(time.process_time() - started)
    assert min(times) < 0.5


def test_no_limit_leaves_nothing_out() -> None:
    selected: SelectionResult = select_models(table_of([(3, 1, 5, None)]), [], [GOOD])
    assert (selected.pick, selected.relaxations, selected.misses) == (0, (), ())
    assert list(itertools.chain(selected.counts.to_numpy().ravel())) == []
