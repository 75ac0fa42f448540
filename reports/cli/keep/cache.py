"""`zoometer cache`: show what a cache holds, verify it, compact it, shorten its history, and export its tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import typer

from reports.cli.common import options
from reports.cli.common.errors import ExitCode
from reports.cli.common.help import VerbGroup, examples, verb_with
from reports.cli.common.opening import open_cache
from reports.cli.common.output import note, print_answer, print_json
from reports.cli.common.parsing import parse_age
from zoo.errors import ConfigError, UnknownNameError, did_you_mean, shorten_line

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from zoo.cache.health import CacheInfo, CacheProblem
    from zoo.cache.maintenance import TableRewrite
    from zoo.cache.runs import RunRecord
    from zoo.cache.store import Store

app = typer.Typer(cls=VerbGroup, help="Look into a cache, check it, compact it, shorten its history, export its tables.")
_RUNS_SHOWN = 10

NoWait = Annotated[bool, typer.Option("--no-wait", help="End with code 75 where another process compacts or prunes.")]


ExportFormat = Literal["csv", "parquet", "json"]


def info(cache: options.Cache = None, config: options.ConfigFile = None, form: options.Form = "text") -> None:
    """Show tables, sizes, the newest runs, and files that were set aside."""
    from zoo.cache.health import inspect

    store = open_cache(cache, config)
    found, runs = inspect(store), store.runs()
    print_answer(
        form,
        lambda console: _print_info(console, found, runs[-_RUNS_SHOWN:]),
        lambda: asdict(found) | {"runs": [asdict(run) for run in runs]},
    )


def _print_info(console: Console, found: CacheInfo, runs: Sequence[RunRecord]) -> None:
    from reports.terminal.changes_text import run_rows
    from reports.terminal.console import print_table
    from zoo.units import format_bytes

    counted = f", counted from {found.oldest:%Y-%m-%d} to {found.newest:%Y-%m-%d}" if found.oldest and found.newest else ""
    console.print(f"{found.address}: {found.keys:,} costs in force{counted}")
    rows = [[t.table, f"{t.files:,}", f"{t.rows:,}", format_bytes(t.bytes)] for t in found.tables]
    print_table(console, ["Table", "Files", "Rows", "Size"], rows, right=["Files", "Rows", "Size"])
    if runs:
        headers = ["Run", "Began", "Status", "Configuration", "Planned", "Counted", "Failing", "Added", "Changed", "Removed"]
        print_table(console, headers, run_rows(runs), right=headers[4:])
    for file in found.set_aside:
        console.print(f"set aside: {file}", soft_wrap=True)


def verify(cache: options.Cache = None, config: options.ConfigFile = None, form: options.Form = "text") -> None:
    """Read every file in full, hold it against its checksum, and the tables against each other. Nothing is changed."""
    from zoo.cache.health import verify as findings_of

    findings = list(findings_of(open_cache(cache, config)))
    harmful = any(finding.is_harmful for finding in findings)
    print_answer(
        form,
        lambda _: _echo_findings(findings, is_harmed=harmful),
        lambda: {"is_harmed": harmful, "findings": [asdict(finding) for finding in findings]},
    )
    raise typer.Exit(ExitCode.USER if harmful else ExitCode.OK)


def _echo_findings(findings: Sequence[CacheProblem], *, is_harmed: bool) -> None:
    for finding in findings:
        typer.echo(f"{'harmful' if finding.is_harmful else 'harmless'}: {shorten_line(finding.what)}")
    next_step = "The next refresh sets the files aside and counts again what they held."
    typer.echo(next_step if is_harmed else "Every file is as it was written.")


def compact(
    cache: options.Cache = None,
    config: options.ConfigFile = None,
    no_wait: NoWait = False,
    form: options.Form = "text",
) -> None:
    """Merge the many small files of each table into few, sorted by model. Refreshes and readers may go on meanwhile."""
    from zoo.cache.maintenance import compact as compact_store

    store = open_cache(cache, config)
    store.prepare()
    _print_rewrites(compact_store(store, wait=not no_wait), form)


def prune(
    cache: options.Cache = None,
    config: options.ConfigFile = None,
    older_than: Annotated[
        str | None, typer.Option(metavar="AGE", help="Forget values that were replaced longer ago: 90d, 26w.")
    ] = None,
    keep_runs: Annotated[int | None, typer.Option(min=1, metavar="N", help="Keep what the last N runs need.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    no_wait: NoWait = False,
    form: options.Form = "text",
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
        if form == "json":
            print_json([])
        return
    if not dry_run:
        store.prepare()
    _print_rewrites(prune_store(store, cutoff, wait=not no_wait, dry_run=dry_run), form)


def export(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="costs, ops, traces, workloads, weights, accuracy, runs, …")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="File to write.")],
    cache: options.Cache = None,
    config: options.ConfigFile = None,
    form: Annotated[
        ExportFormat | None,
        typer.Option("--format", help="csv, parquet or json. Default: by the file's name."),
    ] = None,
    as_of: Annotated[str | None, typer.Option(metavar="RUN", help="Costs or traces as they were when this run ended.")] = None,
    history: Annotated[bool, typer.Option("--history", help="Every value there was, not only the one in force.")] = False,
) -> None:
    """Write a table to one file: costs, traces and what belongs to them as they are in force, other tables whole."""
    store = open_cache(cache, config)
    chosen = form or _format_of(output)
    frame = _read_table(store, table, as_of=as_of, history=history)
    _write_table(frame, output, chosen)
    typer.echo(f"Wrote {len(frame):,} rows of {table} to {output}")


def _format_of(output: Path) -> ExportFormat:
    suffix = output.suffix.removeprefix(".").lower()
    if suffix not in get_args(ExportFormat):
        raise UnknownNameError(
            f"'{output}' does not say what to write.{did_you_mean(suffix, get_args(ExportFormat))} Name it so, or give --format."
        )
    return suffix  # type: ignore[return-value]


def _read_table(store: Store, name: str, *, as_of: str | None, history: bool) -> pd.DataFrame:
    """A table: of costs, traces and their details what is in force (as of a run), of others everything."""
    from zoo.cache.run_facts import end_of
    from zoo.cache.runs import find_run
    from zoo.cache.schema.tables import DETAILS, OWNERS, TABLES
    from zoo.cache.store import to_pandas

    if name not in TABLES:
        raise UnknownNameError(f"The cache has no table '{name}'.{did_you_mean(name, TABLES)}")
    if name in OWNERS and not history:
        moment = end_of(store, find_run(store.runs(), as_of)) if as_of else None
        return to_pandas(store.in_force(name, as_of=moment))
    if name == "speed" and not history:
        return store.speeds(failed=True)
    if name in DETAILS and not history:
        return store.details(name)
    return to_pandas(store.read(name))


def _write_table(frame: pd.DataFrame, path: Path, form: str) -> None:
    """Writes CSV, Parquet or JSON records; unknown values are empty, or null."""
    from reports.exports.csv_text import csv_text
    from reports.exports.files import replacing

    with replacing(path) as temporary:
        if form == "csv":
            temporary.write_text(csv_text(frame), encoding="utf-8", errors="replace", newline="\n")
        elif form == "parquet":
            frame.to_parquet(temporary, index=False)
        else:
            rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
            temporary.write_text(json.dumps(rows, indent=1, default=str), encoding="utf-8")


def _print_rewrites(rewrites: Sequence[TableRewrite], form: str) -> None:
    def print_table_of_rewrites(console: Console) -> None:
        from reports.terminal.console import print_table

        rows = [[r.table, f"{r.files_before:,}", f"{r.files:,}", f"{r.rows_before:,}", f"{r.rows:,}"] for r in rewrites]
        headers = ["Table", "Files before", "Files", "Rows before", "Rows"]
        print_table(console, headers, rows, right=headers[1:])

    print_answer(form, print_table_of_rewrites, lambda: [asdict(one) for one in rewrites])


def _register(verb: Any, *lines: str) -> None:
    app.command(verb.__name__, cls=verb_with(examples(*lines)))(verb)


_register(info, "zoometer cache info", "zoometer cache info --config configs/nightly.yaml --format json")
_register(verify, "zoometer cache verify               code 2 if something is damaged")
_register(compact, "zoometer cache compact")
_register(prune, "zoometer cache prune --keep-runs 30", "zoometer cache prune --older-than 180d --dry-run")
_register(export, "zoometer cache export costs -o costs.csv", "zoometer cache export costs -o then.parquet --as-of 5c9ad97b")
