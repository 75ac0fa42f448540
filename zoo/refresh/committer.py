"""Committing what was counted while the counting goes on, in small parts: a killed run loses a few seconds, and no row twice."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self

import pyarrow as pa

from zoo.cache.maintenance import compact_if_scattered
from zoo.cache.schema.tables import table_of
from zoo.cache.schema.trace_rows import with_traces
from zoo.cache.store import Store
from zoo.errors import ZooError
from zoo.jobs import Failure, RunSummary, is_unsupported
from zoo.records import Status, TraceKey

if TYPE_CHECKING:
    from zoo.jobs import Job
    from zoo.records import Versions
    from zoo.refresh.plan import Plan
    from zoo.settings import Execution, Listener
    from zoo.workers.job import CountResult, JobResult
    from zoo.workers.local_pool import JobOutcome
    from zoo.workers.trace_job import TraceResult

COMMIT_EVERY_S = 4.0
"""A row waits no longer than this before it is written."""

_LOOK_EVERY_S = 0.25

_TIDY_EVERY = 10_000
"""Jobs after which a long run looks whether its many small parts should be merged."""


class Committer:
    """Gathers rows and writes them: details first, so that no cost and no trace lacks its own. Use it in a `with` statement.

    A thread sees to it that rows do not wait for the next one to come: a model may take minutes.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._counted: list[CountResult] = []
        self._traced: list[TraceResult] = []
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

    def add(self, row: JobResult) -> None:
        """Takes a row, to be written within seconds.

        Raises:
            CacheError: if rows could not be written, now or meanwhile.
        """
        self._raise_error()
        with self._lock:
            if not self._has_rows():
                self._since = time.monotonic()
            if isinstance(row.key, TraceKey):
                self._traced.append(row)
            else:
                self._counted.append(row)
        if self._is_due():
            self.commit()

    def commit(self) -> None:
        """Writes what there is."""
        with self._lock:
            counted, traced = self._counted, self._traced
            self._counted, self._traced = [], []  # first, so that none is written twice
            self._append_details("ops", [one.operations for one in counted])
            self._store.append("costs", table_of("costs", [one.row for one in counted]))
            self._append_details("workloads", [one.workload for one in traced])
            rows = table_of("traces", [one.row for one in traced])
            self._store.append("traces", with_traces(rows, [one.trace for one in traced]))

    def _append_details(self, name: str, tables: list[pa.Table | None]) -> None:
        if known := [table for table in tables if table is not None]:
            self._store.append(name, pa.concat_tables(known).combine_chunks())  # thousands of short pieces are slow to write

    def _has_rows(self) -> bool:
        return bool(self._counted or self._traced)

    def _is_due(self) -> bool:
        return self._has_rows() and time.monotonic() - self._since >= COMMIT_EVERY_S

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
    from zoo.workers.job import failed_result

    def keep(counted: JobResult) -> None:
        counted.row["fingerprint"] = plan.fingerprints.get((counted.key.zoo, counted.key.arch))
        counted.row["run"] = summary.run
        committer.add(counted)
        _tally(summary, counted)
        listener.counted(counted.key, Status(counted.row["status"]), counted.row.get("reason"))

    def interrupted() -> None:
        summary.interrupted = True
        listener.notify("Finishing what is in hand; press Ctrl-C again to stop at once.")

    with Committer(store) as committer:
        for key, failure in plan.known_failures.items():
            keep(failed_result(key, failure, versions[key.zoo]))
        if plan.jobs:
            running = _run_jobs(plan.jobs, execution, versions, interrupted, listener.notify)
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
    notify: Callable[[str], None],
) -> Generator[JobOutcome]:
    """Has the jobs done by whatever the execution names."""
    if execution.backend == "dask":
        from zoo.dask_backend import client as dask

        return dask.run_jobs(jobs, execution, versions, interrupted, notify)
    from zoo.workers import local_pool as local

    return local.run_jobs(jobs, execution, interrupted)


def _rows_of(job: Job, outcome: list[JobResult] | Failure, versions: Versions) -> list[JobResult]:
    from zoo.workers.job import failed_result

    return [failed_result(key, outcome, versions) for key in job.row_keys()] if isinstance(outcome, Failure) else outcome


def _tally(summary: RunSummary, counted: JobResult) -> None:
    row = counted.row
    if isinstance(counted.key, TraceKey):
        summary.traced += row["status"] != Status.FAILED
        summary.untraced += row["status"] == Status.FAILED
    elif row["status"] == Status.FAILED:
        summary.failed += 1
        summary.unsupported += is_unsupported(row["status"], row["reason"])
    else:
        summary.counted += 1
