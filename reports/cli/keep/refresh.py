"""`zoometer refresh`: count what is not in the cache yet and say what changed; what a scheduler runs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reports.cli.common import options
from reports.cli.common.counting_run import count, exit_code, with_counting
from reports.cli.common.help import examples
from reports.cli.common.opening import read_config
from reports.cli.common.output import is_quiet, print_answer
from reports.cli.common.parsing import FAIL_ON, parse_age, parse_fail_on
from zoo.settings import RefreshOptions

if TYPE_CHECKING:
    from rich.console import Console

    from reports.terminal.run_summary import CommandOutcome
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


@options.sharing(options.COUNTING)
def refresh(
    config: options.ConfigOfRun,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Count again what is in the cache already.")] = False,
    only: Annotated[
        list[str] | None, typer.Option(metavar="GLOB", help="Only models whose `arch` or `zoo/arch` matches. Repeatable.")
    ] = None,
    max_age: Annotated[
        str | None, typer.Option(metavar="AGE", help="Count again what was counted longer ago: 12h, 30d, 8w.")
    ] = None,
    cache: options.Cache = None,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="End with code 75 where another refresh of this configuration is running.")
    ] = False,
    fail_on: options.FailOn = None,
    form: options.Form = "text",
    **shared: Any,
) -> None:
    """Bring the cache up to date with a configuration: `run` without its reports. Needs no terminal.

    Counted is what the cache lacks, and what was counted by other versions, or from other source, than those installed now.
    """
    from reports.config.config_file import config_name
    from reports.terminal.run_summary import CommandOutcome, summary_record

    alarms = parse_fail_on(fail_on)
    request = RefreshOptions(config_name(config), rebuild, tuple(only or ()), parse_age(max_age), wait=not no_wait)
    started = time.perf_counter()
    chosen = with_counting(read_config(config, cache), shared)
    summary = count(chosen, request)
    outcome = CommandOutcome(chosen.cache, summary, time.perf_counter() - started)
    code = exit_code(outcome, alarms)
    if form == "json" or not is_quiet():
        print_answer(form, lambda console: _print_refresh(console, outcome, summary), lambda: summary_record(outcome, code))
    raise typer.Exit(code)


def _print_refresh(console: Console, outcome: CommandOutcome, summary: RunSummary) -> None:
    from reports.terminal.run_summary import print_summary

    print_summary(console, outcome)
    counts = {name: getattr(summary, figure) for name, figure in FAIL_ON.items()}
    changes = ", ".join(f"{number:,} {name}" for name, number in counts.items() if number)
    cache = "" if outcome.cache.rstrip("/") == "cache" else f" --cache {outcome.cache}"
    console.print(
        f"  Against the run before: {f'{changes}. See them with: zoometer changes{cache}' if changes else 'nothing changed.'}"
    )
