"""Worker processes on this machine. If a model raises, hangs or crashes its process, only its own row fails."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.forkserver
import queue
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, NamedTuple, Self

from pebble import ProcessExpired, ProcessPool

from zoo.errors import ZooError
from zoo.jobs import Failure, Job
from zoo.settings import Execution, default_workers
from zoo.workers.isolation import timeout_failure
from zoo.workers.job_queue import Family, JobQueue, complete_jobs
from zoo.workers.packing import pack, unpack
from zoo.workers.processes import NO_WORKER_STARTS, check_main_guard, describe_exit, kill_group, worker_context

if TYPE_CHECKING:
    from zoo.workers.job_rows import JobResult

_WORKER = "zoo.workers.worker"
_JOBS_PER_WORKER = 2
"""The running job and the next one, so that a worker never waits for the parent."""

_GRACE_S = 2.0
"""Time in which a worker can interrupt a model itself before it is killed."""

_NOT_STARTED = Failure("worker", "", "its process ended before it had begun with it")
_RETRIES_AFTER_CRASH, _RETRIES_NOT_STARTED = 1, 5
"""A process may crash so early that its job seems not to have started, so such jobs have more retries."""

_MOST_NOT_STARTED = 20
"""Number of consecutive jobs that no process started after which the run fails."""

Packed = bytes | Failure
JobOutcome = tuple[Job, "list[JobResult] | Failure"]


def preload_workers(modules: Sequence[str]) -> None:
    """Starts a fork server that imports what workers need, while this process goes on.

    Only the first call has an effect. Systems without fork servers spawn their workers.
    """
    if "forkserver" in multiprocessing.get_all_start_methods():
        multiprocessing.get_context("forkserver").set_forkserver_preload([_WORKER, *modules])
        multiprocessing.forkserver.ensure_running()


def run_jobs(jobs: Iterable[Job], execution: Execution, interrupted: Callable[[], None]) -> Generator[JobOutcome | None]:
    """Completes all jobs, in any order.

    The first Ctrl-C calls `interrupted`, waits for the running jobs and ends; the second raises.

    Yields:
        Each job with its rows, or with the reason why it has none; None whenever no job has finished for a second.

    Raises:
        ZooError: if no worker process starts.
    """
    check_main_guard()
    pending = JobQueue(jobs)
    workers = min(execution.workers or default_workers(), len(pending))
    with LocalPool(execution, workers) as pool, contextlib.closing(complete_jobs(pending, pool, interrupted)) as outcomes:
        for outcome in outcomes:
            yield outcome and (outcome[0], outcome[1] if isinstance(outcome[1], Failure) else unpack(outcome[1]))


class _Task(NamedTuple):
    worker: _Worker
    job: Job
    future: Future[Packed | None]


class LocalPool:
    """Worker processes that are restarted when they crash. Use it in a `with` statement."""

    def __init__(self, execution: Execution, workers: int) -> None:
        self.execution = execution
        self.finished: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._workers = [_Worker(execution) for _ in range(workers)]
        self._not_started = 0  # consecutive jobs
        self._is_stopped = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def in_flight(self) -> int:
        """Number of submitted jobs that were not collected."""
        return sum(len(worker.futures) for worker in self._workers)

    @property
    def families(self) -> set[Family | None]:
        """The families of the workers' last jobs."""
        return {worker.family for worker in self._workers}

    def submit(self, jobs: JobQueue) -> None:
        """Gives each worker a running and a next job, of the same family as long as it has jobs."""
        for worker in self._workers:
            others = {other.family for other in self._workers if other is not worker}
            while not self._is_stopped and worker.is_ready() and (taken := jobs.take(1, worker.family, others)):
                worker.submit(taken[0], self.finished)

    def collect(self, task: _Task, jobs: JobQueue) -> list[tuple[Job, Packed]]:
        """The packed rows of a finished job, or the failure of one that will not be retried.

        Raises:
            ZooError: if many jobs in a row were not started by any process.
        """
        worker, job, future = task
        outcome = worker.result(job, future)
        if outcome is None:
            jobs.put([job])
            return []
        self._not_started = self._not_started + 1 if outcome == _NOT_STARTED else 0
        if self._not_started > _MOST_NOT_STARTED:
            raise ZooError(NO_WORKER_STARTS)
        if isinstance(outcome, Failure) and jobs.retry(job, _retries_after(outcome)):
            return []
        return [(job, outcome)]

    def stop(self) -> None:
        """Kills all processes; running jobs are lost. May be called from another thread."""
        self._is_stopped = True
        for worker in self._workers:
            worker.stop()
        self.finished.put(None)


class _Worker:
    """One process, which is replaced when it dies or a model has changed it irreversibly."""

    def __init__(self, execution: Execution) -> None:
        self.family: Family | None = None
        self.futures: set[Future[Packed | None]] = set()
        self._execution = execution
        self._process = self._start_process()
        self._needs_restart = False

    def is_ready(self) -> bool:
        """Whether it can accept another job."""
        if (self._needs_restart and not self.futures) or not self._process.active:
            self._kill_process()
            self._process, self._needs_restart = self._start_process(), False
        return len(self.futures) < _JOBS_PER_WORKER and not self._needs_restart

    def submit(self, job: Job, finished: queue.SimpleQueue[_Task | None]) -> None:
        self.family = (job.zoo, job.family)
        timeout_s = self._execution.timeout_s
        future = self._process.schedule(_run_packed, args=[job, timeout_s], timeout=timeout_s * len(job.keys) + _GRACE_S)
        self.futures.add(future)
        future.add_done_callback(lambda future: finished.put(_Task(self, job, future)))

    def result(self, job: Job, future: Future[Packed | None]) -> Packed | None:
        """The outcome of a finished job; None if the process refused it because it needs a restart."""
        self.futures.discard(future)
        try:
            outcome = future.result()
        except FutureTimeoutError:
            return timeout_failure(self._execution.timeout_s * len(job.keys))
        except BrokenProcessPool:
            return _NOT_STARTED
        except ProcessExpired as error:
            kill_group(error.pid)
            return Failure("worker", "", f"its process {describe_exit(error.exitcode)}")
        except Exception as error:  # noqa: BLE001  # any exception of a worker fails its job only
            return Failure("worker", type(error).__name__, str(error))
        self._needs_restart |= outcome is None
        return outcome

    def stop(self) -> None:
        for future in list(self.futures):
            future.cancel()  # a stopped pool never completes its futures
        self._kill_process()

    def _start_process(self) -> ProcessPool:
        memory_gb = self._execution.memory_gb
        return ProcessPool(max_workers=1, context=worker_context(), initializer=_initialize, initargs=[memory_gb])

    def _kill_process(self) -> None:
        self._process.stop()  # type: ignore[no-untyped-call]
        self._process.join()


def _initialize(memory_gb: float) -> None:
    from zoo.workers import worker  # in the worker only: it imports torch

    worker.initialize(memory_gb)


def _run_packed(job: Job, timeout_s: float) -> Packed | None:
    """Runs a job in a worker process. Rows are packed, because they may pass through processes that have no torch."""
    from zoo.workers import worker

    outcome = worker.run(job, timeout_s)
    return pack(outcome) if isinstance(outcome, list) else outcome


def _retries_after(failure: Failure) -> int:
    if failure == _NOT_STARTED:
        return _RETRIES_NOT_STARTED
    return _RETRIES_AFTER_CRASH if failure.stage == "worker" else 0
