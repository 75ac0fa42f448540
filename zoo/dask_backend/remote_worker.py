"""The inside of a Dask worker: it does no job itself, but has each done by a process of its own, as local workers are.

A model can end, hang or fill that process; Dask's own goes on. Neither torch nor a zoo is imported here: rows are handed on as
they come. The processes stay for the next jobs, and end when none has come for a while, or with the Dask worker.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.util import Finalize
from typing import NamedTuple

from zoo.adapters.registry import adapter_modules
from zoo.dask_backend.software_versions import check_software
from zoo.records import Failure, Job
from zoo.settings import Execution
from zoo.workers.job_queue import Family, Waiting
from zoo.workers.local_pool import Worker, do_jobs, preload_workers

_IDLE_S = 60.0
"""For a process without jobs, until it is ended: another run may come, but its memory is somebody else's."""

Packed = tuple[Job, bytes | Failure]


class Done(NamedTuple):
    """What came of jobs that were done together."""

    packed: list[Packed]
    seconds: float  # that it took


@dataclass(frozen=True, slots=True)
class Order:
    """How jobs are to be done; the same for all of a run."""

    timeout_s: float
    memory_gb: float
    software: Mapping[str, str]  # versions that the jobs are to be done with

    @property
    def execution(self) -> Execution:
        """The same for a local worker."""
        return Execution(workers=1, timeout_s=self.timeout_s, memory_gb=self.memory_gb)


def count_jobs(jobs: Sequence[Job], order: Order) -> Done:
    """Does jobs one after another, with the limits and the second tries of a local run.

    Raises:
        VersionsDifferError: if this worker has other software than the client.
        ZooError: if no process gets as far as beginning with a job.
    """
    began = time.monotonic()
    check_software(order.software, _own_address())
    preload_workers(adapter_modules(dict.fromkeys(job.zoo for job in jobs)))
    with _processes.one(order.execution, (jobs[0].zoo, jobs[0].family)) as process:
        packed = list(do_jobs(Waiting(jobs), [process], lambda: None))
    return Done(packed, time.monotonic() - began)


def end_processes() -> None:
    """Ends the processes of the Dask workers that live in this process, whatever they are doing; there may be none."""
    _processes.stop()


class _Processes:
    """Processes that wait for jobs, by what they were started with. Each thread of a Dask worker takes one at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._busy: list[Worker] = []
        self._idle: list[tuple[float, Worker]] = []  # since when
        self._janitor: threading.Thread | None = None
        Finalize(None, self.stop, exitpriority=1)  # before multiprocessing waits for all processes there are

    @contextlib.contextmanager
    def one(self, execution: Execution, family: Family) -> Iterator[Worker]:
        """A process for a while, if possible one that is at the family; after an error it is not used again."""
        process = self._take(execution, family)
        try:
            yield process
        except BaseException:
            with self._lock:
                self._busy.remove(process)
            process.stop()
            raise
        self._give_back(process)

    def _take(self, execution: Execution, family: Family) -> Worker:
        with self._lock:
            fitting = [entry for entry in self._idle if entry[1].execution == execution]
            taken = next((entry for entry in fitting if entry[1].family == family), fitting[-1] if fitting else None)
            if taken:
                self._idle.remove(taken)
            process = taken[1] if taken else Worker(execution)
            self._busy.append(process)
            return process

    def _give_back(self, process: Worker) -> None:
        with self._lock:
            self._busy.remove(process)
            self._idle.append((time.monotonic(), process))
            if self._janitor is None:
                self._janitor = threading.Thread(target=self._end_idle_ones, name="janitor", daemon=True)
                self._janitor.start()

    def stop(self) -> None:
        """Ends all of them; those that are at a job begin with no other."""
        with self._lock:
            for process in [*self._busy, *(process for _, process in self._idle)]:
                process.end()
            self._idle.clear()

    def _end_idle_ones(self) -> None:
        while True:
            time.sleep(_IDLE_S / 4)
            with self._lock:
                ended = [entry for entry in self._idle if time.monotonic() - entry[0] > _IDLE_S]
                self._idle = [entry for entry in self._idle if entry not in ended]
            for _, process in ended:
                process.stop()


_processes = _Processes()


def _own_address() -> str:
    from distributed import get_worker

    try:
        return str(get_worker().address)
    except ValueError:  # not called by Dask
        return f"process {os.getpid()}"
