"""The frontier against its definition, ties and unknown figures included."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports.columns.frontier import frontier

_Row = tuple[float | None, ...]
_FIGURE = st.one_of(st.none(), st.integers(0, 6))
_ROWS = st.lists(st.tuples(_FIGURE, _FIGURE, _FIGURE), max_size=25)


def brute_force(table: pd.DataFrame, costs: list[str], qualities: list[str]) -> list[bool]:
    """The definition, word for word."""
    rows = [[-row[name] if name in qualities else row[name] for name in (*costs, *qualities)] for _, row in table.iterrows()]
    known = [row for row in rows if not any(pd.isna(value) for value in row)]

    def beats(one: list[float], other: list[float]) -> bool:
        return all(a <= b for a, b in zip(one, other, strict=True)) and one != other

    return [not any(pd.isna(value) for value in row) and not any(beats(other, row) for other in known) for row in rows]


@given(rows=_ROWS, quality_count=st.integers(0, 3), width=st.integers(1, 3), floats=st.booleans())
@settings(max_examples=150)
def test_frontier_is_the_definition(rows: list[_Row], quality_count: int, width: int, floats: bool) -> None:
    names = ["a", "b", "c"][:width]
    table = pd.DataFrame(rows, columns=["a", "b", "c"], dtype="Float64" if floats else "Int64")
    costs, qualities = names[: max(0, width - quality_count)], names[max(0, width - quality_count) :]
    assert frontier(table, costs, qualities).tolist() == brute_force(table, costs, qualities)


def test_rows_equal_in_everything_are_both_on_it() -> None:
    table = pd.DataFrame({"macs": [1, 1, 2], "top1": [70.0, 70.0, 70.0]})
    assert frontier(table, "macs", "top1").tolist() == [True, True, False]


def test_the_index_is_kept_even_if_it_repeats() -> None:
    table = pd.DataFrame({"macs": [2, 1], "top1": [80.0, 70.0]}, index=["x", "x"])
    found = frontier(table, "macs", "top1")
    assert found.index.tolist() == ["x", "x"]
    assert found.tolist() == [True, True]
    assert found.dtype == bool


def test_unknown_is_never_on_it_and_beats_nobody() -> None:
    table = pd.DataFrame({"macs": pd.array([1, None, 5], "Int64"), "top1": pd.array([None, 99.0, 60.0], "Float64")})
    assert frontier(table, "macs", "top1").tolist() == [False, False, True]


def test_whole_numbers_too_close_for_a_float_are_told_apart() -> None:
    table = pd.DataFrame({"macs": pd.array([2**53, 2**53 + 1], "Int64"), "top1": [70.0, 70.0]})
    assert frontier(table, "macs", "top1").tolist() == [True, False]


@pytest.mark.parametrize("rows", [0, 1])
def test_small_tables(rows: int) -> None:
    table = pd.DataFrame({"macs": pd.array([3] * rows, "Int64"), "top1": pd.array([1.0] * rows, "Float64")})
    assert frontier(table, "macs", "top1").tolist() == [True] * rows


def test_no_objective_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="at least one column"):
        frontier(pd.DataFrame({"macs": [1]}), [], [])


def test_a_hundred_thousand_rows_take_a_moment() -> None:
    random = np.random.default_rng(0)
    table = pd.DataFrame(
        {"macs": random.integers(1, 10**12, 100_000), "top1": random.random(100_000), "params": random.random(100_000)}
    )
    started = time.perf_counter()
    frontier(table, "macs", "top1")
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize("objectives", [3, 4])
def test_more_objectives_take_a_moment_too(objectives: int) -> None:
    """What costs more is mostly better, so that hundreds of rows are on the frontier."""
    random = np.random.default_rng(0)
    merit = random.random((20_000, 1))
    names = list("abcd")[:objectives]
    table = pd.DataFrame(merit + 0.1 * random.random((20_000, objectives)), columns=names)
    assert frontier(table, names[1:], names[0]).sum() > 500
    times = []
    for _ in range(3):
        started = time.process_time()
        frontier(table, names[1:], names[0])
        times.append(time.process_time() - started)
    assert min(times) < 0.25
