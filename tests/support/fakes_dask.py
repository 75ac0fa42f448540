"""A Dask client whose cluster does everything at once, in this process, and remembers what it was asked to hold."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from distributed.scheduler import KilledWorker

from zoo.dask_backend.remote_worker import Done, Order, Packed
from zoo.records import Failure, Job, Versions
from zoo.workers.job import failed_result
from zoo.workers.packing import pack

VERSIONS = Versions("1.0", "2.0", "3")
ORDER = Order(1.0, 1.0, {})


def rows_of(job: Job) -> bytes:
    return pack([failed_result(key, Failure("run", "", "stub"), VERSIONS) for key in job.row_keys()])


class FakeFuture:
    """A task that is finished as soon as somebody waits for it."""

    status = "finished"

    def __init__(self, client: FakeClient, jobs: Sequence[Job]) -> None:
        self._client, self._jobs = client, jobs

    def add_done_callback(self, tell: Callable[[Any], None]) -> None:
        tell(self)

    def result(self) -> Done:
        return Done(self._client.do(self, self._jobs), self._client.seconds * len(self._jobs))

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

    def submit(self, function: Any, jobs: Sequence[Job], order: Order, **options: Any) -> FakeFuture:
        assert options["workers"][0] in self.workers
        self.held += len(jobs)
        self.most_held = max(self.most_held, self.held)
        self.sizes.append(len(jobs))
        future = FakeFuture(self, jobs)
        future.status = self._status
        return future

    def cancel(self, futures: Sequence[Any]) -> None:
        self.cancelled += futures

    def do(self, future: FakeFuture, jobs: Sequence[Job]) -> list[Packed]:
        if self._fails:
            raise self._fails
        if killing := [job.arch for job in jobs if job.arch in self._killers]:
            self.deaths.update(dict.fromkeys(killing, self._allowed + 1))
            raise KilledWorker("task", None, self._allowed)
        return [(job, rows_of(job)) for job in jobs]
