"""`zoometer changes`: what one run changed, or what changed between any two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from reports.cli.common import options
from reports.cli.common.errors import ExitCode
from reports.cli.common.help import examples
from reports.cli.common.opening import open_cache, read_config
from reports.cli.common.output import print_answer
from reports.cli.common.parsing import parse_fail_on

if TYPE_CHECKING:
    from zoo.cache.store import Store

EXAMPLES = examples(
    "zoometer changes                              what the last run changed",
    "zoometer changes 5c9ad97b                     what that run changed",
    "zoometer changes 5c9ad97b latest              what changed between two runs",
    "zoometer changes --since 2026-11-01           what changed since a date",
    "zoometer changes --format md >> summary.md    for a merge request",
    "zoometer changes --fail-on changed,failed     code 4 if there are any",
    closing="""A run is named by its beginning; `zoometer cache info` lists them. Exit codes:

   0  all is well
   2  something to correct: a run or a cache that does not exist
   4  there is something that --fail-on names""",
)

_MOST_ROWS = 40


def changes(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN] [RUN]", help="One run: against the one before it. Two: from the first to the second."),
    ] = None,
    cache: options.Cache = None,
    config: options.ConfigFile = None,
    form: Annotated[
        Literal["text", "json", "md", "csv"], typer.Option("--format", help="text, md, json or csv (both everything, exact).")
    ] = "text",
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="DATE|RUN", help="Compare the last run with one before a date (UTC), or with a run."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help=f"Every row of text and Markdown, not the first {_MOST_ROWS} of a kind.")
    ] = False,
    fail_on: options.FailOn = None,
) -> None:
    """Show what was added, removed, changed (old and new value, and the likely cause), failed and recovered.

    Also what entered or left the frontiers, the best accuracy within budgets, and accuracies and measured speeds that changed.
    Counts are deterministic: a figure that changed means that a library, the counter or a model's source did.
    """
    from reports.leaderboard.change_report import build_change_report
    from reports.terminal import changes_text
    from reports.trends.between import changes_besides_costs, flat_rows
    from zoo.cache.changes import changes_between

    alarms = parse_fail_on(fail_on)
    store = open_cache(cache, config)
    found = changes_between(store, *_runs_to_compare(store, runs or [], since))
    between = changes_besides_costs(store, found, read_config(config, cache) if config else None)
    most = None if everything else _MOST_ROWS
    if form == "md":
        typer.echo(changes_text.changes_markdown(build_change_report(found), between, most))
    else:
        print_answer(
            form,
            lambda console: changes_text.print_changes(console, build_change_report(found), between, most),
            lambda: changes_text.changes_record(found, between),
            lambda: flat_rows(found, between),
        )
    raise typer.Exit(ExitCode.CHANGED if any(found.counts()[name] for name in alarms) else ExitCode.OK)


def _runs_to_compare(store: Store, runs: list[str], since: str | None) -> tuple[str | None, str | None]:
    """The names of the earlier and the later run; None where it is the usual one."""
    from zoo.cache.runs import run_since

    if len(runs) > 2:
        raise typer.BadParameter("name at most two runs.")
    if since is None:
        return (runs[0], runs[1]) if len(runs) == 2 else (None, runs[0] if runs else None)
    if runs:
        raise typer.BadParameter("give --since or runs, not both.")
    earlier = run_since(store.runs(), since).run
    return (None if earlier == store.runs()[-1].run else earlier), None
