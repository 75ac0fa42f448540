"""Progress of counting on stderr: a bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Self, TextIO

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
from rich.text import Text

from zoo.jobs import is_unsupported
from zoo.records import CostKey, Status, TraceKey
from zoo.settings import Listener
from zoo.units import format_seconds

_MOST_FAILURES = 10  # printed while counting; the report lists them all
_PLAIN_SECONDS = 10.0  # between two plain lines, at most
_PLAIN_SHARE = 0.05  # of the work, after which a plain line is due sooner
_PLAIN_PAUSE = 1.0  # between two plain lines, at least


class Tally:
    """How much of the work is done."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._started = clock()
        self.total = self.done = self.failed = 0
        self._printed = 0  # failures

    def start(self, total: int) -> None:
        """The work begins: planning is no part of the rate."""
        self.total, self.done, self.failed, self._started = total, 0, 0, self._clock()

    def add(self, key: CostKey | TraceKey, status: Status, reason: str | None) -> str | None:
        """One row is done. Returns what to print of its failure: the first ones in full, then once that there are more."""
        self.done += 1
        if status is not Status.FAILED or is_unsupported(status, reason):
            return None
        self.failed += 1
        self._printed += 1
        if self._printed <= _MOST_FAILURES:
            return f"failed: {_name_row(key)}: {reason or 'no reason was given'}"
        return (
            "failed: more models; the report's section Coverage lists them all" if self._printed == _MOST_FAILURES + 1 else None
        )

    def words(self) -> str:
        """`3 failed, 41 rows/s, 25 s left`."""
        elapsed = self._clock() - self._started
        rate = self.done / elapsed if elapsed > 0 else 0.0
        parts = [f"{self.failed:,} failed"] if self.failed else []
        if self.done and rate:
            parts.append(f"{rate:.0f}/s" if rate >= 10 else f"{rate:.1f}/s")
            if self.total > self.done:
                left = round((self.total - self.done) / rate)
                parts.append(f"{left} s left" if left < 60 else f"{format_seconds(left)} left")
        return ", ".join(parts)


def _name_row(key: CostKey | TraceKey) -> str:
    """`timm/resnet50 3x224x224`, of a trace with its mode."""
    return f"{key.zoo}/{key.arch} {key.input}" + (f" in {key.mode}" if isinstance(key, TraceKey) else "")


class Lines(Listener):
    """Plain, dated lines for logs: every few seconds or percent, or with `every` one a model."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic, *, every: bool = False) -> None:
        self._stream, self._clock, self._every = stream, clock, every
        self._tally = Tally(clock)
        self._last_time, self._last_done = clock(), 0

    def planned(self, rows: int, to_count: int) -> None:
        self._tally.start(to_count)
        self._last_time, self._last_done = self._clock(), 0
        self.notify(f"{rows:,} rows planned, {rows - to_count:,} in the cache, {to_count:,} to count")

    def counted(self, key: CostKey | TraceKey, status: Status, reason: str | None) -> None:
        failure = self._tally.add(key, status, reason)
        if self._every:
            self.notify(f"{status.value}: {_name_row(key)}{f': {reason}' if reason else ''}")
        elif failure:
            self.notify(failure)
        waited = self._clock() - self._last_time
        share = (self._tally.done - self._last_done) / max(1, self._tally.total)
        finished = self._tally.done == self._tally.total
        if finished or waited >= _PLAIN_SECONDS or (share >= _PLAIN_SHARE and waited >= _PLAIN_PAUSE):
            self._last_time, self._last_done = self._clock(), self._tally.done
            words = self._tally.words()
            done, total = self._tally.done, self._tally.total
            percent = 100 * done // max(1, total)
            self.notify(f"{done:,} of {total:,} counted ({percent} %)" + (f", {words}" if words else ""))

    def notify(self, message: str) -> None:
        print(f"{datetime.now().astimezone():%H:%M:%S}  {message}", file=self._stream, flush=True)


class _BarWithModel(Progress):
    """The bar, and under it the model at work: names are too long to share a line with anything."""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        for task in self.tasks:
            if task.fields.get("current") and not task.finished:
                yield Text(f"  {task.fields['current']}", style="dim", no_wrap=True, overflow="ellipsis")


class Bar(Listener):
    """A bar with done, failed, rate and time left, and the model at work, redrawn in place."""

    def __init__(self, console: Console) -> None:
        self._tally = Tally()
        self._progress = _BarWithModel(
            SpinnerColumn(finished_text="[green]✓"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=None, complete_style="cyan", finished_style="green"),
            TextColumn("{task.fields[counts]}"),
            TextColumn("[dim]{task.fields[words]}"),
            console=console,
            expand=True,
            refresh_per_second=8,
        )
        self._task = self._progress.add_task("Planning", total=None, counts="", words="", current="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.update(self._task, current="")
        self._progress.stop()

    def planned(self, rows: int, to_count: int) -> None:
        self._tally.start(to_count)
        self._progress.update(self._task, description="Counting", total=max(1, to_count), completed=0, counts=f"0/{to_count:,}")
        if not to_count:
            self._progress.update(self._task, description="Counted", completed=1, counts=f"all {rows:,} rows are in the cache")

    def counted(self, key: CostKey | TraceKey, status: Status, reason: str | None) -> None:
        if failure := self._tally.add(key, status, reason):
            self._progress.console.print(f"[red]{escape(failure)}")
        self._progress.update(
            self._task,
            completed=self._tally.done,
            description="Counted" if self._tally.done == self._tally.total else "Counting",
            counts=f"{self._tally.done:,}/{self._tally.total:,}",
            words=self._tally.words(),
            current=f"{key.zoo}/{key.arch} {key.input}",
        )

    def notify(self, message: str) -> None:
        self._progress.console.print(escape(message))


@contextmanager
def listen(stream: TextIO | None = None, *, quiet: bool = False, every: bool = False) -> Iterator[Listener]:
    """A listener that suits `stream` (default: stderr): a bar in a terminal, lines in a log; nothing when `quiet`.

    With `every`, a line a model.
    """
    file = stream or sys.stderr
    if quiet:
        yield Listener()
    elif every:
        yield Lines(file, every=True)
    elif file.isatty():
        with Bar(Console(file=file, highlight=False)) as bar:
            yield bar
    else:
        yield Lines(file)
