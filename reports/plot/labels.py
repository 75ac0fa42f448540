"""Names beside points, placed so that they cover neither each other nor the frontier."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

_GAP = 5.0  # between a point and its name
_MARGIN = 2.0  # around a name
_MARK = 6.0  # half the side of a point that must stay visible
_FAR = (16.0, 45.0, 90.0, 150.0)  # distances to the left of names with a leader
_ROWS = 14  # how many lines above or below
_COVERED = 9.0  # what covering a point weighs, in pixels of distance
_WRONG_SIDE = 70.0  # what a leader to the right or downwards weighs: there the other models are
_FARTHEST = 230.0  # a name further away is left out
_SAMPLES = 12  # points of a leader that are tested


class Box(NamedTuple):
    """A rectangle in pixels."""

    left: float
    bottom: float
    right: float
    top: float

    def overlaps(self, other: Box) -> bool:
        """Whether the two share any area."""
        return self.left < other.right and other.left < self.right and self.bottom < other.top and other.bottom < self.top

    def is_inside(self, other: Box) -> bool:
        """Whether all of it is in the other."""
        return other.left <= self.left and self.right <= other.right and other.bottom <= self.bottom and self.top <= other.top

    def covers(self, points: npt.NDArray[np.float64]) -> int:
        """How many points (x, y a row) are in it."""
        x, y = points[:, 0], points[:, 1]
        return int(((x > self.left) & (x < self.right) & (y > self.bottom) & (y < self.top)).sum())


class Place(NamedTuple):
    """Position of a name, and whether a leader line connects it to its point."""

    box: Box
    has_leader: bool


@dataclass
class Room:
    """Occupied parts of a picture's area, in pixels; each placed name adds one."""

    area: Box
    points: npt.NDArray[np.float64]  # of all models: better not covered
    taken: list[Box]  # marks and lines: never covered
    _leaders: list[_Leader] = field(default_factory=list)

    def place(self, x: float, y: float, width: float, height: float) -> Place | None:
        """The best place for a name of this size beside a point, which is then taken; None if there is none."""
        best, least = None, _FARTHEST
        for place, distance in _candidates(x, y, width, height):
            if distance >= least or not self._is_free(place, x, y):
                continue
            cost = distance + _COVERED * place.box.covers(self.points)
            if cost < least:
                best, least = place, cost
        if best is not None:
            self.taken.append(_with_margin(best.box))
            if best.has_leader:
                self._leaders.append(_leader_to(best.box, x, y))
        return best

    def _is_free(self, place: Place, x: float, y: float) -> bool:
        box = _with_margin(place.box)
        if not box.is_inside(self.area) or any(box.overlaps(other) for other in self.taken):
            return False
        if any(box.covers(leader.points) for leader in self._leaders):
            return False
        if not place.has_leader:
            return True
        own, leader = _with_margin(mark(x, y)), _leader_to(place.box, x, y)
        if any(other.covers(leader.points) for other in self.taken if not other.overlaps(own)):
            return False
        return not any(leader.crosses(other) for other in self._leaders)


def mark(x: float, y: float) -> Box:
    """The box of a point on the frontier."""
    return Box(x - _MARK, y - _MARK, x + _MARK, y + _MARK)


def stairs(corners: npt.NDArray[np.float64]) -> list[Box]:
    """The boxes of a line of horizontal and vertical segments."""
    return [
        Box(min(x, x2) - 1, min(y, y2) - 1, max(x, x2) + 1, max(y, y2) + 1) for (x, y), (x2, y2) in itertools.pairwise(corners)
    ]


def spread(count: int) -> list[int]:
    """0 to count - 1, ordered so that every prefix is spread over the range: ends first, then middles."""
    order, queue = [0, count - 1][: max(count, 0)], [(0, count - 1)]
    for low, high in queue:  # grows while it is walked through
        middle = (low + high) // 2
        if high - low > 1:
            order.append(middle)
            queue += [(low, middle), (middle, high)]
    return list(dict.fromkeys(order))


def _candidates(x: float, y: float, width: float, height: float) -> Iterator[tuple[Place, float]]:
    """Candidate positions of a name with their distances: beside the point, then on the left, where no better model is."""
    near: Sequence[tuple[float, float]] = (
        (x - _GAP - width, y + _GAP - 2),
        (x - _GAP - width - 3, y - height / 2),
        (x - width / 2, y + _GAP + 3),
        (x + _GAP, y + _GAP - 2),
        (x + _GAP, y - _GAP - height),
        (x + _GAP + 4, y - height / 2),
        (x - width / 2, y - _GAP - 4 - height),
    )
    for rank, (left, bottom) in enumerate(near):
        yield Place(Box(left, bottom, left + width, bottom + height), has_leader=False), 3.0 * rank
    for row in range(-_ROWS // 2, _ROWS + 1):
        for far in _FAR:
            bottom = y + row * (height + 2 * _MARGIN) * 0.75
            for left in (x - far - width, x + far):
                wrong = _WRONG_SIDE * ((left > x) + (bottom < y))
                distance = 30 + far + abs(bottom + height / 2 - y) + wrong
                yield Place(Box(left, bottom, left + width, bottom + height), has_leader=True), distance


def _with_margin(box: Box) -> Box:
    return Box(box.left - _MARGIN, box.bottom - _MARGIN, box.right + _MARGIN, box.top + _MARGIN)


def anchor(box: Box, x: float) -> tuple[float, float]:
    """Where a leader ends at a name: the middle of the side that faces the point."""
    return (box.right if box.right < x else box.left), (box.bottom + box.top) / 2


@dataclass(frozen=True)
class _Leader:
    """A straight line from a point to its name."""

    start: tuple[float, float]
    end: tuple[float, float]

    @property
    def points(self) -> npt.NDArray[np.float64]:
        """Points along it, without its ends."""
        shares = np.linspace(0, 1, _SAMPLES)[1:-1, None]
        start = np.array(self.start, dtype=np.float64)
        along: npt.NDArray[np.float64] = start + shares * (np.array(self.end, dtype=np.float64) - start)
        return along

    def crosses(self, other: _Leader) -> bool:
        """Whether the two have a point in common."""
        return _are_apart(self, other.start, other.end) and _are_apart(other, self.start, self.end)


def _are_apart(line: _Leader, one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether two points are on different sides of a line."""
    (x, y), (end_x, end_y) = line.start, line.end
    sides = [(end_x - x) * (point_y - y) - (end_y - y) * (point_x - x) for point_x, point_y in (one, other)]
    return sides[0] * sides[1] <= 0


def _leader_to(box: Box, x: float, y: float) -> _Leader:
    return _Leader((x, y), anchor(box, x))
