"""The changes between two runs: text for a terminal, Markdown for a merge request, and a record for programs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.text import Text

from reports.columns.format import UNKNOWN
from reports.columns.table_rows import records
from reports.exports.markdown import table_lines
from reports.leaderboard.report import ChangeReport
from reports.terminal.console import print_table, print_title
from reports.terminal.trends_text import ONE_RUN, ChangeSection, between_record, between_sections
from reports.trends.between import Between
from zoo.cache.changes import Changes
from zoo.cache.runs import RunRecord
from zoo.records import Variant

_CHANGED = "changed"
_FIGURES = ("Old", "New", "Change")


def changes_record(changes: Changes, between: Between | None) -> dict[str, Any]:
    """Everything, with exact numbers."""
    return {
        "before": changes.before and _run_record(changes.before),
        "after": _run_record(changes.after),
        "counts": changes.counts(),
        "failing": changes.failing,
        "rows": list(records(changes.rows)),
        **between_record(between),
    }


def _run_record(run: RunRecord) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in dataclasses.asdict(run).items()}


def print_changes(console: Console, changes: ChangeReport, between: Between | None, most: int | None) -> None:
    """The runs, the number of keys of each kind, and a table of each kind of change with at most `most` rows."""
    console.print(Text(changes.heading, style="bold"))
    console.print(f"  {changes}")
    for section in (*_cost_sections(changes), *between_sections(between)):
        print_title(console, section.title, section.note)
        print_table(console, section.headers, section.rows[:most], right=section.right, wraps=section.wraps)
        if most is not None and len(section.rows) > most:
            console.print(f"  and {len(section.rows) - most:,} more rows; --all shows them")
    if between is None:
        console.print(f"  {ONE_RUN}")
    elif between.why_not:
        console.print(f"\n  {between.why_not}")


def changes_markdown(changes: ChangeReport, between: Between | None, most: int | None) -> str:
    """The same as Markdown."""
    lines = [f"**{changes.heading}**", "", str(changes), ""]
    for section in (*_cost_sections(changes), *between_sections(between)):
        lines += [f"### {section.title}", "", *([section.note, ""] if section.note else [])]
        lines += table_lines(section.headers, section.rows[:most], right=section.right)
        if most is not None and len(section.rows) > most:
            lines += ["", f"and {len(section.rows) - most:,} more rows."]
        lines.append("")
    return "\n".join([*lines, between.why_not if between else ONE_RUN]).rstrip()


def _cost_sections(changes: ChangeReport) -> Iterator[ChangeSection]:
    """A table of each kind of change that occurs."""
    for kind in changes.KINDS:
        rows = [_change_cells(row) for row in records(changes.rows[changes.rows["kind"] == kind])]
        headers = ("Figure", *_FIGURES, "Likely cause") if kind == _CHANGED else ("Was", "Is", "Why")
        if rows:
            yield ChangeSection(kind.capitalize(), "", ("Model", "Input", *headers), rows, _FIGURES)


def _change_cells(row: Mapping[str, Any]) -> list[str]:
    model = [_model_name(row), row["input"]]
    if row["kind"] != _CHANGED:
        return [*model, row["old_status"] or UNKNOWN, row["new_status"] or UNKNOWN, row["cause"] or ""]
    if row["figure"] == "status":
        return [*model, "status", row["old_status"], row["new_status"], "", row["cause"]]
    percent = "" if row["change"] is None else f"{row['change']:+.2f} %"
    return [*model, row["figure"], _integer(row["old"]), _integer(row["new"]), percent, row["cause"]]


def _model_name(row: Mapping[str, Any]) -> str:
    """The model's name, with everything in its key that is not the default."""
    more = [row["variant"]] if row["variant"] != Variant.BASE else []
    more += [f"batch {row['batch']}"] if row["batch"] != 1 else []
    more += [f"{row['classes']:,} classes"] if row["classes"] not in (None, 1000) else []
    return f"{row['zoo']}/{row['arch']}" + (f" ({', '.join(more)})" if more else "")


def _integer(value: int | None) -> str:
    return UNKNOWN if value is None else f"{value:,}"


def run_rows(runs: Sequence[RunRecord]) -> list[list[str]]:
    """Runs as rows: name, start, status, configuration, planned, counted, failing, added, changed, removed."""
    return [
        [run.run, f"{run.started_at:%Y-%m-%d %H:%M}", run.status, run.config or UNKNOWN]
        + [_integer(number) for number in (run.planned, run.counted, run.failing, run.added, run.changed, run.removed)]
        for run in runs
    ]
