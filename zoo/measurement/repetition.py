"""Repeats a step until its time is known precisely enough, and finds the largest batch that fits. Independent of torch.

The result is the median with its 95 % interval. The interval lies between two of the measured times, by the binomial distribution
of how many of them fall below the true median. It makes no assumption about the distribution of times, which has a long tail on a
busy machine.
"""

from __future__ import annotations

import functools
import math
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

_UNCERTAINTY = 0.05
"""Share of intervals that may not contain the true median."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TimingTarget:
    """When repetition stops: at the target half-width, at the maximum of repetitions, or at the time limit."""

    half_width: float = 0.02  # of the interval of the median, as a share of the median
    least: int = 10
    most: int = 1000
    time_s: float = 10.0  # for the repetitions of one measurement; takes precedence over `least`
    warm_up: int = 3
    warm_up_s: float = 0.5  # warms up at least as often and as long, but no longer than `time_s`


@dataclass(frozen=True, slots=True)
class Timing:
    """The time of a step."""

    median_s: float
    spread: float | None  # interquartile range as a share of the median; None: measured once
    half_width: float | None  # of the median's 95 % interval, as a share of the median; None: too few repetitions for one
    repetitions: int


def repeat(step: Callable[[], float], target: TimingTarget, clock: Callable[[], float] = time.perf_counter) -> Timing:
    """The time of a step, repeated until the target is reached.

    Args:
        step: performs the step and returns its seconds.
        target: precision and limits.
        clock: seconds, for the time limit.
    """
    _warm_up(step, target, clock)
    seconds: list[float] = []
    end, next_look = clock() + target.time_s, target.least
    while True:
        seconds.append(step())
        count = len(seconds)
        if count >= target.most or clock() >= end:
            return timing_of(seconds)
        if count >= next_look:
            timing = timing_of(seconds)
            if timing.half_width is not None and timing.half_width <= target.half_width:
                return timing
            next_look = count + max(1, count // 10)  # sorting them after each step would take longer than short steps


def _warm_up(step: Callable[[], float], target: TimingTarget, clock: Callable[[], float]) -> None:
    started, done = clock(), 0
    while done == 0 or ((done < target.warm_up or clock() - started < target.warm_up_s) and clock() - started < target.time_s):
        step()
        done += 1


def timing_of(seconds: list[float]) -> Timing:
    """Median, spread and interval of measured times."""
    ordered = sorted(seconds)
    median = statistics.median(ordered)
    if len(ordered) < 2:
        return Timing(median, None, None, len(ordered))
    low, _, high = statistics.quantiles(ordered, n=4, method="inclusive")
    below = _rank_outside(len(ordered))
    half_width = None if below is None else (ordered[-1 - below] - ordered[below]) / 2 / median
    return Timing(median, (high - low) / median, half_width, len(ordered))


@functools.cache
def _rank_outside(count: int) -> int | None:
    """The number of times on either side of the interval of the median.

    The true median lies below the k-th smallest of n times if at most k - 1 of them are below it, which has the probability
    sum of C(n, i) / 2^n for i < k. None: even the whole range is no such interval.
    """
    allowed = _UNCERTAINTY / 2 * 2.0**count if count < 1000 else None
    if allowed is None:  # 2^n is beyond floating point; the normal distribution is near enough
        return int(count / 2 - statistics.NormalDist().inv_cdf(1 - _UNCERTAINTY / 2) * math.sqrt(count) / 2) - 1
    total = rank = 0
    while (total := total + math.comb(count, rank)) <= allowed:
        rank += 1
    return rank - 1 if rank else None


def halving(batch: int, attempt: Callable[[int], T], is_too_large: Callable[[T], bool]) -> Iterator[tuple[int, T]]:
    """Tries a batch, and half of it as long as it is too large. The last one yielded is the largest that fits, if any does."""
    while True:
        result = attempt(batch)
        yield batch, result
        if not is_too_large(result) or batch == 1:
            return
        batch //= 2
