"""The `runs` table as records: what each refresh did, and when it ended."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from zoo.errors import InputError, UnknownNameError, did_you_mean

LATEST = "latest"
_LISTED_RUNS = 5
"""Runs listed in the error about one that does not exist."""


class RunStatus(enum.StrEnum):
    """State of a run."""

    RUNNING = "running"  # or killed: a killed run cannot update its row
    DONE = "done"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A row of the `runs` table; columns that an older version did not write are None."""

    run: str
    status: str
    started_at: datetime
    config: str | None = None
    only: str | None = None  # the globs of --only
    plan: str | None = None  # identifies the run's keys in the table `plans`
    selection: str | None = None  # a digest of the configuration's selection
    results: str | None = None  # identifies the accuracies in force in the table `results`; None: there were none
    planned: int | None = None
    counted: int | None = None
    failed: int | None = None
    unsupported: int | None = None
    broken: int | None = None
    failing: int | None = None
    added: int | None = None
    removed: int | None = None
    changed: int | None = None
    recovered: int | None = None
    versions: str | None = None
    finished_at: datetime | None = None
    seconds: float | None = None

    @property
    def ended_at(self) -> datetime:
        """When the run ended; its start if it was killed."""
        with contextlib.suppress(OverflowError, ValueError):  # an invalid duration
            return self.finished_at or self.started_at + timedelta(seconds=self.seconds or 0)
        return self.started_at


def run_records(rows: Iterable[Mapping[str, Any]]) -> list[RunRecord]:
    """The runs in the order in which they began. If a run has a row from its start and one from its end, the latter counts."""
    names = [field.name for field in dataclasses.fields(RunRecord)]
    records: dict[str, RunRecord] = {}
    for row in rows:
        if row["run"] is None or row["started_at"] is None:  # not written by zoometer
            continue
        record = RunRecord(**{name: row[name] for name in names})
        if record.run not in records or records[record.run].status == RunStatus.RUNNING:
            records[record.run] = record
    return sorted(records.values(), key=lambda record: (record.started_at, record.run))


def find_run(runs: Sequence[RunRecord], name: str) -> RunRecord:
    """The run with this name or the only one whose name begins with it; `latest` is the one that began last.

    Raises:
        UnknownNameError: if there is none, or more than one.
    """
    if not runs:
        raise UnknownNameError("The cache has no run yet. Make one with: zoometer refresh CONFIG")
    if name == LATEST:
        return runs[-1]
    matching = [run for run in runs if run.run == name] or [run for run in runs if name and run.run.startswith(name)]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise UnknownNameError(f"Several runs begin with '{name}': {', '.join(run.run for run in matching[-_LISTED_RUNS:])}.")
    newest = ", ".join(run.run for run in runs[-_LISTED_RUNS:])
    hint = did_you_mean(name, [run.run for run in runs]) or f" The newest are {newest}; `zoometer cache info` lists them."
    raise UnknownNameError(f"There is no run '{name}'.{hint}")


def run_since(runs: Sequence[RunRecord], text: str) -> RunRecord:
    """The run to compare the last one with: a name, or the last run of the same configuration before a date (UTC).

    Where all runs are later than the date, it is the first.

    Raises:
        UnknownNameError: if there is no such run.
        InputError: if no run is later than the date.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return find_run(runs, text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    last = find_run(runs, LATEST)
    if last.started_at < moment:
        raise InputError(f"No run since {text}: the last one began {last.started_at:%Y-%m-%d %H:%M}. Name an earlier date.")
    alike = [run for run in runs if run.config == last.config and run.only == last.only]
    return next((run for run in reversed(alike) if run.started_at < moment), alike[0])
