"""What a verb did, said on stdout for a person or for a program."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from reports.cli.common.formats import TextFormat

if TYPE_CHECKING:
    from reports.cli.common.errors import ExitCode
    from reports.terminal.run_summary import Outcome


def print_outcome(outcome: Outcome, form: TextFormat, code: ExitCode) -> None:
    """Say on stdout what was done, for a person or for a program."""
    from reports.terminal.console import make_console
    from reports.terminal.run_summary import print_summary, summary_record

    if form is TextFormat.JSON:
        typer.echo(json.dumps(summary_record(outcome, code), indent=2))
    else:
        print_summary(make_console(), outcome)
