"""`zoometer refresh`: count what is not in the cache yet and say what changed; what a scheduler runs."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reports.cli.common.amounts import parse_age
from reports.cli.common.counting_run import (
    AddressOption,
    BackendOption,
    TracesOption,
    TrainingOption,
    WorkersOption,
    config_name,
    count,
    with_execution,
    with_traces,
    with_training,
)
from reports.cli.common.errors import ExitCode
from reports.cli.common.fail_on import FAIL_ON, FailOnOption, parse_fail_on
from reports.cli.common.formats import TextFormat
from reports.cli.common.help import examples
from zoo.settings import RefreshOptions

if TYPE_CHECKING:
    from collections.abc import Collection

    from reports.config.config import Config
    from zoo.jobs import RunSummary

EXAMPLES = examples(
    "zoometer refresh configs/nightly.yaml",
    "zoometer refresh nightly.yaml --no-wait --fail-on changed,failed",
    "zoometer refresh nightly.yaml --only 'timm/resnet*' --rebuild",
    "zoometer refresh nightly.yaml --max-age 30d --format json > summary.json",
    "zoometer refresh nightly.yaml --address tcp://scheduler:8786",
    closing="""Exit codes:

   0  all is well
   2  something to correct: the configuration, a path, a full disk
   3  the work is done, but some models cannot be counted
   4  the work is done, and something changed that --fail-on names
  75  another refresh of this configuration is running, and --no-wait was given
 130  interrupted; the same command goes on from there""",
)


def refresh(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG", help="Configuration file, as for `zoometer run`.", show_default=False)
    ],
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Count again what is in the cache already.")] = False,
    only: Annotated[
        list[str] | None, typer.Option(metavar="GLOB", help="Only models whose `arch` or `zoo/arch` matches. Repeatable.")
    ] = None,
    max_age: Annotated[
        str | None, typer.Option(metavar="AGE", help="Count again what was counted longer ago: 12h, 30d, 8w.", show_default=False)
    ] = None,
    workers: WorkersOption = None,
    backend: BackendOption = None,
    address: AddressOption = None,
    traces: TracesOption = None,
    training: TrainingOption = None,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="End with code 75 where another refresh of this configuration is running.")
    ] = False,
    fail_on: FailOnOption = None,
    form: Annotated[TextFormat, typer.Option("--format", help="How the summary is printed on stdout.")] = TextFormat.TEXT,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress; no summary either, unless --format json asks for it.")
    ] = False,
) -> None:
    """Bring the cache up to date with a configuration: `run` without its reports. Needs no terminal.

    Counted is what the cache lacks, and what was counted by other versions, or from other source, than those installed now.
    """
    from reports.config.config_file import load_config

    alarms = parse_fail_on(fail_on)
    request = RefreshOptions(config_name(config), rebuild, tuple(only or ()), parse_age(max_age), wait=not no_wait)
    started = time.perf_counter()
    chosen = with_training(with_traces(with_execution(load_config(config), workers, backend, address), traces), training)
    summary = count(chosen, request, quiet=quiet)
    code = exit_code(summary, alarms)
    if form is TextFormat.JSON or not quiet:
        _print(chosen, summary, time.perf_counter() - started, form, code)
    raise typer.Exit(code)


def exit_code(summary: RunSummary, alarms: Collection[str]) -> ExitCode:
    """How the command ends; an input that an architecture cannot take is a finding, not a failure."""
    if summary.interrupted:
        return ExitCode.INTERRUPTED
    if any(getattr(summary, FAIL_ON[name]) for name in alarms):
        return ExitCode.CHANGED
    return ExitCode.MODELS_FAILED if summary.failing else ExitCode.OK


def _print(config: Config, summary: RunSummary, seconds: float, form: TextFormat, code: ExitCode) -> None:
    from reports.terminal.console import make_console
    from reports.terminal.run_summary import Outcome, print_summary, summary_record

    outcome = Outcome(config.cache, summary, seconds)
    if form is TextFormat.JSON:
        typer.echo(json.dumps(summary_record(outcome, code), indent=2))
        return
    console = make_console()
    print_summary(console, outcome)
    found = {name: getattr(summary, figure) for name, figure in FAIL_ON.items()}
    said = ", ".join(f"{number:,} {name}" for name, number in found.items() if number)
    cache = "" if config.cache.rstrip("/") == "cache" else f" --cache {config.cache}"
    console.print(
        f"  Against the run before: {f'{said}. See them with: zoometer changes{cache}' if said else 'nothing changed.'}"
    )
