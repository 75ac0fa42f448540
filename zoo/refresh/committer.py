"""Commits rows in small parts while others are counted: a killed run loses a few seconds of work."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self

import pyarrow as pa

from zoo.cache.maintenance import compact_if_scattered
from zoo.cache.schema.tables import table_of
from zoo.cache.store import Store
from zoo.errors import ZooError
from zoo.jobs import Failure, RunSummary, is_unsupported
from zoo.records import CostKey, Status, TraceKey
from zoo.workers.job_rows import JobResult, failed_result

if TYPE_CHECKING:
    from zoo.records import Versions
    from zoo.refresh.plan import Plan
    from zoo.settings import Execution, Listener
    from zoo.workers.local_pool import JobOutcome

COMMIT_EVERY_S = 4.0
"""Longest time that a row waits for its commit, apart from the second in which workers are polled."""

_COMPACT_EVERY = 10_000
"""Number of jobs after which a long run checks whether its small parts should be merged."""


class Committer:
    """Collects rows and commits them. Use it in a `with` statement."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pending: list[JobResult] = []
        self._oldest_at = 0.0  # when the oldest of them was added

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with contextlib.suppress(ZooError) if error else contextlib.nullcontext():  # the first error is the one to raise
            self.commit()

    def add(self, result: JobResult) -> None:
        """Adds a row, and commits if one has waited long enough.

        Raises:
            CacheError: if rows cannot be written.
        """
        if not self._pending:
            self._oldest_at = time.monotonic()
        self._pending.append(result)
        self.commit_if_due()

    def commit_if_due(self) -> None:
        """Commits if a row has waited long enough."""
        if self._pending and time.monotonic() - self._oldest_at >= COMMIT_EVERY_S:
            self.commit()

    def commit(self) -> None:
        """Commits all rows, each after its details."""
        pending, self._pending = self._pending, []  # before they are written, so that an error cannot make them be written twice
        for owner, details_name, kind in (("costs", "ops", CostKey), ("traces", "workloads", TraceKey)):
            results = [result for result in pending if isinstance(result.key, kind)]
            if details := [result.details for result in results if result.details is not None]:
                table = pa.concat_tables(details).combine_chunks()  # writing thousands of short chunks is slow
                self._store.append(details_name, table)
            self._store.append(owner, table_of(owner, [result.row for result in results]))


def count_and_commit(
    plan: Plan, execution: Execution, store: Store, summary: RunSummary, listener: Listener, versions: Mapping[str, Versions]
) -> None:
    """Runs the jobs of a plan and commits their rows. Updates the summary, and notifies the listener of each row.

    Raises:
        CacheError: if rows cannot be written; those before are committed.
    """
    if not plan.to_count:
        return

    def add_row(result: JobResult) -> None:
        result.row["fingerprint"] = plan.architectures[result.key.zoo, result.key.arch].fingerprint
        result.row["run"] = summary.run
        committer.add(result)
        _update_summary(summary, result)
        listener.counted(result.key, Status(result.row["status"]), result.row.get("reason"))

    def interrupted() -> None:
        summary.interrupted = True
        listener.notify("Waiting for running jobs; press Ctrl-C again to stop at once.")

    with Committer(store) as committer:
        for key, failure in plan.known_failures.items():
            add_row(failed_result(key, failure, versions[key.zoo]))
        if not plan.missing:
            return
        with contextlib.closing(_run_jobs(plan, execution, versions, interrupted, listener)) as outcomes:
            for number, outcome in enumerate(outcomes, start=1):
                for result in _results_of(outcome, versions):
                    add_row(result)
                committer.commit_if_due()
                if number % _COMPACT_EVERY == 0:
                    compact_if_scattered(store)


def _run_jobs(
    plan: Plan, execution: Execution, versions: Mapping[str, Versions], interrupted: Callable[[], None], listener: Listener
) -> Generator[JobOutcome | None]:
    """Runs the jobs of a plan on the configured backend."""
    if execution.backend == "dask":
        from zoo.dask_backend import client as dask

        return dask.run_jobs(plan.jobs(), execution, versions, interrupted, listener.notify)
    from zoo.workers import local_pool as local

    return local.run_jobs(plan.jobs(), execution, interrupted)


def _results_of(outcome: JobOutcome | None, versions: Mapping[str, Versions]) -> list[JobResult]:
    if outcome is None:
        return []
    job, results = outcome
    return [failed_result(key, results, versions[job.zoo]) for key in job.keys] if isinstance(results, Failure) else results


def _update_summary(summary: RunSummary, result: JobResult) -> None:
    has_failed = result.row["status"] == Status.FAILED
    if isinstance(result.key, TraceKey):
        summary.traced += not has_failed
        summary.untraced += has_failed
    else:
        summary.counted += not has_failed
        summary.failed += has_failed
        summary.unsupported += is_unsupported(result.row["status"], result.row["reason"])
