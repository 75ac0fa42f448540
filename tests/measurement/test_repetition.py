"""Repeating until a time is known well enough: with a clock that a test winds."""

from __future__ import annotations

import itertools
import math
import random
import statistics
from collections.abc import Iterator
from typing import Any

import pytest

from zoo.measurement.repetition import Timing, TimingTarget, halving, repeat, timing_of

NO_WARM_UP: dict[str, Any] = {"warm_up": 1, "warm_up_s": 0.0}


class Machine:
    """Steps that take given times, by a clock that only they move."""

    def __init__(self, seconds: Iterator[float]) -> None:
        self.now, self.steps = 0.0, 0
        self._seconds = seconds

    def clock(self) -> float:
        return self.now

    def step(self) -> float:
        taken = next(self._seconds)
        self.now += taken
        self.steps += 1
        return taken

    def time(self, target: TimingTarget) -> Timing:
        return repeat(self.step, target, self.clock)


def noisy(share: float) -> Iterator[float]:
    """Around 10 ms, normally distributed."""
    draw = random.Random(0)
    while True:
        yield max(1e-6, draw.gauss(0.01, 0.01 * share))


def test_a_steady_step_is_repeated_as_little_as_allowed() -> None:
    machine = Machine(itertools.repeat(0.01))
    assert machine.time(TimingTarget(least=10, warm_up=3, warm_up_s=0.0)) == Timing(0.01, 0.0, 0.0, 10)
    assert machine.steps == 3 + 10


@pytest.mark.parametrize("wanted", [0.05, 0.02, 0.01])
def test_a_noisy_step_is_repeated_until_its_median_is_known_as_precisely_as_wanted(wanted: float) -> None:
    timing = Machine(noisy(0.1)).time(TimingTarget(wanted, time_s=1e9, most=10**6, **NO_WARM_UP))
    assert timing.half_width is not None
    assert timing.half_width <= wanted
    assert timing.median_s == pytest.approx(0.01, rel=2 * wanted)
    # The median of n normal numbers has a standard error of 1.2533 sigma / sqrt(n); 95 % are within 1.96 of it.
    assert timing.repetitions == pytest.approx((1.2533 * 1.96 * 0.1 / wanted) ** 2, rel=0.6)


def test_more_noise_takes_more_repetitions() -> None:
    few, many = (
        Machine(noisy(share)).time(TimingTarget(time_s=1e9, most=10**6, **NO_WARM_UP)).repetitions for share in (0.05, 0.2)
    )
    assert few < many


def test_the_most_repetitions_end_it() -> None:
    timing = Machine(noisy(0.5)).time(TimingTarget(0.001, most=57, time_s=1e9, **NO_WARM_UP))
    assert timing.repetitions == 57
    assert timing.half_width is not None
    assert timing.half_width > 0.001


def test_the_limit_of_time_ends_it_also_before_the_least_repetitions() -> None:
    machine = Machine(itertools.repeat(4.0))
    timing = machine.time(TimingTarget(least=10, time_s=10.0, warm_up=3, warm_up_s=0.5))
    assert timing.repetitions == math.ceil(10 / 4)
    assert timing.half_width is None
    assert machine.steps - timing.repetitions == math.ceil(10 / 4)  # warming up has the same limit


def test_a_step_longer_than_the_limit_is_measured_once() -> None:
    timing = Machine(itertools.repeat(20.0)).time(TimingTarget(time_s=10.0))
    assert timing == Timing(20.0, None, None, 1)


def test_warming_up_lasts_as_long_as_asked_for_and_does_not_count() -> None:
    times = itertools.chain(itertools.repeat(1.0, 2), itertools.repeat(0.01))
    machine = Machine(times)
    timing = machine.time(TimingTarget(least=10, warm_up=2, warm_up_s=2.045, time_s=10.0))
    assert (timing.median_s, timing.spread) == (0.01, 0.0)
    assert machine.steps == 2 + 5 + 10  # 2 s of slow ones, 0.05 s of fast ones


def test_median_and_spread_are_those_of_the_times() -> None:
    timing = timing_of([5.0, 1.0, 2.0, 4.0, 3.0])
    assert timing == Timing(3.0, (4.0 - 2.0) / 3.0, None, 5)


@pytest.mark.parametrize("count", [6, 15, 40, 1100])
def test_the_interval_holds_the_true_median_as_often_as_it_says(count: int) -> None:
    """By the definition: the share of samples whose interval holds the median of what they are drawn from."""
    draw = random.Random(count)
    tries = 1500 if count < 100 else 200
    held = 0
    for _ in range(tries):
        sample = sorted(draw.expovariate(1.0) for _ in range(count))
        width = timing_of(sample).half_width
        assert width is not None
        low = next(
            x
            for x, y in zip(sample, reversed(sample), strict=True)
            if math.isclose((y - x) / 2, width * statistics.median(sample))
        )
        high = sample[-1 - sample.index(low)]
        held += low <= math.log(2) <= high
    assert held / tries >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / tries)
    if count > 100:
        assert held / tries <= 0.99  # and is no wider than it has to be


def test_no_interval_is_stated_of_five_times() -> None:
    """The whole range of n times misses the median with probability 2 / 2^n, which is more than 5 % of five."""
    assert timing_of([1.0, 1.1, 1.2, 1.3, 1.4]).half_width is None
    assert timing_of([1.0, 1.1, 1.2, 1.3, 1.4, 1.5]).half_width == pytest.approx(0.25 / 1.25)


def test_a_batch_is_halved_as_long_as_it_is_too_large() -> None:
    assert list(halving(100, lambda batch: batch <= 20, lambda fits: not fits)) == [
        (100, False),
        (50, False),
        (25, False),
        (12, True),
    ]
    assert list(halving(8, lambda _: True, lambda fits: not fits)) == [(8, True)]
    assert list(halving(2, lambda _: False, lambda fits: not fits)) == [(2, False), (1, False)]
