"""The difference between two runs in words."""

from __future__ import annotations

from zoo.cache.changes import Changes, Kind
from zoo.cache.runs import Run

KIND_ORDER = (Kind.CHANGED, Kind.FAILED, Kind.RECOVERED, Kind.REMOVED, Kind.ADDED, Kind.NOT_COMPARED)
"""What a reader has to look at comes first."""


def heading(changes: Changes) -> str:
    """`Changes from run a (2026-01-02 12:00) to run b (2026-01-03 12:00) of configs/nightly.yaml`."""
    config = f" of {changes.after.config}" if changes.after.config else ""
    start = f"from {run_name(changes.before)} " if changes.before else ""
    return f"Changes {start}{'to' if start else 'by'} {run_name(changes.after)}{config}"


def counts_line(changes: Changes) -> str:
    """`3 changed, 1 failed, 2,260 unchanged`; only what there is."""
    counts = {kind.value: changes.count(kind) for kind in KIND_ORDER} | {"unchanged": changes.unchanged}
    return ", ".join(f"{number:,} {name}" for name, number in counts.items() if number) or "nothing was compared"


def run_name(run: Run) -> str:
    """`run a (2026-01-02 12:00, killed)`."""
    unfinished = "" if run.status == "done" else f", {run.status}"
    return f"run {run.run} ({run.started_at:%Y-%m-%d %H:%M}{unfinished})"
