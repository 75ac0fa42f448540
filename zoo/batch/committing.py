"""Committing what was counted while the counting goes on, in small parts: a killed run loses a few seconds, and no row twice."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from zoo.cache.maintenance import compact_if_scattered
from zoo.cache.schema import table_of
from zoo.cache.store import Store
from zoo.errors import ZooError
from zoo.records import Failure, RunSummary, Status, is_unfit

if TYPE_CHECKING:
    from zoo.batch.job import Counted
    from zoo.batch.local import Outcome
    from zoo.batch.plan import Plan
    from zoo.batch.settings import Execution, Listener
    from zoo.records import Job, Versions

COMMIT_EVERY_S = 4.0
"""A row waits no longer than this before it is written."""

_LOOK_EVERY_S = 0.25

_TIDY_EVERY = 10_000
"""Jobs after which a long run looks whether its many small parts should be merged."""


class Committer:
    """Gathers rows and writes them: operations first, so that a cost never lacks its own. Use it in a `with` statement.

    A thread sees to it that rows do not wait for the next one to come: a model may take minutes.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rows: list[dict[str, Any]] = []
        self._operations: list[pa.Table] = []
        self._since = time.monotonic()  # when the oldest of them came
        self._lock = threading.Lock()
        self._has_ended = threading.Event()
        self._error: ZooError | None = None
        self._thread = threading.Thread(target=self._write_in_time, name="committer", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._has_ended.set()
        self._thread.join()
        with contextlib.suppress(ZooError) if error else contextlib.nullcontext():  # the first error is the one to tell
            self._raise_error()
            self.commit()

    def add(self, counted: Counted) -> None:
        """Takes a row, to be written within seconds.

        Raises:
            CacheError: if rows could not be written, now or meanwhile.
        """
        self._raise_error()
        with self._lock:
            if not self._rows:
                self._since = time.monotonic()
            self._rows.append(counted.row)
            if counted.operations is not None:
                self._operations.append(counted.operations)
        if self._is_due():
            self.commit()

    def commit(self) -> None:
        """Writes what there is."""
        with self._lock:
            rows, operations = self._rows, self._operations
            self._rows, self._operations = [], []  # first, so that none is written twice
            if operations:
                self._store.append("ops", pa.concat_tables(operations))
            self._store.append("costs", table_of("costs", rows))

    def _is_due(self) -> bool:
        return bool(self._rows) and time.monotonic() - self._since >= COMMIT_EVERY_S

    def _write_in_time(self) -> None:
        while not self._has_ended.wait(_LOOK_EVERY_S):
            if self._is_due():
                try:
                    self.commit()
                except ZooError as error:
                    self._error = error
                    return

    def _raise_error(self) -> None:
        if self._error is not None:
            error, self._error = self._error, None
            raise error


def count_and_commit(
    plan: Plan, execution: Execution, store: Store, summary: RunSummary, listener: Listener, versions: Mapping[str, Versions]
) -> None:
    """Does the plan's jobs and commits their rows; keeps the summary's figures, and tells the listener of each row.

    Raises:
        CacheError: if rows cannot be written; those before are committed.
    """
    if not plan.to_count:
        return
    from zoo.batch.job import failed_row

    def keep(counted: Counted) -> None:
        counted.row["fingerprint"] = plan.fingerprints.get((counted.key.zoo, counted.key.arch))
        counted.row["run"] = summary.run
        committer.add(counted)
        _tally(summary, counted.row)
        listener.counted(counted.key, Status(counted.row["status"]), counted.row.get("reason"))

    def interrupted() -> None:
        summary.interrupted = True
        listener.says("Finishing what is in hand; press Ctrl-C again to stop at once.")

    with Committer(store) as committer:
        for key, failure in plan.known_failures.items():
            keep(failed_row(key, failure, versions[key.zoo]))
        if plan.jobs:
            running = _run_jobs(plan.jobs, execution, versions, interrupted, listener.says)
            with contextlib.closing(running) as outcomes:
                for number, (job, outcome) in enumerate(outcomes, start=1):
                    for counted in _rows_of(job, outcome, versions[job.zoo]):
                        keep(counted)
                    if number % _TIDY_EVERY == 0:
                        compact_if_scattered(store)


def _run_jobs(
    jobs: Iterable[Job],
    execution: Execution,
    versions: Mapping[str, Versions],
    interrupted: Callable[[], None],
    says: Callable[[str], None],
) -> Generator[Outcome]:
    """Has the jobs done by whatever the execution names."""
    if execution.backend == "dask":
        from zoo.batch import dask

        return dask.run_jobs(jobs, execution, versions, interrupted, says)
    from zoo.batch import local

    return local.run_jobs(jobs, execution, interrupted)


def _rows_of(job: Job, outcome: list[Counted] | Failure, versions: Versions) -> list[Counted]:
    from zoo.batch.job import failed_row

    return [failed_row(key, outcome, versions) for key in job.keys()] if isinstance(outcome, Failure) else outcome


def _tally(summary: RunSummary, row: Mapping[str, Any]) -> None:
    if row["status"] == Status.FAILED:
        summary.failed += 1
        summary.unfit += is_unfit(row["status"], row["reason"])
    else:
        summary.counted += 1
