"""How long measuring will take."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from zoo.measurement.plan import MeasureJob
from zoo.measurement.repetition import TimingTarget
from zoo.measurement.time_left import TimeLeft
from zoo.records import Architecture, CostKey
from zoo.run_config import RunConfig

RUN, PEAK_GFLOPS_PER_S = RunConfig("cpu", threads=1), 100.0
TARGET = TimingTarget(time_s=10.0, warm_up_s=0.5)


class Clock:
    """Wound by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def job(arch: str) -> MeasureJob:
    return MeasureJob(CostKey("timm", arch, "3x8x8", 10), RUN, TARGET, None, Architecture("timm", arch, "", None, "3x8x8", 10))


def row(arch: str, batch: int = 1) -> dict[str, object]:
    return {"zoo": "timm", "arch": arch, "input": "3x8x8", "variant": "base", "dtype": "float32", "layout": "nchw", "compiled": False, "batch": batch}  # fmt: skip


def left(clock: Clock, flops: dict[str, int], *absent: tuple[str, int]) -> TimeLeft:
    costs = pd.DataFrame(
        [{"zoo": "timm", "arch": arch, "input": "3x8x8", "variant": "base", "batch": 1, "flops": amount} for arch, amount in flops.items()],
        columns=["zoo", "arch", "input", "variant", "batch", "flops"],
    )  # fmt: skip
    return TimeLeft([(job(arch), batch) for arch, batch in absent], costs, {RUN: PEAK_GFLOPS_PER_S}, clock)


def test_a_model_of_more_work_is_expected_to_take_longer_up_to_the_limit() -> None:
    small, large, huge, unknown = (
        left(Clock(), {"a": flops}, ("a", 1)).seconds() if flops else left(Clock(), {}, ("a", 1)).seconds()
        for flops in (10**6, 10**9, 10**13, 0)
    )
    assert small < large < huge
    assert huge > unknown > large  # of what is not known, all the time it may take
    assert left(Clock(), {"a": 10**9}, ("a", 8)).seconds() > large


def test_it_takes_at_most_the_limits_of_all_measurements() -> None:
    one, three = left(Clock(), {}, ("a", 1)).most_s, left(Clock(), {}, ("a", 1), ("a", 2), ("b", 1)).most_s
    assert one >= 2 * TARGET.time_s
    assert three == pytest.approx(3 * one)


def test_what_is_left_follows_the_pace_so_far() -> None:
    clock = Clock()
    time_left = left(clock, {"a": 10**9, "b": 10**9, "c": 10**9}, ("a", 1), ("b", 1), ("c", 1))
    expected = time_left.seconds()
    clock.now = 2 * expected / 3  # one of three took twice as long as expected
    time_left.done(row("a"))
    assert math.isclose(time_left.seconds(), 2 * 2 * expected / 3)
    time_left.done(row("b"))
    time_left.done(row("c", batch=1))
    assert time_left.seconds() == 0


def test_a_measurement_that_nobody_expected_changes_nothing() -> None:
    clock = Clock()
    time_left = left(clock, {}, ("a", 8))
    before = time_left.seconds()
    time_left.done(row("a", batch=4))
    assert time_left.seconds() == before
