"""The same jobs on a Dask cluster: its workers have them done as local workers do, and send the rows back.

Only a few jobs for each worker are submitted at a time, and what has come back is forgotten at once. What a worker had in hand when
it left or died is done again elsewhere. A job that was alone on a worker when that died for the second time gets a failed row.
"""

from __future__ import annotations

import itertools
import queue
import time
import uuid
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zoo.adapters.registry import open_zoo, zoo_names
from zoo.dask_backend.cluster import ClusterError, connected
from zoo.dask_backend.remote_worker import Done, Order, Packed, count_jobs, end_processes
from zoo.dask_backend.software_versions import refuse_differences, software
from zoo.errors import ZooError
from zoo.records import CostKey, Failure, Job, TraceKey, Versions
from zoo.settings import Execution
from zoo.workers.job_queue import Family, Waiting, catching_interrupt
from zoo.workers.local_pool import Outcome
from zoo.workers.packing import unpack
from zoo.workers.processes import refuse_in_a_starting_worker

if TYPE_CHECKING:
    from distributed import Client, Future

_BATCH_S = 1.0
"""What jobs sent at once should take: little enough that a lost worker costs seconds, enough that sending costs next to nothing."""

_FIRST_BATCH, _MOST_AT_ONCE = 8, 64
"""Jobs sent at once to a worker of which nothing is known yet, and to the fastest."""

_IN_HAND = 2
"""Batches for each thread of a worker: the one it does and the next."""

_LOOK_EVERY_S = 1.0
"""How often workers that have come or gone are noticed."""

_DEATHS = 2
"""Workers that a job may take along, before it is held to be the cause."""


def run_jobs(
    jobs: Iterable[Job],
    execution: Execution,
    versions: Mapping[str, Versions],
    interrupted: Callable[[], None],
    says: Callable[[str], None],
) -> Generator[Outcome]:
    """Does all jobs, in any order.

    The first Ctrl-C calls `interrupted`, finishes what is in hand and ends; a second raises.

    Args:
        jobs: read on as they are done.
        execution: the cluster, and the limits of each job.
        versions: by zoo, what the rows must have been counted with.
        interrupted: is called by the first Ctrl-C.
        says: is told of the cluster.

    Yields:
        Each job with its rows, or with the failure that kept it from having any.

    Raises:
        ClusterError: if the cluster cannot be started or reached, or is lost.
        VersionsDifferError: if a worker has other software than this process.
        ZooError: if workers cannot begin with any job.
    """
    refuse_in_a_starting_worker()
    order = Order(execution.timeout_s, execution.memory_gb, software(_libraries(versions)))
    with connected(execution, says) as client:
        try:
            yield from do_jobs(Waiting(jobs), _Crew(client, order, says), versions, interrupted)
        finally:
            end_processes()  # of workers that are threads of this process, which the cluster would wait for


def do_jobs(
    waiting: Waiting, crew: _Crew, versions: Mapping[str, Versions], interrupted: Callable[[], None]
) -> Generator[Outcome]:
    """Has all jobs done by the crew."""
    deaths: Counter[CostKey | TraceKey] = Counter()
    is_ending = False
    try:
        with catching_interrupt(lambda: crew.done.put(None)):
            while crew.in_hand or (waiting and not is_ending):
                if not is_ending:
                    crew.take(waiting)
                try:
                    ready = crew.done.get(timeout=_LOOK_EVERY_S)
                except queue.Empty:
                    continue
                if ready is None:
                    is_ending = True
                    interrupted()
                    continue
                for job, outcome in _settled(ready, crew.outcome(ready), waiting, deaths):
                    rows = outcome if isinstance(outcome, Failure) else unpack(outcome)
                    _check_rows(rows, versions, job.zoo)
                    yield job, rows
    finally:
        crew.stop()


def _settled(batch: _Batch, outcome: list[Packed] | int, waiting: Waiting, deaths: Counter[CostKey | TraceKey]) -> list[Packed]:
    """What came of a batch: its rows; or, where workers died with it, failures of those that did so too often."""
    if not isinstance(outcome, int):
        return outcome
    jobs = [alone for job in batch.jobs for alone in job.split()]
    keys = [key for job in jobs for key in job.row_keys()]
    deaths.update(dict.fromkeys(keys, outcome))
    if len(keys) == 1 and deaths[keys[0]] >= _DEATHS:
        return [(jobs[0], Failure("worker", "", f"the Dask workers that had it in hand died, {deaths[keys[0]]} of them"))]
    waiting.suspect(jobs)
    return []


def _check_rows(rows: list[Any] | Failure, versions: Mapping[str, Versions], zoo: str) -> None:
    """Rows of another library are not what the plan asked for; a zoo may not name the libraries its version comes from."""
    for counted in rows if isinstance(rows, list) else ():
        found, expected = counted.row["library_version"], versions[zoo].library
        refuse_differences({zoo: expected}, {zoo: found}, f"that counted {zoo}/{counted.key.arch}")


@dataclass(slots=True)
class _Seat:
    """A Dask worker, as far as it is known here."""

    threads: int
    family: Family | None = None
    in_hand: int = 0
    has_suspect: bool = False
    batch: int = _FIRST_BATCH  # jobs to send at once

    def learn(self, jobs: int, seconds: float) -> None:
        """Takes note of how long jobs took that were sent at once."""
        self.batch = max(1, min(_MOST_AT_ONCE, 2 * jobs, int(jobs * _BATCH_S / max(seconds, 1e-3))))


@dataclass(frozen=True, slots=True)
class _Batch:
    """Jobs that were submitted together."""

    number: int
    jobs: Sequence[Job]
    seat: _Seat
    future: Future | None = field(default=None, compare=False)


class _Crew:
    """The cluster's workers, and what they have in hand."""

    def __init__(self, client: Client, order: Order, says: Callable[[str], None]) -> None:
        self._client, self._order, self._says = client, order, says
        self.done: queue.SimpleQueue[_Batch | None] = queue.SimpleQueue()
        self.in_hand: dict[int, _Batch] = {}
        self._seats: dict[str, _Seat] = {}
        self._numbers = itertools.count()
        self._name = f"zoometer-{uuid.uuid4().hex[:12]}"
        self._looked_at = float("-inf")
        self._has_told = False

    def take(self, waiting: Waiting) -> None:
        """Submits as much as the workers there are can hold; towards the end less at a time, so that they end together."""
        self._look()
        threads = sum(seat.threads for seat in self._seats.values())
        for address, seat in self._seats.items():
            others: set[Family | None] = {other.family for other in self._seats.values() if other is not seat}
            while not seat.has_suspect and seat.in_hand < _IN_HAND * seat.threads:
                most = max(1, min(seat.batch, len(waiting) // (_IN_HAND * _IN_HAND * threads)))
                if batch := waiting.batch_for(seat.family, others, most):
                    seat.family = (batch[-1].zoo, batch[-1].family)
                    self._submit(batch, address, seat)
                elif seat.in_hand == 0 and (suspect := waiting.next_suspect()):
                    seat.has_suspect = True
                    self._submit([suspect], address, seat)
                else:
                    break

    def outcome(self, batch: _Batch) -> list[Packed] | int:
        """What came back of a batch; or how many workers died with it.

        Raises:
            ClusterError: if the cluster is lost, or its workers lack zoometer.
            ZooError: as `count_jobs` does.
        """
        from distributed.scheduler import KilledWorker

        future = self.in_hand.pop(batch.number).future
        batch.seat.in_hand -= 1
        batch.seat.has_suspect = False
        assert future is not None
        try:
            done: Done = future.result()
        except KilledWorker as error:
            return int(error.allowed_failures) + 1
        except ZooError:
            raise
        except ImportError as error:
            raise ClusterError(f"A Dask worker cannot import what it needs: {error}. Install the same zoometer there.") from error
        except Exception as error:
            if future.status in {"cancelled", "lost"}:
                raise ClusterError(
                    "The connection to Dask's scheduler was lost. What was counted is kept; the same command goes on from there."
                ) from error
            failure = Failure("worker", type(error).__name__, str(error))
            return [(job, failure) for job in batch.jobs]
        finally:
            future.release()
        batch.seat.learn(len(batch.jobs), done.seconds)
        return done.packed

    def stop(self) -> None:
        """Lets go of what is still in hand."""
        self._client.cancel([batch.future for batch in self.in_hand.values()])
        self.in_hand.clear()

    def _submit(self, jobs: Sequence[Job], address: str, seat: _Seat) -> None:
        number = next(self._numbers)
        future = self._client.submit(
            count_jobs,
            jobs,
            self._order,
            key=f"{self._name}-{number}",
            workers=[address],
            allow_other_workers=True,  # it may be gone before it begins
            pure=False,
        )
        batch = self.in_hand[number] = _Batch(number, jobs, seat, future)
        seat.in_hand += 1
        future.add_done_callback(lambda _: self.done.put(batch))

    def _look(self) -> None:
        """Notices workers that have come or gone."""
        if time.monotonic() - self._looked_at < _LOOK_EVERY_S:
            return
        threads = self._client.nthreads()
        self._looked_at = time.monotonic()
        self._seats = {address: self._seats.get(address) or _Seat(n) for address, n in threads.items()}
        if not self._seats and not self._has_told:
            self._says("The cluster has no workers yet; waiting for some to join.")
        self._has_told = not self._seats


def _libraries(zoos: Iterable[str]) -> list[str]:
    """The libraries that installed zoos say their models come from."""
    installed = [name for name in zoos if name in zoo_names()]
    return sorted({library for name in installed for library in getattr(open_zoo(name), "libraries", ())})
