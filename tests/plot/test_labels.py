"""Names beside points."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from reports.plot.labels import Box, Room, mark, spread, stairs

AREA = Box(0, 0, 800, 500)


@given(st.integers(0, 40))
def test_any_beginning_of_an_order_is_spread_over_the_whole(count: int) -> None:
    order = spread(count)
    assert sorted(order) == list(range(count))
    assert order[:2] == ([0, count - 1] if count > 1 else list(range(count)))
    for taken in range(2, count):
        steps = np.diff(sorted(order[:taken]))
        assert steps.max() <= 4 * np.ceil(count / taken)


@given(st.lists(st.tuples(st.integers(20, 780), st.integers(20, 480)), min_size=1, max_size=25, unique=True))
def test_names_cover_neither_each_other_nor_marks_and_stay_inside(points: list[tuple[int, int]]) -> None:
    marks = [mark(*point) for point in points]
    room = Room(AREA, np.array(points, dtype=float), list(marks))
    places = [place for point in points if (place := room.place(*point, 90, 12))]
    assert places or len(points) > 3
    for place in places:
        assert place.box.is_inside(AREA)
        assert not any(place.box.overlaps(other) for other in marks)
    assert not any(one.box.overlaps(other.box) for one, other in itertools.combinations(places, 2))


def test_a_name_stands_beside_its_point_where_nothing_is_in_the_way_and_further_where_something_is() -> None:
    free = Room(AREA, np.empty((0, 2)), [])
    near = free.place(400, 250, 90, 12)
    assert near is not None
    assert not near.has_leader
    blocked = Room(AREA, np.empty((0, 2)), [Box(380, 235, 420, 249), Box(380, 251, 420, 265)])
    far = blocked.place(400, 250, 90, 12)
    assert far is not None
    assert not any(far.box.overlaps(other) for other in blocked.taken[:2])
    assert Room(Box(0, 0, 50, 50), np.empty((0, 2)), []).place(25, 25, 90, 12) is None


def test_steps_are_taken_piece_by_piece() -> None:
    pieces = stairs(np.array([[0, 0], [10, 0], [10, 5]], dtype=float))
    assert [(box.left, box.right, box.bottom, box.top) for box in pieces] == [(-1, 11, -1, 1), (9, 11, -1, 6)]
