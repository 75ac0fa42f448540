"""Help pages in plain text: options in groups by subject, and examples at the end, which most readers look at first."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

EVERYWHERE = (
    ("-q, --quiet", "Print results and errors only: no progress, no summaries."),
    ("-v, --verbose", "Print every model that is counted, and where facts are kept."),
    ("--debug", "Print the traceback of an error."),
    ("-h, --help", "Print this page."),
)
"""Options of every verb; they may stand before it or behind it."""

_PANELS = ("Arguments", "Options", "Limits", "Models", "Device", "Counting", "Files", "Output")
"""The groups in their order; typer's `rich_help_panel` assigns an option to one."""


def examples(*lines: str, closing: str = "") -> str:
    """The end of a help page: examples, and further notes."""
    return "\n".join(["", " Examples:", "", *(f"   {line}" for line in lines), *(["", f" {closing}"] if closing else []), ""])


def heading(title: str) -> str:
    """A heading, bold in a terminal that may be styled."""
    is_styled = sys.stdout and sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return typer.style(f"{title}:", bold=True) if is_styled else f"{title}:"


def write_group(formatter: Any, title: str, rows: Iterable[tuple[str, str]]) -> None:
    """A heading, and under it two columns."""
    formatter.write_paragraph()
    formatter.write(f" {heading(title)}\n")
    with formatter.indentation():
        formatter.write_dl([*rows])


def verb_with(shown: str) -> type[TyperCommand]:
    """A command class whose help groups its options and ends with these examples."""

    class VerbCommand(TyperCommand):
        def format_options(self, ctx: Any, formatter: Any) -> None:
            groups: dict[str, list[tuple[str, str]]] = {panel: [] for panel in _PANELS}
            for param in self.get_params(ctx):
                if param.name != "help" and (record := param.get_help_record(ctx)):
                    default = "Arguments" if param.param_type_name == "argument" else "Options"
                    groups[getattr(param, "rich_help_panel", None) or default].append(record)
            for title, rows in [*groups.items(), ("Everywhere", [*EVERYWHERE])]:
                if rows:
                    write_group(formatter, title, rows)

        def format_help(self, ctx: Any, formatter: Any) -> None:
            super().format_help(ctx, formatter)
            formatter.write(shown.replace("Examples:", heading("Examples"), 1))

    return VerbCommand


class VerbGroup(TyperGroup):
    """A group of verbs whose help is in the same form; without a verb it gives its help."""

    def parse_args(self, ctx: Any, args: Any) -> Any:
        """Help for an empty line."""
        return super().parse_args(ctx, args or ["--help"])

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """What the group does, and its verbs, each in a line."""
        formatter.write_usage(ctx.command_path, "VERB [OPTIONS]")
        formatter.write_paragraph()
        formatter.write_text(self.help)
        verbs = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        write_group(formatter, "Verbs", [(name, verb.get_short_help_str(60)) for name, verb in verbs if verb])
        write_group(formatter, "Everywhere", EVERYWHERE)
