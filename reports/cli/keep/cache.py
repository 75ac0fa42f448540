"""`zoometer cache`: see what a cache holds, check it, tidy it up, shorten its history, and take tables out of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reports.cli.common import options
from reports.cli.common.errors import ExitCode
from reports.cli.common.help import VerbGroup, examples, verb_with
from reports.cli.common.opening import open_cache
from reports.cli.common.output import TextFormat, note, print_json
from reports.cli.common.parsing import parse_age
from zoo.errors import ConfigError, UnknownNameError, did_you_mean, shorten_line

if TYPE_CHECKING:
    from datetime import datetime

    from zoo.cache.maintenance import TableRewrite

app = typer.Typer(cls=VerbGroup, help="Look into a cache, check it, compact it, shorten its history, export its tables.")
_RUNS_SHOWN = 10

NoWait = Annotated[bool, typer.Option("--no-wait", help="End with code 75 where another process compacts or prunes.")]


class ExportFormat(StrEnum):
    """What a table is exported as."""

    CSV = "csv"
    PARQUET = "parquet"
    JSON = "json"


def info(
    cache: options.Cache = None,
    config: options.ConfigFile = None,
    form: options.Form = TextFormat.TEXT,
) -> None:
    """Show tables, sizes, the newest runs, and files that were set aside."""
    from reports.terminal import changes_text
    from reports.terminal.console import make_console, print_table
    from zoo.cache.health import inspect
    from zoo.units import format_bytes

    store = open_cache(cache, config)
    found, runs = inspect(store), store.runs()
    if form is TextFormat.JSON:
        print_json(asdict(found) | {"runs": [asdict(run) for run in runs]})
        return
    console = make_console()
    console.print(f"{found.address}: {found.keys:,} costs in force{_span(found.oldest, found.newest)}")
    rows = [[t.table, f"{t.files:,}", f"{t.rows:,}", format_bytes(t.bytes)] for t in found.tables]
    print_table(console, ["Table", "Files", "Rows", "Size"], rows, right=["Files", "Rows", "Size"])
    if runs:
        headers = ["Run", "Began", "Status", "Configuration", "Planned", "Counted", "Failing", "Added", "Changed", "Removed"]
        print_table(console, headers, changes_text.run_rows(runs[-_RUNS_SHOWN:]), right=headers[4:])
    for file in found.set_aside:
        console.print(f"set aside: {file}", soft_wrap=True)


def verify(cache: options.Cache = None, config: options.ConfigFile = None, form: options.Form = TextFormat.TEXT) -> None:
    """Read every file in full, hold it against its checksum, and the tables against each other. Nothing is changed."""
    from zoo.cache.health import verify as findings_of

    findings = list(findings_of(open_cache(cache, config)))
    harmful = any(finding.is_harmful for finding in findings)
    if form is TextFormat.JSON:
        print_json({"is_harmed": harmful, "findings": [asdict(finding) for finding in findings]})
    else:
        for finding in findings:
            typer.echo(f"{'harmful' if finding.is_harmful else 'harmless'}: {shorten_line(finding.what)}")
        next_step = "The next refresh sets the files aside and counts again what they held."
        typer.echo(next_step if harmful else "Every file is as it was written.")
    raise typer.Exit(ExitCode.USER if harmful else ExitCode.OK)


def compact(
    cache: options.Cache = None,
    config: options.ConfigFile = None,
    no_wait: NoWait = False,
    form: options.Form = TextFormat.TEXT,
) -> None:
    """Merge the many small files of each table into few, sorted by model. Refreshes and readers may go on meanwhile."""
    from zoo.cache.maintenance import compact as compact_store

    store = open_cache(cache, config)
    store.prepare()
    _print_rewritten(compact_store(store, wait=not no_wait), form)


def prune(
    cache: options.Cache = None,
    config: options.ConfigFile = None,
    older_than: Annotated[
        str | None, typer.Option(metavar="AGE", help="Forget values that were replaced longer ago: 90d, 26w.", show_default=False)
    ] = None,
    keep_runs: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Keep what the last N runs need.", show_default=False)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    no_wait: NoWait = False,
    form: options.Form = TextFormat.TEXT,
) -> None:
    """Shorten the history: the newest value of every model always stays, and every run that is kept can still be compared."""
    from zoo.cache.maintenance import find_cutoff
    from zoo.cache.maintenance import prune as prune_store

    if (older_than is None) == (keep_runs is None):
        raise ConfigError("Say how much to keep: either --older-than AGE or --keep-runs N.")
    store = open_cache(cache, config)
    cutoff = find_cutoff(store.runs(), keep_runs=keep_runs, older_than=parse_age(older_than))
    if cutoff is None:
        note(f"There are no more than {keep_runs} runs; all stays.")
        if form is TextFormat.JSON:
            print_json([])
        return
    if not dry_run:
        store.prepare()
    _print_rewritten(prune_store(store, cutoff, wait=not no_wait, dry_run=dry_run), form)


def export(
    table: Annotated[
        str, typer.Argument(metavar="TABLE", help="costs, ops, traces, workloads, weights, accuracy, runs, …", show_default=False)
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="File to write.", show_default=False)],
    cache: options.Cache = None,
    config: options.ConfigFile = None,
    form: Annotated[
        ExportFormat | None,
        typer.Option("--format", help="csv, parquet or json. Default: by the file's name.", show_default=False),
    ] = None,
    as_of: Annotated[
        str | None, typer.Option(metavar="RUN", help="Costs or traces as they were when this run ended.", show_default=False)
    ] = None,
    history: Annotated[bool, typer.Option("--history", help="Every value there was, not only the one in force.")] = False,
) -> None:
    """Write a table to one file: costs, traces and what belongs to them as they are in force, other tables whole."""
    from reports.cli.keep.table_export import read_table, write_table

    store = open_cache(cache, config)
    chosen = form or _format_of(output)
    frame = read_table(store, table, as_of=as_of, history=history)
    write_table(frame, output, chosen.value)
    typer.echo(f"Wrote {len(frame):,} rows of {table} to {output}")


def _format_of(output: Path) -> ExportFormat:
    suffix = output.suffix.removeprefix(".").lower()
    if suffix not in list(ExportFormat):
        raise UnknownNameError(
            f"'{output}' does not say what to write.{did_you_mean(suffix, list(ExportFormat))} Name it so, or give --format."
        )
    return ExportFormat(suffix)


def _print_rewritten(done: Sequence[TableRewrite], form: TextFormat) -> None:
    from reports.terminal.console import make_console, print_table

    if form is TextFormat.JSON:
        print_json([asdict(one) for one in done])
        return
    rows = [[r.table, f"{r.files_before:,}", f"{r.files:,}", f"{r.rows_before:,}", f"{r.rows:,}"] for r in done]
    headers = ["Table", "Files before", "Files", "Rows before", "Rows"]
    print_table(make_console(), headers, rows, right=headers[1:])


def _span(oldest: datetime | None, newest: datetime | None) -> str:
    return f", counted from {oldest:%Y-%m-%d} to {newest:%Y-%m-%d}" if oldest and newest else ""


def _register(verb: Any, *lines: str) -> None:
    app.command(verb.__name__, cls=verb_with(examples(*lines)))(verb)


_register(info, "zoometer cache info", "zoometer cache info --config configs/nightly.yaml --format json")
_register(verify, "zoometer cache verify               code 2 if something is damaged")
_register(compact, "zoometer cache compact")
_register(prune, "zoometer cache prune --keep-runs 30", "zoometer cache prune --older-than 180d --dry-run")
_register(export, "zoometer cache export costs -o costs.csv", "zoometer cache export costs -o then.parquet --as-of 5c9ad97b")
