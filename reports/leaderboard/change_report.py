"""The difference between two runs as a report shows it."""

from __future__ import annotations

import pandas as pd

from reports.columns.section_columns import CHANGES
from reports.columns.table_rows import typed_table
from reports.leaderboard.report import ChangeReport
from zoo.cache.changes import ChangeKind, Changes
from zoo.cache.runs import RunRecord


def build_change_report(changes: Changes) -> ChangeReport:
    """The heading, the number of keys of each kind, and the rows with the change in percent.

    Of a first run, to which everything is new, what was added is only counted.
    """
    rows = changes.rows if changes.before else changes.rows[changes.rows["kind"] != ChangeKind.ADDED]
    old, new = (rows[key].astype("Float64") for key in ("old", "new"))
    percent = (100 * (new - old) / old.mask(old == 0)).rename("change")
    counts = {kind.replace("_", " "): number for kind, number in changes.counts().items() if number}
    return ChangeReport(_changes_heading(changes), counts, typed_table(pd.concat([rows, percent], axis=1), CHANGES))


def _changes_heading(changes: Changes) -> str:
    """`Changes from run a (2026-01-02 12:00) to run b (2026-01-03 12:00) of configs/nightly.yaml`."""
    runs = f"from {_describe_run(changes.before)} to" if changes.before else "by"
    config = f" of {changes.after.config}" if changes.after.config else ""
    return f"Changes {runs} {_describe_run(changes.after)}{config}"


def _describe_run(run: RunRecord) -> str:
    """`run a (2026-01-02 12:00, killed)`."""
    unfinished = "" if run.status == "done" else f", {run.status}"
    return f"run {run.run} ({run.started_at:%Y-%m-%d %H:%M}{unfinished})"
