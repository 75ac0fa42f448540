"""What a verb did, said on stdout for a person or for a program."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from reports.cli.common.formats import TextFormat

if TYPE_CHECKING:
    from reports.cli.common.errors import ExitCode
    from reports.terminal.summary import Outcome


def print_outcome(outcome: Outcome, form: TextFormat, code: ExitCode) -> None:
    """Say on stdout what was done, for a person or for a program."""
    from reports.terminal import summary as text

    if form is TextFormat.JSON:
        typer.echo(json.dumps(text.summary_record(outcome, code), indent=2))
    else:
        text.print_summary(text.make_console(), outcome)
