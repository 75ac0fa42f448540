"""Jobs that wait for a worker, and what is done with those that a worker did not survive."""

from __future__ import annotations

import contextlib
import itertools
import signal
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator

from zoo.records import Job

LOOKAHEAD = 10_000
"""Jobs held at most, read on from the plan when half of them are gone: enough for whole families, little for the memory."""

Family = tuple[str, str | None]


class Waiting:
    """Jobs not yet given out, by family. Of a long plan only the next ones are held."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        self._more = iter(jobs)
        self._families: dict[Family, deque[Job]] = defaultdict(deque)
        self._order: deque[Family] = deque()  # from the smallest to the largest; those that somebody is at come last to be taken
        self._size = 0
        self._suspects: deque[Job] = deque()
        self._read_on()

    def __len__(self) -> int:
        """Jobs that are held; none only if the plan has none either."""
        return self._size + len(self._suspects)

    def put_back(self, jobs: Iterable[Job]) -> None:
        """Takes jobs to be given out again."""
        for job in jobs:
            family = job.zoo, job.family
            if not self._families[family]:
                self._order.append(family)
            self._families[family].append(job)
            self._size += 1

    def suspect(self, jobs: Iterable[Job]) -> None:
        """Takes jobs of which one may have ended its worker: each is to be done by itself, when there is nothing else to do."""
        self._suspects.extend(jobs)

    def next_suspect(self) -> Job | None:
        """One of those, once nothing else waits."""
        return self._suspects.popleft() if self._suspects and not self._size else None

    def next_for(self, family: Family | None, others: set[Family | None]) -> Job | None:
        """A job of the family a worker is at, else of the largest that no other worker is at, else of the largest."""
        if family is None or not self._families.get(family):
            family = self._choose(others)
            if family is None:
                return None
        job = self._families[family].popleft()
        if not self._families[family]:
            del self._families[family]
        self._size -= 1
        if self._size < LOOKAHEAD // 2:
            self._read_on()
        return job

    def batch_for(self, family: Family | None, others: set[Family | None], most: int) -> list[Job]:
        """Several such jobs at once, of further families where one has not enough."""
        batch: list[Job] = []
        while len(batch) < most and (job := self.next_for(family, others)):
            batch.append(job)
            family = job.zoo, job.family
        return batch

    def _choose(self, others: set[Family | None]) -> Family | None:
        passed: list[Family] = []
        chosen = None
        while self._order and chosen is None:
            family = self._order.pop()
            if not self._families.get(family):
                continue
            if family in others:
                passed.append(family)
            else:
                chosen = family
        self._order.extendleft(passed)
        if chosen is not None:
            self._order.appendleft(chosen)
            return chosen
        return max(passed, key=lambda family: len(self._families[family]), default=None)

    def _read_on(self) -> None:
        more = list(itertools.islice(self._more, LOOKAHEAD - self._size))
        if more:
            self.put_back(more)
            self._order = deque(sorted(self._families, key=lambda family: len(self._families[family])))


@contextlib.contextmanager
def catching_interrupt(tell: Callable[[], None]) -> Iterator[None]:
    """The first Ctrl-C only tells, so that it cannot tear a commit apart; the next one raises as always."""
    usual = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(usual):
        yield
        return

    def first(*_: object) -> None:
        signal.signal(signal.SIGINT, usual)
        tell()

    signal.signal(signal.SIGINT, first)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
