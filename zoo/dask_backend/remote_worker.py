"""Runs jobs inside a Dask worker, in worker processes as in a local run, so that no model can crash the Dask worker itself.

Neither torch nor a zoo is imported here, and rows are passed on in packed form. The processes are kept for the next batch. They end when
they have been idle for a while, and with the Dask worker.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing.util import Finalize
from typing import NamedTuple

from zoo.adapters.registry import adapter_modules
from zoo.dask_backend.software_versions import installed_software, require_equal
from zoo.jobs import Job
from zoo.settings import Execution
from zoo.workers.job_queue import Family, JobQueue, complete_jobs
from zoo.workers.local_pool import LocalPool, Packed, preload_workers

_IDLE_S = 60.0
"""Time after which an idle process ends, to free its memory; until then another run may use it."""


class BatchResult(NamedTuple):
    """Results of jobs that were sent together."""

    outcomes: list[tuple[Job, Packed]]
    seconds: float  # for all of them


def run_batch(jobs: Sequence[Job], limits: Execution, software: Mapping[str, str]) -> BatchResult:
    """Runs jobs one after another, with the limits and retries of a local run.

    Args:
        jobs: preferably of one family, which a process runs faster.
        limits: time and memory, of one worker process.
        software: versions that must be installed here.

    Raises:
        VersionsDifferError: if other versions are installed on this worker.
        ZooError: if no worker process starts.
    """
    began = time.monotonic()
    require_equal(software, installed_software(software), _worker_address())
    preload_workers(adapter_modules(dict.fromkeys(job.zoo for job in jobs)))
    with _pools.borrow(limits, (jobs[0].zoo, jobs[0].family)) as pool:
        outcomes = [outcome for outcome in complete_jobs(JobQueue(jobs), pool, lambda: None) if outcome]
    return BatchResult(outcomes, time.monotonic() - began)


def stop_processes() -> None:
    """Kills the worker processes that this process has started for Dask workers, if any."""
    _pools.stop()


class _Pools:
    """Worker processes that are reused; one for each thread of the Dask workers in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._busy: list[LocalPool] = []
        self._idle: list[tuple[float, LocalPool]] = []  # with the time since when they are idle
        self._janitor: threading.Thread | None = None
        Finalize(None, self.stop, exitpriority=1)  # before multiprocessing joins its processes

    @contextlib.contextmanager
    def borrow(self, limits: Execution, family: Family) -> Iterator[LocalPool]:
        """A worker process, if possible one that has run this family; after an exception it is not reused."""
        pool = self._take_pool(limits, family)
        try:
            yield pool
        except BaseException:
            with self._lock:
                self._busy.remove(pool)
            pool.stop()
            raise
        with self._lock:
            self._busy.remove(pool)
            self._idle.append((time.monotonic(), pool))
            if self._janitor is None:
                self._janitor = threading.Thread(target=self._stop_idle, name="janitor", daemon=True)
                self._janitor.start()

    def _take_pool(self, limits: Execution, family: Family) -> LocalPool:
        with self._lock:
            usable = [entry for entry in self._idle if entry[1].execution == limits]
            entry = max(usable, key=lambda entry: family in entry[1].families, default=None)
            if entry:
                self._idle.remove(entry)
            pool = entry[1] if entry else LocalPool(limits, workers=1)
            self._busy.append(pool)
            return pool

    def stop(self) -> None:
        """Stops all of them. Busy ones start no further job."""
        with self._lock:
            for pool in [*self._busy, *(pool for _, pool in self._idle)]:
                pool.stop()
            self._idle.clear()

    def _stop_idle(self) -> None:
        while True:
            time.sleep(_IDLE_S / 4)
            with self._lock:
                expired = [entry for entry in self._idle if time.monotonic() - entry[0] > _IDLE_S]
                self._idle = [entry for entry in self._idle if entry not in expired]
            for _, pool in expired:
                pool.stop()


_pools = _Pools()


def _worker_address() -> str:
    from distributed import get_worker

    try:
        return str(get_worker().address)
    except ValueError:  # not called by Dask
        return f"process {os.getpid()}"
