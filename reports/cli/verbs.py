"""The command: its verbs, the options that all of them have, and how each ends.

Nothing here imports more than typer: a verb is imported when it is called, and imports what it needs when it runs, so that every
answer is fast.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping
from importlib import import_module
from typing import Annotated, Any, NamedTuple

import typer

from reports.cli.common import errors
from reports.cli.common.help import EVERYWHERE, VerbGroup, examples, verb_with, write_group
from reports.cli.common.output import speaking
from zoo.errors import did_you_mean, shorten_line


class Verb(NamedTuple):
    """A verb of the command line."""

    home: str
    """`module:function` in this package, imported when the verb is called. An app of typer is a group of verbs."""
    does: str
    """Its line in the overview."""


GROUPS: Mapping[str, Mapping[str, Verb]] = {
    "Count": {
        "count": Verb("count.count:count", "what one model costs, layer by layer"),
        "list": Verb("count.listing:list_models", "the models and weights that there are"),
        "check": Verb("count.check:check", "hold one model against limits, for continuous integration"),
        "audit": Verb("report.audit:audit", "compare published figures with exact counts"),
    },
    "Choose": {
        "select": Verb("choose.select:select", "which model to pick within limits, and why"),
        "compare": Verb("choose.compare:compare", "a few models side by side"),
        "show": Verb("choose.show:show", "everything known of one model"),
        "estimate": Verb("choose.estimate:estimate", "the latency of one model on a device, layer by layer"),
        "devices": Verb("choose.devices:devices", "the devices that are known, with their data sheets"),
    },
    "Report": {
        "run": Verb("report.run:run", "count what a configuration selects, write its reports"),
        "report": Verb("report.report:report", "write the reports again, counting nothing"),
        "plot": Verb("report.plot:plot", "accuracy against a cost as a picture"),
        "init": Verb("report.init:init", "write a commented starter configuration"),
        "schema": Verb("report.schema:schema", "the keys of a configuration, or of JSON answers"),
    },
    "Measure": {
        "measure": Verb("measure.measure:measure", "latency and throughput on this machine"),
        "speeds": Verb("measure.speeds:app", "list measured speeds, import those of others"),
        "calibrate": Verb("measure.calibrate:calibrate", "fit the estimates of a device to measurements"),
        "validate-speed": Verb("measure.validate_speed:validate_speed", "hold estimates against measurements"),
    },
    "Keep": {
        "refresh": Verb("keep.refresh:refresh", "bring the cache up to date, say what changed"),
        "changes": Verb("keep.changes:changes", "what one run changed, or two runs differ in"),
        "schedule": Verb("keep.schedule:schedule", "files for systemd, cron, GitHub and Kubernetes"),
        "cache": Verb("keep.cache:app", "inspect, verify, compact, prune and export the cache"),
        "version": Verb("keep.version:version", "the versions that a count depends on"),
    },
}
"""The verbs by purpose."""

VERBS: Mapping[str, Verb] = {name: verb for group in GROUPS.values() for name, verb in group.items()}

_ONCE = (
    ("--version", "Print the version."),
    ("--install-completion", "Let this shell complete verbs, options, devices and precisions."),
    ("--show-completion", "Print what that adds to the shell's start."),
)
_ANYWHERE = ("--debug", "--quiet", "-q", "--verbose", "-v")

_ALLOCATIONS_A_COLLECTION = 100_000
"""Instead of Python's 700: imports leave no garbage, and collections during them take a tenth of an answer's time."""

EXAMPLES = examples(
    "zoometer run configs/default.yaml    count torchvision and timm, write the page",
    "zoometer select --max-params 5M      which model to pick within limits",
    "zoometer count timm/resnet50         what one model costs",
    "zoometer VERB --help                 the options of a verb, with examples",
    closing="""Exit codes:

   0  all is well
   1  the answer is no: nothing fits, a limit is broken; or a bug, which says so
   2  something to correct: the configuration, a path, a full disk
   3  the work is done, but some models could not be counted
   4  the work is done, and something changed that --fail-on names
  75  another refresh of this configuration is running, and --no-wait was given
 130  interrupted; the same command goes on from there""",
)


class Verbs(VerbGroup):
    """The group of verbs: imports them, accepts some options anywhere, and turns exceptions of verbs into exit codes."""

    def list_commands(self, ctx: Any) -> list[str]:
        """All verbs, including those that are not imported yet."""
        return list(dict.fromkeys([*VERBS, *super().list_commands(ctx)]))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The verb of this name, imported now."""
        if cmd_name in VERBS and cmd_name not in self.commands:
            self.commands[cmd_name] = _import_verb(cmd_name)
        return super().get_command(ctx, cmd_name)

    def resolve_command(self, ctx: Any, args: Any) -> Any:
        """The verb and its arguments; the error for an unknown name suggests the nearest."""
        names = self.list_commands(ctx)
        if args[0] not in names and not ctx.resilient_parsing:
            ctx.fail(f"There is no verb '{shorten_line(args[0])}'.{did_you_mean(args[0], names)}")
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: Any, args: Any) -> Any:
        """Accepts the options of all verbs behind the verb too: after an error, users append `--debug` to the line."""
        mine, separator, theirs = errors.split_at(args, "--")
        first = [arg for arg in mine if arg in _ANYWHERE]
        with errors.short_usage():
            return super().parse_args(ctx, [*first, *(arg for arg in mine if arg not in _ANYWHERE), *separator, *theirs])

    def invoke(self, ctx: Any) -> Any:
        """Run the verb; errors become messages and exit codes."""
        given = ctx.params
        loudness = speaking(quiet=bool(given.get("quiet")), verbose=bool(given.get("verbose")))
        with errors.short_usage(), errors.end_in_words(debug=bool(given.get("debug"))), loudness:
            return super().invoke(ctx)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The overview: verbs by purpose, examples and exit codes. No verb is imported for it."""
        formatter.write_usage(ctx.command_path, "VERB [OPTIONS]")
        formatter.write_paragraph()
        formatter.write_text(self.help)
        for title, verbs in GROUPS.items():
            write_group(formatter, title, [(f"{name:<14}", verb.does) for name, verb in verbs.items()])
        write_group(formatter, "Everywhere", [*EVERYWHERE, *_ONCE])
        formatter.write(EXAMPLES)


def _import_verb(name: str) -> Any:
    module_name, _, attribute = VERBS[name].home.partition(":")
    module = import_module(f"reports.cli.{module_name}")
    alone = typer.Typer(rich_markup_mode=None)
    verb = getattr(module, attribute)
    if isinstance(verb, typer.Typer):
        alone.add_typer(verb, name=name)
    else:
        alone.command(name, cls=verb_with(module.EXAMPLES))(verb)
    return typer.main.get_group(alone).commands[name]


app = typer.Typer(
    name="zoometer",
    cls=Verbs,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="What every vision architecture costs, and which one to pick, before a single weight is downloaded.",
)


def _print_version(is_given: bool) -> None:
    if is_given:
        from reports.cli.keep import version

        typer.echo(version.version_line())
        raise typer.Exit


@app.callback()
def _shared_options(
    debug: Annotated[bool, typer.Option("--debug")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v")] = False,
    print_version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True)] = False,
) -> None:
    """Options of every verb, read by `Verbs.invoke`; `common.help` describes them."""


def main() -> None:
    """The entry point of the installed command."""
    gc.set_threshold(_ALLOCATIONS_A_COLLECTION)
    app(prog_name="zoometer")
