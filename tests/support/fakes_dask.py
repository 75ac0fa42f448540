"""A Dask client whose cluster does everything at once, in this process, and remembers what it was asked to hold."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from distributed.scheduler import KilledWorker

from zoo.dask_backend.remote_worker import BatchResult
from zoo.jobs import Failure, Job
from zoo.records import Versions
from zoo.settings import Execution
from zoo.workers.job_rows import failed_result
from zoo.workers.local_pool import Packed
from zoo.workers.packing import pack

VERSIONS = Versions("1.0", "2.0", "3")


def rows_of(job: Job) -> bytes:
    return pack([failed_result(key, Failure("run", "", "stub"), VERSIONS) for key in job.keys])


class FakeFuture:
    """A task that is finished as soon as somebody waits for it."""

    status = "finished"

    def __init__(self, client: FakeClient, jobs: Sequence[Job]) -> None:
        self._client, self._jobs = client, jobs

    def add_done_callback(self, tell: Callable[[Any], None]) -> None:
        tell(self)

    def result(self) -> BatchResult:
        return BatchResult(self._client.do(self, self._jobs), self._client.seconds * len(self._jobs))

    def release(self) -> None:
        self._client.held -= len(self._jobs)


class FakeClient:
    """`killers` are the names of models that end the Dask worker they come to; `fails` is raised by every task; a job takes `seconds`."""

    def __init__(
        self,
        workers: Mapping[str, int],
        *,
        killers: Sequence[str] = (),
        allowed_failures: int = 0,
        fails: BaseException | None = None,
        status: str = "finished",
        seconds: float = 0.0,
    ) -> None:
        self.seconds = seconds
        self.workers, self._killers, self._allowed, self._fails, self._status = workers, killers, allowed_failures, fails, status
        self.deaths: Counter[str] = Counter()
        self.held = self.most_held = 0
        self.sizes: list[int] = []
        self.joining: deque[Mapping[str, int]] = deque()
        self.cancelled: list[Any] = []

    def nthreads(self) -> dict[str, int]:
        if self.joining:
            self.workers = self.joining.popleft()
        return dict(self.workers)

    def submit(self, function: Any, jobs: Sequence[Job], limits: Execution, software: Any, **options: Any) -> FakeFuture:
        assert self.workers.keys() >= set(options.get("workers", ()))
        self.held += len(jobs)
        self.most_held = max(self.most_held, self.held)
        self.sizes.append(len(jobs))
        future = FakeFuture(self, jobs)
        future.status = self._status
        return future

    def cancel(self, futures: Sequence[Any]) -> None:
        self.cancelled += futures

    def do(self, future: FakeFuture, jobs: Sequence[Job]) -> list[tuple[Job, Packed]]:
        if self._fails:
            raise self._fails
        if killing := [job.arch for job in jobs if job.arch in self._killers]:
            self.deaths.update(dict.fromkeys(killing, self._allowed + 1))
            raise KilledWorker("task", None, self._allowed)
        return [(job, rows_of(job)) for job in jobs]
