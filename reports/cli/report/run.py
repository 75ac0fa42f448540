"""`zoometer run`: count what is not in the cache yet, then render the reports."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reports.cli.common import options
from reports.cli.common.counting_run import (
    config_name,
    count,
    with_execution,
    with_traces,
    with_training,
)
from reports.cli.common.errors import ExitCode
from reports.cli.common.help import examples
from reports.cli.common.opening import read_config
from reports.cli.common.output import TextFormat, is_quiet
from reports.cli.common.render import print_outcome
from zoo.settings import RefreshOptions

if TYPE_CHECKING:
    from reports.config.config import Config
    from reports.terminal.run_summary import CommandOutcome

EXAMPLES = examples(
    "zoometer run configs/default.yaml",
    "zoometer run configs/default.yaml --workers 8",
    "zoometer run configs/default.yaml --traces amp-fast-norm/nhwc",
    "zoometer run configs/default.yaml --training",
    "zoometer run configs/default.yaml --backend dask",
    "zoometer run mine.yaml --format json --quiet > summary.json",
    closing="Exit code 3: the reports are written, but some models could not be counted;\n the section Coverage of the report says which and why.",
)


def run(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG", help="Configuration file; `zoometer init` writes one.", show_default=False)
    ],
    workers: options.Workers = None,
    backend: options.BackendName = None,
    address: options.SchedulerAddress = None,
    traces: options.Traces = None,
    training: options.Training = None,
    cache: options.Cache = None,
    out: options.Out = None,
    form: options.Form = TextFormat.TEXT,
) -> None:
    """Count the models a configuration selects, keep the counts, and render its reports.

    What the cache already holds is not counted again. Progress goes to stderr, the summary to stdout.
    """
    chosen = with_training(
        with_traces(with_execution(read_config(config, cache, out), workers, backend, address), traces), training
    )
    outcome = _count_and_render(chosen, config)
    code = _exit_code(outcome)
    if form is TextFormat.JSON or not is_quiet():
        print_outcome(outcome, form, code)
    raise typer.Exit(code)


def _count_and_render(config: Config, path: Path) -> CommandOutcome:
    from reports.cli.common import render
    from reports.terminal.run_summary import CommandOutcome

    started = time.perf_counter()
    if config.reports:
        render.prepare(config)
    summary = count(config, RefreshOptions(config_name(path)))
    if summary.interrupted or not config.reports:
        return CommandOutcome(config.cache, summary, time.perf_counter() - started)
    command = shlex.join(["zoometer", "run", str(path)])
    report, files = render.render(config, config.reports, command, name=config_name(path), may_count=True)
    return CommandOutcome(config.cache, summary, time.perf_counter() - started, report, files, report.warnings)


def _exit_code(outcome: CommandOutcome) -> ExitCode:
    """Failed models count whether this run failed at them or found the failure in the cache: the report lacks them either way.

    An input size that an architecture cannot take is a finding, not a failure.
    """
    summary, report = outcome.summary, outcome.report
    if summary and summary.interrupted:
        return ExitCode.INTERRUPTED
    failed = report.totals.failed - report.totals.unsupported if report else summary and summary.failing
    return ExitCode.MODELS_FAILED if failed else ExitCode.OK
