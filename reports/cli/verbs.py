"""The command's frame: its verbs, what holds for all of them, and how every one of them ends.

Nothing here imports more than typer: a verb is imported when it is asked for, and imports what it needs when it runs, so that
every answer comes as soon as it can.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from reports.cli.common import errors
from reports.cli.common.help import examples, verb_with

VERBS: Mapping[str, str] = {
    "run": "report.run:run",
    "init": "report.init:init",
    "count": "count.count:count",
    "report": "report.report:report",
    "list": "count.listing:list_models",
    "show": "choose.show:show",
    "compare": "choose.compare:compare",
    "select": "choose.select:select",
    "plot": "report.plot:plot",
    "check": "count.check:check",
    "devices": "choose.devices:devices",
    "estimate": "choose.estimate:estimate",
    "measure": "measure.measure:measure",
    "calibrate": "measure.calibrate:calibrate",
    "validate-speed": "measure.validate_speed:validate_speed",
    "audit": "report.audit:audit",
    "refresh": "keep.refresh:refresh",
    "changes": "keep.changes:changes",
    "schedule": "keep.schedule:schedule",
    "version": "keep.version:version",
    "speeds": "measure.speeds:app",
    "cache": "keep.cache:app",
}
"""Each verb, and the function or the group of verbs in this package that does it; imported when it is asked for."""

EXAMPLES = examples(
    "zoometer init                    write a commented starter configuration",
    "zoometer run zoometer.yaml       count what it selects, render the reports",
    "zoometer list 'resnet*'          see what there is to select",
    "zoometer count timm/resnet50     what one model costs, layer by layer",
    "zoometer show timm/resnet50      all that is known of a model; compare sets several side by side",
    "zoometer select --max-params 5M  which model to pick within limits, and why",
    "zoometer plot --out plot.png     the picture of it, for a slide",
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
    """The group of verbs: imports them, understands `--debug` anywhere, and turns whatever a verb raises into an exit code."""

    def list_commands(self, ctx: Any) -> list[str]:
        """All verbs, those not imported yet too."""
        return list(dict.fromkeys([*VERBS, *super().list_commands(ctx)]))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The verb of this name; all are imported for a name that is none, because typer looks for what was meant among them."""
        for name in [cmd_name] if cmd_name in {*VERBS, *self.commands} else VERBS:
            if name not in self.commands:
                self.commands[name] = _import_verb(name)
        return super().get_command(ctx, cmd_name)

    def parse_args(self, ctx: Any, args: Any) -> Any:
        """Help for an empty line, and `--debug` behind the verb too: whoever meets an error appends it to the line just typed."""
        mine, separator, theirs = errors.split_at(args or ["--help"], "--")
        if "--debug" in mine:
            mine = ["--debug", *(arg for arg in mine if arg != "--debug")]
        with errors.short_usage():
            return super().parse_args(ctx, [*mine, *separator, *theirs])

    def invoke(self, ctx: Any) -> Any:
        """Run the verb inside the one place where errors become sentences."""
        with errors.short_usage(), errors.end_in_words(debug=bool(ctx.params.get("debug"))):
            return super().invoke(ctx)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """End the overview with examples and exit codes."""
        super().format_help(ctx, formatter)
        formatter.write(EXAMPLES)


def _import_verb(name: str) -> Any:
    module_name, _, attribute = VERBS[name].partition(":")
    module = import_module(f"reports.cli.{module_name}")
    alone = typer.Typer(rich_markup_mode="rich")
    verb = getattr(module, attribute)
    if isinstance(verb, typer.Typer):
        alone.add_typer(verb, name=name)
    else:
        alone.command(name, cls=verb_with(module.EXAMPLES))(verb)
    return typer.main.get_group(alone).commands[name]


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
        from reports.cli.keep import version

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


def main() -> None:
    """What the installed command calls."""
    app(prog_name="zoometer")
