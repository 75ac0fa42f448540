"""The queue of pending jobs, and the loop that completes them with a pool of workers."""

from __future__ import annotations

import contextlib
import itertools
import queue
import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Collection, Generator, Iterable, Iterator
from typing import Any, Protocol, TypeVar

from zoo.jobs import Job

LOOKAHEAD = 10_000
"""Number of jobs that are read in advance: enough to group them by family, few enough to bound the memory."""

_POLL_S = 1.0
"""Interval at which a pool looks for new workers and results are committed while no task finishes."""

Family = tuple[str, str | None]
"""A zoo and a family of its architectures. Architectures of a family share operations, whose results a worker memoizes."""

R_co = TypeVar("R_co", covariant=True)


class JobQueue:
    """Pending jobs by family."""

    def __init__(self, jobs: Iterable[Job]) -> None:
        self.isolated: deque[Job] = deque()  # jobs that may crash their worker; they run when nothing else does
        self._source = iter(jobs)
        self._families: dict[Family, deque[Job]] = {}  # no deque is empty
        self._size = 0
        self._retries: Counter[Job] = Counter()
        self._read_ahead()

    def __len__(self) -> int:
        """Number of jobs that were read and wait for a worker; 0 if no job is left."""
        return self._size + len(self.isolated)

    def put(self, jobs: Iterable[Job]) -> None:
        """Adds jobs, or returns them to the queue."""
        for job in jobs:
            self._families.setdefault((job.zoo, job.family), deque()).append(job)
            self._size += 1

    def take(self, most: int, family: Family | None = None, others: Collection[Family | None] = ()) -> list[Job]:
        """Removes up to `most` jobs: of this family while it has any, then of the largest families that are not in `others`."""
        taken: list[Job] = []
        while self._families and len(taken) < most:
            if family not in self._families:
                family = next((name for name in self._families if name not in others), next(iter(self._families)))
            jobs = self._families[family]
            taken.append(jobs.popleft())
            if not jobs:
                del self._families[family]
        self._size -= len(taken)
        if self._size < LOOKAHEAD // 2:
            self._read_ahead()
        return taken

    def retry(self, job: Job, limit: int) -> bool:
        """Queues a failed job again: one job for each of its rows, or, if it has only one, at most `limit` times.

        Returns:
            Whether it was queued.
        """
        if len(job.keys) == 1:
            self._retries[job] += 1
            if self._retries[job] > limit:
                return False
        self.put(job.split())
        return True

    def _read_ahead(self) -> None:
        if jobs := list(itertools.islice(self._source, LOOKAHEAD - self._size)):
            self.put(jobs)
            self._families = dict(sorted(self._families.items(), key=lambda item: len(item[1]), reverse=True))


class WorkerPool(Protocol[R_co]):
    """Workers that complete jobs, on this machine or in a cluster."""

    finished: queue.SimpleQueue[Any]  # tasks; None: stop

    @property
    def in_flight(self) -> int:
        """Number of submitted tasks that were not collected."""

    def submit(self, jobs: JobQueue) -> None:
        """Submits jobs until the queues of all workers are full."""

    def collect(self, task: Any, jobs: JobQueue) -> Iterable[tuple[Job, R_co]]:
        """The results of a finished task; jobs that are retried return to the queue."""


def complete_jobs(jobs: JobQueue, pool: WorkerPool[R_co], interrupted: Callable[[], None]) -> Generator[tuple[Job, R_co] | None]:
    """Completes all jobs, in any order.

    The first Ctrl-C calls `interrupted`, waits for the tasks in flight and ends; the second raises.

    Yields:
        Each job with its result, and None whenever no task has finished for a second.
    """
    is_stopping = False
    with _deferred_interrupt(lambda: pool.finished.put(None)):
        while pool.in_flight or (jobs and not is_stopping):
            if not is_stopping:
                pool.submit(jobs)
            try:
                task = pool.finished.get(timeout=_POLL_S)
            except queue.Empty:
                yield None
                continue
            if task is None:
                is_stopping = True
                interrupted()
            else:
                yield from pool.collect(task, jobs)


@contextlib.contextmanager
def _deferred_interrupt(notify: Callable[[], None]) -> Iterator[None]:
    """Makes the first Ctrl-C call `notify` only, so that it cannot interrupt a commit; the next one raises as usual."""
    usual = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(usual):
        yield
        return

    def handle_first(*_: object) -> None:
        signal.signal(signal.SIGINT, usual)
        notify()

    signal.signal(signal.SIGINT, handle_first)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
