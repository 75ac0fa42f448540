from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from reports.terminal.progress import Bar, Lines, Tally, listen
from zoo.records import CostKey, Status
from zoo.settings import Listener


class Clock:
    """A clock that stands still until told otherwise."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def key(number: int) -> CostKey:
    return CostKey("timm", f"model{number}", "3x224x224", 1000)


def count(listener: Listener, rows: int, clock: Clock, *, seconds: float, failing: bool = False) -> None:
    for number in range(rows):
        clock.now += seconds
        listener.counted(key(number), Status.FAILED if failing else Status.EXACT, "run: ValueError: odd" if failing else None)


def test_rate_and_time_left_follow_from_what_is_done() -> None:
    clock = Clock()
    tally = Tally(clock)
    clock.now = 30.0  # planning is no part of the rate
    tally.start(100)
    for _ in range(40):
        clock.now += 0.5
        tally.add(key(1), Status.EXACT, None)
    tally.add(key(1), Status.FAILED, "run: ValueError: odd")
    assert tally.words() == "1 failed, 2.0/s, 29 s left"  # 41 in 20 s, so 59 more take 28.8 s


def test_nothing_is_said_of_a_rate_before_the_first_model() -> None:
    assert Tally(Clock()).words() == ""


def test_lines_come_by_share_of_the_work_but_not_one_a_model() -> None:
    stream, clock = io.StringIO(), Clock()
    lines = Lines(stream, clock)
    lines.planned(1500, 1000)
    count(lines, 1000, clock, seconds=0.1)
    said = stream.getvalue().splitlines()
    assert "1,500 rows planned, 500 in the cache, 1,000 to count" in said[0]
    # Every 5 % (50 rows, 5 s) there is one; all of them are dated and none has a colour.
    assert len(said) == 1 + 20
    assert all(re.match(r"\d\d:\d\d:\d\d  ", line) for line in said)
    assert "\x1b" not in stream.getvalue()
    assert said[-1].endswith("1,000 of 1,000 counted (100 %), 10/s")


def test_a_slow_run_is_heard_of_every_ten_seconds() -> None:
    stream, clock = io.StringIO(), Clock()
    lines = Lines(stream, clock)
    lines.planned(10_000, 10_000)
    count(lines, 20, clock, seconds=5)
    assert len(stream.getvalue().splitlines()) == 1 + 20 * 5 // 10


def test_a_fast_run_ends_with_one_line() -> None:
    stream, clock = io.StringIO(), Clock()
    lines = Lines(stream, clock)
    lines.planned(10, 10)
    count(lines, 10, clock, seconds=0)
    assert [line[10:] for line in stream.getvalue().splitlines()[1:]] == ["10 of 10 counted (100 %)"]


def test_the_first_failures_are_named_and_then_no_more() -> None:
    stream, clock = io.StringIO(), Clock()
    lines = Lines(stream, clock)
    lines.planned(50, 50)
    count(lines, 50, clock, seconds=0, failing=True)
    failures = [line[10:] for line in stream.getvalue().splitlines() if "failed:" in line]
    assert failures[0] == "failed: timm/model0 3x224x224: run: ValueError: odd"
    assert failures[10:] == ["failed: more models; the report's section Coverage lists them all"]


def test_the_bar_shows_done_failed_and_the_model_at_work_within_80_columns() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None, _environ={})
    with Bar(console) as bar:
        bar.planned(20, 10)
        for number in range(9):
            bar.counted(key(number), Status.EXACT, None)
        bar.counted(key(9), Status.FAILED, "build: KeyError: [a]")
        bar.notify("timm's tables: kept copy [of] today")
    assert isinstance(console.file, io.StringIO)
    said = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "\n", console.file.getvalue())
    assert "failed: timm/model9 3x224x224: build: KeyError: [a]" in said
    assert "timm's tables: kept copy [of] today" in said
    assert re.search(r"✓ Counted ━+ 10/10 1 failed", said)
    assert max(map(len, said.splitlines())) <= 80


def test_the_bar_is_full_when_there_is_nothing_to_count() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None, _environ={})
    with Bar(console) as bar:
        bar.planned(20, 0)
    assert isinstance(console.file, io.StringIO)
    assert "all 20 rows are in the cache" in console.file.getvalue()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("asked", "stream", "kind"),
    [
        ({"quiet": True}, Terminal(), Listener),
        ({"every": True}, Terminal(), Lines),
        ({}, io.StringIO(), Lines),
        ({}, Terminal(), Bar),
    ],
)
def test_the_listener_suits_where_it_speaks(asked: dict[str, bool], stream: io.StringIO, kind: type) -> None:
    with listen(stream, **asked) as listener:
        assert type(listener) is kind
