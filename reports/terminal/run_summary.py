"""The summary of a run in the terminal and for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reports.columns.accuracy_columns import ACCURACY_COLUMNS
from reports.columns.format import UNKNOWN
from reports.columns.table_rows import records
from reports.terminal.console import print_table, print_title
from zoo.jobs import RunSummary, TraceFailure, is_unsupported
from zoo.records import Status
from zoo.units import format_bytes, format_seconds

if TYPE_CHECKING:
    from reports.leaderboard.report import Report

_TOP1 = ACCURACY_COLUMNS[0].column.key
_MOST_REASONS, _MOST_MODELS = 5, 3  # shown of traces that could not be made


@dataclass(frozen=True, slots=True)
class CommandOutcome:
    """The result of a command."""

    cache: str
    summary: RunSummary | None = None  # None: nothing was counted
    seconds: float = 0.0  # of the whole command, rendering included
    report: Report | None = None  # None: no report was written
    files: tuple[Path, ...] = ()
    warnings: tuple[str, ...] = ()


def most_efficient(leaderboard: pd.DataFrame, most: int = 10) -> list[dict[str, Any]]:
    """The models on the frontier with the most top-1 accuracy per MAC, the best first: model, input, top1, macs, params, top1_per_gmac."""
    is_known = leaderboard["on_frontier"] & leaderboard[_TOP1].notna() & (leaderboard["macs"] > 0)
    known = leaderboard.loc[is_known.fillna(False), ["model", "input", _TOP1, "macs", "params"]].rename(columns={_TOP1: "top1"})
    known["top1_per_gmac"] = known["top1"] / (known["macs"] / 1e9)
    return list(records(known.sort_values("top1_per_gmac", ascending=False, kind="stable").head(most)))


def summary_record(outcome: CommandOutcome, exit_code: int) -> dict[str, Any]:
    """The outcome for programs: exact numbers, stable names."""
    record: dict[str, Any] = {"exit_code": exit_code, "cache": outcome.cache, "seconds": outcome.seconds}
    if outcome.summary is not None:
        counting = asdict(outcome.summary)
        record["counting_seconds"] = counting.pop("seconds")
        record |= counting | {"reused": reused(outcome.summary)}
    if outcome.report is not None:
        record["totals"] = asdict(outcome.report.totals)
        record["frontier"] = most_efficient(outcome.report.leaderboard)
    record["files"] = [{"path": str(file), "bytes": file.stat().st_size} for file in outcome.files]
    record["warnings"] = list(outcome.warnings)
    return record


def reused(summary: RunSummary) -> int:
    """Rows that the cache already had."""
    return max(0, summary.planned - summary.counted - summary.failed)


def print_summary(console: Console, outcome: CommandOutcome) -> None:
    """Totals, the ten most efficient models, the files and the warnings."""
    if outcome.summary is not None:
        _print_totals(console, outcome.summary, outcome)
    if outcome.report is not None:
        _print_efficient(console, most_efficient(outcome.report.leaderboard))
    _print_files(console, outcome.files)
    if outcome.warnings:
        console.print()
        table = Table.grid(padding=(0, 1, 0, 0))  # keeps the lines of a warning aligned behind its mark
        for warning in outcome.warnings:
            table.add_row(Text("!", style="bold yellow"), Text(warning, overflow="fold"))
        console.print(table)


def _print_totals(console: Console, summary: RunSummary, outcome: CommandOutcome) -> None:
    title = Text("Interrupted after " if summary.interrupted else "Done in ", style="bold")
    title.append(format_seconds(outcome.seconds or summary.seconds))
    if summary.versions:
        title.append(f"  {summary.versions}", style="not bold dim")
    console.print()
    console.print(title)
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(justify="left")
    table.add_column(justify="right", style="bold")
    table.add_column(style="dim", overflow="fold")
    totals = outcome.report.totals if outcome.report else None
    unsupported = totals.unsupported if totals else summary.unsupported
    failed = (totals.failed if totals else summary.failed) - unsupported
    table.add_row("planned", f"{summary.planned:,}", "one row for each architecture, input size and head")
    table.add_row("counted", f"{summary.counted:,}", "now, on torch's meta device")
    table.add_row("reused", f"{reused(summary):,}", "from the cache")
    if totals:
        style = "yellow" if totals.bound else ""
        table.add_row("bounded", f"{totals.bound:,}", "rest on an assumption that is named", style=style)
    table.add_row("failed", f"{failed:,}", "could not be counted", style="red" if failed else "")
    if unsupported:
        table.add_row("unsupported", f"{unsupported:,}", "inputs and variants that the architecture does not support")
    failures = [f for f in summary.trace_failures if not is_unsupported(Status.FAILED, f.reason)]  # as counts say of an input
    if summary.traces_planned:
        untraced = sum(len(failure.models) for failure in failures)
        cached = summary.traces_planned - summary.traced - sum(len(failure.models) for failure in summary.trace_failures)
        table.add_row("traced", f"{summary.traced:,}", f"traces made now; {cached:,} are from the cache")
        table.add_row("untraced", f"{untraced:,}", "traces could not be made", style="yellow" if untraced else "")
    console.print(Padding(table, (0, 0, 0, 2), expand=False))
    _print_trace_failures(console, failures)
    if failed or unsupported or (totals and totals.bound):
        reasons = f"column `reason` of {outcome.cache.rstrip('/')}/costs"
        console.print(f"  Why: {'section Coverage of the report, or ' if totals else ''}{reasons}.")


def _print_trace_failures(console: Console, failures: Sequence[TraceFailure]) -> None:
    """Why traces could not be made: the commonest reasons, with the first models of each."""
    most_common = sorted(failures, key=lambda failure: -len(failure.models))
    for failure in most_common[:_MOST_REASONS]:
        named = ", ".join(failure.models[:_MOST_MODELS])
        more = f" and {len(failure.models) - _MOST_MODELS:,} more" if len(failure.models) > _MOST_MODELS else ""
        console.print(f"  Not traced in {failure.mode}: {named}{more}: {failure.reason}")
    if rest := most_common[_MOST_REASONS:]:
        models = sum(len(failure.models) for failure in rest)
        console.print(f"  {models:,} more could not be traced; column `reason` of the table traces says why.")


def _print_efficient(console: Console, models: Sequence[Mapping[str, Any]]) -> None:
    if not models:
        console.print(
            "\nNo frontier of classifiers: none has both an accuracy and a cost. Other tasks have theirs in the report."
        )
        return
    print_title(console, "Most accuracy per GMAC on the frontier", "ImageNet-1k top-1 against MACs")
    rows = []
    for row in models:
        # The figures take 46 columns; a name too long for the rest is broken before its tag.
        name = row["model"] if len(row["model"]) <= console.width - 46 else row["model"].replace(".", "\n  .", 1)
        gmacs, params = f"{row['macs'] / 1e9:.3f}", UNKNOWN if row["params"] is None else f"{row['params'] / 1e6:.1f}"
        rows.append((name, row["input"], f"{row['top1']:.2f}", gmacs, params, f"{row['top1_per_gmac']:,.0f}"))
    headers = ("Model", "Input", "Top-1 %", "GMACs", "Params M", "%/GMAC")
    print_table(console, headers, rows, right=headers[1:])


def _print_files(console: Console, files: Sequence[Path]) -> None:
    if not files:
        return
    print_title(console, "Written")
    width = max(len(str(file)) for file in files)
    for file in files:
        size = format_bytes(file.stat().st_size)
        console.print(Text.assemble("  ", (f"{file!s:<{width}}", "cyan"), (f"  {size}", "dim")), soft_wrap=True)
