"""The command's frame: its verbs, what holds for all of them, and how every one of them ends.

Nothing here imports more than typer: `zoometer --help` has to answer at once, so each verb imports what it needs when it runs.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from reports.cli import (
    audit,
    cache,
    calibrate,
    changes,
    check,
    compare,
    count,
    devices,
    errors,
    estimate,
    init,
    listing,
    measure,
    refresh,
    report,
    run,
    schedule,
    select,
    show,
    speeds,
    validate_speed,
    version,
)
from reports.cli.help import examples, verb_with

EXAMPLES = examples(
    "zoometer init                    write a commented starter configuration",
    "zoometer run zoometer.yaml       count what it selects, render the reports",
    "zoometer list 'resnet*'          see what there is to select",
    "zoometer count timm/resnet50     what one model costs, layer by layer",
    "zoometer show timm/resnet50      all that is known of a model; compare sets several side by side",
    "zoometer select --max-params 5M  which model to pick within limits, and why",
    "zoometer measure timm/resnet50   how fast a model runs on this machine",
    closing="""Exit codes:

   0  all is well
   1  the answer is no: nothing fits (select), a limit is broken (check). Also a bug of zoometer, which says so
   2  something to correct: the configuration, a path, a full disk
   3  the work is done, but some models could not be counted
   4  the work is done, and something changed that --fail-on names
  75  another refresh of this configuration is running, and --no-wait was given
 130  interrupted; the same command goes on from there""",
)


class Verbs(TyperGroup):
    """The group of verbs: understands `--debug` anywhere, and turns whatever a verb raises into an exit code."""

    def parse_args(self, ctx: Any, args: Any) -> Any:
        """Help for an empty line, and `--debug` behind the verb too: whoever meets an error appends it to the line just typed."""
        mine, separator, theirs = errors.split_at(args or ["--help"], "--")
        if "--debug" in mine:
            mine = ["--debug", *(arg for arg in mine if arg != "--debug")]
        return super().parse_args(ctx, [*mine, *separator, *theirs])

    def invoke(self, ctx: Any) -> Any:
        """Run the verb inside the one place where errors become sentences."""
        with errors.end_in_words(debug=bool(ctx.params.get("debug"))):
            return super().invoke(ctx)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """End the overview with examples and exit codes."""
        super().format_help(ctx, formatter)
        formatter.write(EXAMPLES)


app = typer.Typer(
    name="zoometer",
    cls=Verbs,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="What every vision architecture costs, and which one to pick, before a single weight is downloaded.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version.one_line())
        raise typer.Exit


@app.callback()
def _common(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error. May follow the verb.")] = False,
    print_version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Options of every verb; `debug` is read by `Verbs.invoke` and `print_version` by its callback."""


app.command("run", cls=verb_with(run.EXAMPLES))(run.run)
app.command("init", cls=verb_with(init.EXAMPLES))(init.init)
app.command("count", cls=verb_with(count.EXAMPLES))(count.count)
app.command("report", cls=verb_with(report.EXAMPLES))(report.report)
app.command("list", cls=verb_with(listing.EXAMPLES))(listing.list_models)
app.command("show", cls=verb_with(show.EXAMPLES))(show.show)
app.command("compare", cls=verb_with(compare.EXAMPLES))(compare.compare)
app.command("select", cls=verb_with(select.EXAMPLES))(select.select)
app.command("check", cls=verb_with(check.EXAMPLES))(check.check)
app.command("devices", cls=verb_with(devices.EXAMPLES))(devices.devices)
app.command("estimate", cls=verb_with(estimate.EXAMPLES))(estimate.estimate)
app.command("measure", cls=verb_with(measure.EXAMPLES))(measure.measure)
app.add_typer(speeds.app, name="speeds")
app.command("calibrate", cls=verb_with(calibrate.EXAMPLES))(calibrate.calibrate)
app.command("validate-speed", cls=verb_with(validate_speed.EXAMPLES))(validate_speed.validate_speed)
app.command("audit", cls=verb_with(audit.EXAMPLES))(audit.audit)
app.command("refresh", cls=verb_with(refresh.EXAMPLES))(refresh.refresh)
app.command("changes", cls=verb_with(changes.EXAMPLES))(changes.changes)
app.add_typer(cache.app, name="cache")
app.command("schedule", cls=verb_with(schedule.EXAMPLES))(schedule.schedule)
app.command("version", cls=verb_with(version.EXAMPLES))(version.version)


def main() -> None:
    """What the installed command calls."""
    app(prog_name="zoometer")
