"""Runs jobs on a Dask cluster. Its workers run them as local workers do, and return the rows.

Only a few batches of jobs for each thread of the cluster are in flight. `Client.map` over the plan is not used, because it would keep a long
plan in memory. Each batch is a task that Dask may run on any worker. Jobs of a batch whose worker died run again one at a time, when
nothing else is in flight: if the worker dies then, its job was the cause.
"""

from __future__ import annotations

import itertools
import queue
import time
import uuid
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from zoo.adapters.registry import open_zoo, zoo_names
from zoo.dask_backend.cluster import ClusterError, connected
from zoo.dask_backend.remote_worker import BatchResult, run_batch, stop_processes
from zoo.dask_backend.software_versions import installed_software, require_equal
from zoo.errors import ZooError
from zoo.jobs import Failure, Job
from zoo.records import Versions
from zoo.settings import Execution
from zoo.workers.job_queue import JobQueue, complete_jobs
from zoo.workers.local_pool import JobOutcome, Packed
from zoo.workers.packing import unpack
from zoo.workers.processes import check_main_guard

if TYPE_CHECKING:
    from distributed import Client, Future

_BATCH_S = 1.0
"""Target duration of a batch: short enough that a lost worker costs seconds, long enough that overhead is negligible."""

_FIRST_BATCH, _MAX_BATCH = 8, 64
"""Jobs in a batch while durations are unknown, and at most."""

_BATCHES_PER_THREAD = 2
"""The running batch and the next one."""

_REFRESH_S = 1.0
"""Time between two checks for workers that have joined or left."""

_MAX_DEATHS = 2
"""Workers that a job may crash before it is recorded as failed."""


def run_jobs(
    jobs: Iterable[Job],
    execution: Execution,
    versions: Mapping[str, Versions],
    interrupted: Callable[[], None],
    notify: Callable[[str], None],
) -> Generator[JobOutcome | None]:
    """Completes all jobs, in any order.

    The first Ctrl-C calls `interrupted`, waits for the batches in flight and ends; the second raises.

    Args:
        jobs: read while others run.
        execution: the cluster, and the limits of each job.
        versions: that the rows must be counted with, by zoo.
        interrupted: called at the first Ctrl-C.
        notify: called with messages about the cluster.

    Yields:
        Each job with its rows, or with the reason why it has none; None whenever no job has finished for a second.

    Raises:
        ClusterError: if the cluster cannot be started or reached, or is lost.
        VersionsDifferError: if other versions are installed on a worker.
        ZooError: if no worker process starts.
    """
    check_main_guard()
    with connected(execution, notify) as client, DaskPool(client, execution, versions, notify) as pool:
        yield from complete_jobs(JobQueue(jobs), pool, interrupted)


class DaskPool:
    """The workers of a cluster. Use it in a `with` statement."""

    def __init__(
        self, client: Client, execution: Execution, versions: Mapping[str, Versions], notify: Callable[[str], None]
    ) -> None:
        self.finished: queue.SimpleQueue[Future | None] = queue.SimpleQueue()
        self._client, self._versions, self._notify = client, versions, notify
        self._limits = Execution(workers=1, timeout_s=execution.timeout_s, memory_gb=execution.memory_gb)
        self._software = installed_software(_libraries_of(versions))
        self._batches: dict[Future, list[Job]] = {}
        self._deaths: Counter[Job] = Counter()  # of workers, by job of one row
        self._job_s = _BATCH_S / _FIRST_BATCH  # a moving average
        self._names = (f"zoometer-{uuid.uuid4().hex[:12]}-{number}" for number in itertools.count())
        self._threads: dict[str, int] = {}  # by address of the worker
        self._refreshed_at = float("-inf")
        self._is_waiting = False  # for workers to join

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._client.cancel(list(self._batches))
        finally:
            stop_processes()  # of Dask workers that are threads of this process: the cluster would wait for them

    @property
    def in_flight(self) -> int:
        """Number of submitted batches that were not collected."""
        return len(self._batches)

    def submit(self, jobs: JobQueue) -> None:
        """Submits batches until each thread of the cluster has enough; smaller ones at the end, so that workers finish together."""
        self._refresh_workers()
        most = _BATCHES_PER_THREAD * sum(self._threads.values())
        while len(self._batches) < most:
            size = min(_MAX_BATCH, round(_BATCH_S / self._job_s), len(jobs) // (_BATCHES_PER_THREAD * most))
            families = {(batch[-1].zoo, batch[-1].family) for batch in self._batches.values()}
            if not (batch := jobs.take(max(1, size), others=families)):
                break
            self._submit_batch(batch)
        if not self._batches:
            for address in self._threads:
                if jobs.isolated:
                    self._submit_batch([jobs.isolated.popleft()], address)

    def collect(self, task: Future, jobs: JobQueue) -> Iterator[JobOutcome]:
        """The rows of a finished batch, and the failures of jobs that will not be retried.

        Raises:
            ClusterError: if the cluster is lost, or its workers lack a package.
            VersionsDifferError: if a worker counted with other versions.
            ZooError: if no worker process starts.
        """
        from distributed.scheduler import KilledWorker

        batch = self._batches.pop(task)
        try:
            result: BatchResult = task.result()
        except KilledWorker as error:
            yield from self._retry_or_fail(batch, int(error.allowed_failures) + 1, jobs)
            return
        except ZooError:
            raise
        except ImportError as error:
            raise ClusterError(f"A Dask worker cannot import what it needs: {error}. Install the same zoometer there.") from error
        except Exception as error:
            if task.status in {"cancelled", "lost"}:
                raise ClusterError(
                    "The connection to Dask's scheduler was lost. Committed rows are kept; run the same command again to continue."
                ) from error
            failure = Failure("worker", type(error).__name__, str(error))
            result = BatchResult([(job, failure) for job in batch], self._job_s * len(batch))
        finally:
            task.release()
        self._job_s = (self._job_s + result.seconds / len(batch)) / 2 or 1e-6
        for job, outcome in result.outcomes:
            yield job, self._unpack_rows(job, outcome)

    def _retry_or_fail(self, batch: Sequence[Job], deaths: int, jobs: JobQueue) -> Iterator[JobOutcome]:
        """Isolates each row of a batch whose workers died. An isolated row fails when too many workers have died."""
        for row in (row for job in batch for row in job.split()):
            self._deaths[row] += deaths
            if [row] == batch and self._deaths[row] >= _MAX_DEATHS:
                yield row, Failure("worker", "", f"the Dask workers that ran it died, {self._deaths[row]} of them")
            else:
                jobs.isolated.append(row)

    def _unpack_rows(self, job: Job, outcome: Packed) -> Any:
        """The rows of a job. Versions of zoos are compared here, because a zoo need not state its libraries."""
        if isinstance(outcome, Failure):
            return outcome
        rows = unpack(outcome)
        for result in rows:
            counted_with, expected = result.row["library_version"], self._versions[job.zoo].library
            require_equal({job.zoo: expected}, {job.zoo: counted_with}, f"that counted {job.zoo}/{job.arch}")
        return rows

    def _submit_batch(self, batch: list[Job], address: str | None = None) -> None:
        workers = {"workers": [address], "allow_other_workers": True} if address else {}  # it may leave before it starts
        task = self._client.submit(run_batch, batch, self._limits, self._software, key=next(self._names), pure=False, **workers)
        self._batches[task] = batch
        task.add_done_callback(self.finished.put)

    def _refresh_workers(self) -> None:
        if time.monotonic() - self._refreshed_at < _REFRESH_S:
            return
        self._threads = self._client.nthreads()
        self._refreshed_at = time.monotonic()
        if not self._threads and not self._is_waiting:
            self._notify("The cluster has no workers; waiting for some to join.")
        self._is_waiting = not self._threads


def _libraries_of(zoos: Iterable[str]) -> list[str]:
    """The libraries that the versions of installed zoos depend on."""
    installed = [name for name in zoos if name in zoo_names()]
    return sorted({library for name in installed for library in open_zoo(name).libraries})
