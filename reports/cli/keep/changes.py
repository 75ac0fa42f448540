"""`zoometer changes`: what one run changed, or what changed between any two."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from reports.cli.common import options
from reports.cli.common.errors import ExitCode
from reports.cli.common.help import examples
from reports.cli.common.opening import open_cache
from reports.cli.common.output import print_json
from reports.cli.common.parsing import parse_fail_on

EXAMPLES = examples(
    "zoometer changes                              what the last run changed",
    "zoometer changes 5c9ad97b                     what that run changed",
    "zoometer changes 5c9ad97b latest              what changed between two runs",
    "zoometer changes --format md >> summary.md    for a merge request",
    "zoometer changes --fail-on changed,failed     code 4 if there are any",
    closing="""A run is named by its beginning; `zoometer cache info` lists them. Exit codes:

   0  all is well
   2  something to correct: a run or a cache that does not exist
   4  there is something that --fail-on names""",
)

_MOST_ROWS = 40


class ChangesFormat(StrEnum):
    """How the changes are printed."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "md"


def changes(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN] [RUN]",
            help="One run: against the one before it. Two: from the first to the second.",
            show_default=False,
        ),
    ] = None,
    cache: options.Cache = None,
    config: options.ConfigFile = None,
    form: Annotated[ChangesFormat, typer.Option("--format", help="text, json (everything, exact) or md.")] = ChangesFormat.TEXT,
    everything: Annotated[
        bool, typer.Option("--all", help=f"Every row of text and Markdown, not the first {_MOST_ROWS} of a kind.")
    ] = False,
    fail_on: options.FailOn = None,
) -> None:
    """Show what was added, removed, changed (old and new value, and the likely cause), failed and recovered.

    Counts are deterministic: a figure that changed means that a library, the counter or a model's source did.
    """
    from reports.leaderboard.change_report import build_change_report
    from reports.terminal import changes_text
    from reports.terminal.console import make_console
    from zoo.cache.changes import changes_between

    alarms = parse_fail_on(fail_on)
    first, second = (runs or []) + [None] * (2 - len(runs or [])) if len(runs or []) <= 2 else _refuse()
    found = changes_between(open_cache(cache, config), first if second else None, second or first)
    most = None if everything else _MOST_ROWS
    if form is ChangesFormat.JSON:
        print_json(changes_text.changes_record(found))
    elif form is ChangesFormat.MARKDOWN:
        typer.echo(changes_text.changes_markdown(build_change_report(found), most))
    else:
        changes_text.print_changes(make_console(), build_change_report(found), most)
    raise typer.Exit(ExitCode.CHANGED if any(found.counts()[name] for name in alarms) else ExitCode.OK)


def _refuse() -> list[str | None]:
    raise typer.BadParameter("name at most two runs.")
