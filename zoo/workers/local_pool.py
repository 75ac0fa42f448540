"""Worker processes on this machine. A model that raises, hangs or kills its process costs its own row only."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.forkserver
import queue
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from zoo.errors import ZooError
from zoo.records import Failure, Job
from zoo.settings import Execution, default_workers
from zoo.workers.isolation import timed_out
from zoo.workers.job_queue import Family, Waiting, catching_interrupt
from zoo.workers.packing import pack, unpack
from zoo.workers.processes import NO_WORKER, end_group, manner_of_end, refuse_in_a_starting_worker, worker_context

if TYPE_CHECKING:
    from zoo.workers.job import JobResult

_WORKER = "zoo.workers.worker"
_IN_HAND = 2
"""Jobs a worker holds: the one it does and the next, so that it never waits for the parent."""

_GRACE_S = 2.0
"""For a worker to stop a model itself, before it is ended with it."""

_NOT_BEGUN = Failure("worker", "", "its process ended before it had begun with it")
_BEGINNINGS = 5
"""Tries of a job that is not known to have begun: its process may have ended so soon after that nobody heard of it."""

_MOST_NOT_BEGUN = 20
"""Jobs in a row that no process began with, from which on none is expected to."""


Outcome = tuple[Job, "list[JobResult] | Failure"]


def preload_workers(modules: Sequence[str]) -> None:
    """Starts importing what workers need, in a process they are forked from, while the parent goes on.

    Safe to call more than once; the first call decides. Systems without fork servers start workers from nothing.
    """
    if "forkserver" in multiprocessing.get_all_start_methods():
        multiprocessing.get_context("forkserver").set_forkserver_preload([_WORKER, *modules])
        multiprocessing.forkserver.ensure_running()


def run_jobs(jobs: Iterable[Job], execution: Execution, interrupted: Callable[[], None]) -> Generator[Outcome]:
    """Does all jobs, in any order.

    The first Ctrl-C calls `interrupted`, finishes what is in hand and ends; a second raises.

    Yields:
        Each job with its rows, or with the failure that kept it from having any.

    Raises:
        ZooError: if no worker gets as far as beginning with a job.
    """
    refuse_in_a_starting_worker()
    waiting = Waiting(jobs)
    workers = [Worker(execution) for _ in range(max(1, min(execution.workers or default_workers(), len(waiting))))]
    try:
        with contextlib.closing(do_jobs(waiting, workers, interrupted)) as outcomes:
            for job, outcome in outcomes:
                yield job, outcome if isinstance(outcome, Failure) else unpack(outcome)
    finally:
        for worker in workers:
            worker.stop()


def do_jobs(
    waiting: Waiting, workers: Sequence[Worker], interrupted: Callable[[], None]
) -> Generator[tuple[Job, bytes | Failure]]:
    """Has all jobs done by these workers, which go on living; the rows are still packed."""
    done: queue.SimpleQueue[tuple[Worker, Job, ProcessFuture[Any]] | None] = queue.SimpleQueue()
    tried: Counter[Job] = Counter()
    not_begun = 0  # in a row
    is_ending = False
    with catching_interrupt(lambda: done.put(None)):
        while True:
            if not is_ending:
                for worker in workers:
                    worker.take(waiting, done, others={w.family for w in workers if w is not worker})
            if not any(worker.in_hand for worker in workers):
                break
            ready = done.get()
            if ready is None:
                is_ending = True
                interrupted()
                continue
            worker, job, future = ready
            worker.in_hand -= 1
            outcome = _outcome(job, future, worker.execution)
            if outcome is None:
                worker.is_spent = True
                waiting.put_back([job])
                continue
            not_begun = not_begun + 1 if outcome == _NOT_BEGUN else 0
            if not_begun > _MOST_NOT_BEGUN:
                raise ZooError(NO_WORKER)
            if isinstance(outcome, Failure) and (again := _again(job, outcome, tried)):
                waiting.put_back(again)
                continue
            yield job, outcome


def _again(job: Job, failure: Failure, tried: Counter[Job]) -> list[Job]:
    """What to try once more: each row by itself, to find the one that did it; and what may have died of another's doing."""
    if job.rows > 1:
        return job.split()
    if failure.stage == "worker" and tried[job] < (_BEGINNINGS if failure == _NOT_BEGUN else 1):
        tried[job] += 1
        return [job]
    return []


class Worker:
    """One process, which is replaced when it dies, or when a model has left in it what cannot be put back."""

    def __init__(self, execution: Execution) -> None:
        self.execution = execution
        self._pool = _new_pool(execution)
        self.family: Family | None = None
        self.in_hand = 0
        self.is_spent = False
        self._under_way: set[ProcessFuture[Any]] = set()
        self._has_ended = False

    def take(self, waiting: Waiting, done: queue.SimpleQueue[Any], others: set[Family | None]) -> None:
        """Fills the worker's hands; `others` are the families that other workers are at."""
        if self.is_spent and self.in_hand == 0 and not self._has_ended:
            self._replace()
        while self.in_hand < _IN_HAND and not self.is_spent and not self._has_ended:
            job = waiting.next_for(self.family, others)
            if job is None:
                return
            self.family = (job.zoo, job.family)
            if not self._pool.active:  # its process died between two jobs
                self._replace()
            timeout = self.execution.timeout_s * job.rows + _GRACE_S
            future = self._pool.schedule(_count, args=[job, self.execution.timeout_s], timeout=timeout)
            self.in_hand += 1
            self._under_way.add(future)
            future.add_done_callback(self._under_way.discard)
            future.add_done_callback(lambda future, job=job: done.put((self, job, future)))  # type: ignore[misc]

    def _replace(self) -> None:
        self.stop()
        self._pool, self.is_spent = _new_pool(self.execution), False

    def end(self) -> None:
        """Ends the process for good: it takes no job any more, and what it has in hand is lost."""
        self._has_ended = True
        for future in list(self._under_way):
            # A pool that is stopped leaves whoever waits for a job without an answer.
            future.cancel()  # type: ignore[no-untyped-call]
        self.stop()

    def stop(self) -> None:
        """Ends the process, whatever it is doing."""
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()


def _new_pool(execution: Execution) -> ProcessPool:
    return ProcessPool(max_workers=1, context=worker_context(), initializer=_start, initargs=[execution.memory_gb])


def _start(memory_gb: float) -> None:
    from zoo.workers import worker  # here, because importing it imports torch

    worker.start(memory_gb)


def _count(job: Job, timeout_s: float) -> bytes | Failure | None:
    """The rows come packed: they may travel on through processes that have no torch."""
    from zoo.workers import worker

    outcome = worker.count(job, timeout_s)
    return pack(outcome) if isinstance(outcome, list) else outcome


def _outcome(job: Job, future: ProcessFuture[Any], execution: Execution) -> bytes | Failure | None:
    """What became of a job; None where the worker left it to another."""
    try:
        outcome: bytes | Failure | None = future.result()
    except FutureTimeoutError:
        return timed_out(execution.timeout_s * job.rows)
    except BrokenProcessPool:
        return _NOT_BEGUN
    except ProcessExpired as error:
        end_group(error.pid)
        return Failure("worker", "", f"its process {manner_of_end(error.exitcode)}")
    except Exception as error:  # noqa: BLE001  # whatever came back from a worker costs its job only
        return Failure("worker", type(error).__name__, str(error))
    return outcome
