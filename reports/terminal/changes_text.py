"""What changed between two runs, as text for a person, Markdown for a merge request, or a record for a program."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.text import Text

from reports.leaderboard.change_wording import KIND_ORDER, counts_line, heading
from reports.terminal.summary import print_table
from zoo.cache.changes import Changes, Kind
from zoo.cache.runs import Run
from zoo.records import Variant

HEADERS: dict[Kind, tuple[str, ...]] = {
    Kind.CHANGED: ("Model", "Input", "Figure", "Old", "New", "Change", "Likely cause"),
    **dict.fromkeys((k for k in Kind if k is not Kind.CHANGED), ("Model", "Input", "Was", "Is", "Why")),
}
"""What a table of each kind of change shows."""

_FIGURES = {"Old", "New", "Change"}

_SPECIAL = re.compile(r"([\\`*\[\]<>|])")


def record(changes: Changes) -> dict[str, Any]:
    """Everything, for programs: exact numbers, stable names."""
    rows = changes.rows.astype(object)
    return {
        "before": changes.before and _run_record(changes.before),
        "after": _run_record(changes.after),
        "counts": changes.counts(),
        "failing": changes.failing,
        "rows": rows.where(rows.notna(), None).to_dict("records"),
    }


def print_changes(console: Console, changes: Changes, most: int | None) -> None:
    """Which runs, how many of each kind, and a table of each; `most` rows of a table."""
    console.print(Text(heading(changes), style="bold"))
    console.print(f"  {counts_line(changes)}")
    for kind in KIND_ORDER:
        rows = table_rows(changes, kind)
        if not rows:
            continue
        console.print()
        console.print(f"{kind.value.capitalize()}", style="bold")
        print_table(console, HEADERS[kind], rows[:most], right=sorted(_FIGURES))
        if most is not None and len(rows) > most:
            console.print(f"  and {len(rows) - most:,} more rows; --all shows them")


def markdown(changes: Changes, most: int | None) -> str:
    """The same as Markdown."""
    lines = [f"**{heading(changes)}**", "", counts_line(changes), ""]
    for kind in KIND_ORDER:
        rows = table_rows(changes, kind)
        if not rows:
            continue
        headers = HEADERS[kind]
        lines += [f"### {kind.value.capitalize()}", "", _line(headers)]
        lines.append(_line(["---:" if header in _FIGURES else "---" for header in headers]))
        lines += [_line([_SPECIAL.sub(r"\\\1", cell) for cell in row]) for row in rows[:most]]
        if most is not None and len(rows) > most:
            lines += ["", f"and {len(rows) - most:,} more rows."]
        lines.append("")
    return "\n".join(lines)


def table_rows(changes: Changes, kind: Kind) -> list[list[str]]:
    """The cells of a kind's table, in the order of `HEADERS`."""
    rows = changes.rows[changes.rows["kind"] == kind].astype(object)
    rows = rows.where(rows.notna(), None)
    return [_cells(row, kind) for row in rows.to_dict("records")]


def _cells(row: Any, kind: Kind) -> list[str]:
    model = [_model(row), row["input"]]
    if kind is not Kind.CHANGED:
        return [*model, row["old_status"] or "–", row["new_status"] or "–", row["cause"] or ""]
    if row["figure"] == "status":
        return [*model, "status", row["old_status"], row["new_status"], "", row["cause"]]
    return [*model, row["figure"], _integer(row["old"]), _integer(row["new"]), _share(row["old"], row["new"]), row["cause"]]


def _model(row: Any) -> str:
    """The model's name, with whatever else of its key is not as usual."""
    more = [row["variant"]] if row["variant"] != Variant.BASE else []
    more += [f"batch {row['batch']}"] if row["batch"] != 1 else []
    more += [f"{row['classes']:,} classes"] if row["classes"] not in (None, 1000) else []
    return f"{row['zoo']}/{row['arch']}" + (f" ({', '.join(more)})" if more else "")


def _integer(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _share(old: int | None, new: int | None) -> str:
    """The difference in percent of the old value."""
    return "" if not old or new is None else f"{100 * (new - old) / old:+.2f} %"


def _run_record(run: Run) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in dataclasses.asdict(run).items()}


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def runs_table(runs: Sequence[Run]) -> list[list[str]]:
    """Runs as rows: name, start, status, configuration, planned, counted, failing, changed."""
    return [
        [run.run, f"{run.started_at:%Y-%m-%d %H:%M}", run.status, run.config or "–"]
        + [_integer(number) for number in (run.planned, run.counted, run.failing, run.added, run.changed, run.removed)]
        for run in runs
    ]
