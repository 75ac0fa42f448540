"""What each refresh did, and the moment it left the cache at: the `runs` table as records."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from zoo.errors import UnknownNameError, did_you_mean

LATEST = "latest"
_TOLD = 5
"""Runs named in the sentence about one that does not exist."""


class RunStatus(enum.StrEnum):
    """How a run went."""

    RUNNING = "running"  # or killed: a run has no time to say so
    DONE = "done"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Run:
    """A row of the `runs` table; what an older version did not record is None."""

    run: str
    status: str
    started_at: datetime
    config: str | None = None
    only: str | None = None  # the globs it was narrowed to
    plan: str | None = None  # name of its keys in the table `plans`
    selection: str | None = None  # a digest of what was asked of it
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
        """When the last of its rows can have been counted; its start, where nobody knows."""
        return self.finished_at or self.started_at + timedelta(seconds=self.seconds or 0)


def runs_of(rows: Iterable[Mapping[str, Any]]) -> list[Run]:
    """The runs in the order they began. Of a run with two rows, one says that it ended."""
    names = [field.name for field in dataclasses.fields(Run)]
    found: dict[str, Run] = {}
    for row in rows:
        run = Run(**{name: row[name] for name in names})
        if run.run not in found or found[run.run].status == RunStatus.RUNNING:
            found[run.run] = run
    return sorted(found.values(), key=lambda run: (run.started_at, run.run))


def find_run(runs: Sequence[Run], name: str) -> Run:
    """The run with this name, or whose name alone begins so; `latest` is the one that began last.

    Raises:
        UnknownNameError: if there is none, or more than one.
    """
    if not runs:
        raise UnknownNameError("The cache has no run yet. Make one with: zoometer refresh CONFIG")
    if name == LATEST:
        return runs[-1]
    found = [run for run in runs if run.run == name] or [run for run in runs if name and run.run.startswith(name)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UnknownNameError(f"Several runs begin with '{name}': {', '.join(run.run for run in found[-_TOLD:])}.")
    newest = ", ".join(run.run for run in runs[-_TOLD:])
    hint = did_you_mean(name, [run.run for run in runs]) or f" The newest are {newest}; `zoometer cache info` lists them."
    raise UnknownNameError(f"There is no run '{name}'.{hint}")
