"""What verbs print: answers on stdout in the chosen format, and messages on stderr, as `--quiet` and `--verbose` say."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal

import typer

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

    from reports.cli.common.errors import ExitCode
    from reports.terminal.run_summary import CommandOutcome
    from zoo.settings import Listener


TextFormat = Literal["text", "json"]
TableFormat = Literal["table", "json", "csv"]


_QUIET, _NORMAL, _VERBOSE = range(3)
_loudness = ContextVar("loudness", default=_NORMAL)


@contextmanager
def speaking(*, quiet: bool, verbose: bool) -> Iterator[None]:
    """Within it, messages are printed as `--quiet` and `--verbose` ask for; `--quiet` takes precedence."""
    token = _loudness.set(_QUIET if quiet else _VERBOSE if verbose else _NORMAL)
    try:
        yield
    finally:
        _loudness.reset(token)


def is_quiet() -> bool:
    """Whether only results and errors are printed."""
    return _loudness.get() == _QUIET


def note(text: str) -> None:
    """A message on stderr, unless `--quiet` is given."""
    if not is_quiet():
        typer.echo(text, err=True)


def detail(text: str) -> None:
    """A message on stderr, where `--verbose` is given."""
    if _loudness.get() == _VERBOSE:
        typer.echo(text, err=True)


def listen() -> AbstractContextManager[Listener]:
    """A listener that prints progress on stderr, as much as `--quiet` and `--verbose` say."""
    from reports.terminal import progress  # slow to import

    return progress.listen(quiet=is_quiet(), every=_loudness.get() == _VERBOSE)


def print_json(record: Any) -> None:
    """An answer for programs; times are written as ISO 8601."""
    typer.echo(json.dumps(record, indent=2, default=str))


def print_csv(table: pd.DataFrame) -> None:
    """An answer of one row an item, in which no spreadsheet runs a text as a formula."""
    from reports.exports.csv_text import csv_text

    typer.echo(csv_text(table), nl=False)


def print_answer(
    form: str,
    text: Callable[[Console], object],
    record: Callable[[], Any],
    table: Callable[[], pd.DataFrame] | None = None,
) -> None:
    """Print an answer in the chosen format; only that one is made.

    Args:
        form: json, csv, or the name of the format for people.
        text: prints it on a console.
        record: makes what `print_json` prints.
        table: makes what `print_csv` prints; None where the verb has no CSV.
    """
    if form == "json":
        print_json(record())
    elif form == "csv" and table:
        print_csv(table())
    else:
        from reports.terminal.console import make_console

        text(make_console())


def print_outcome(outcome: CommandOutcome, form: str, code: ExitCode) -> None:
    """Say what was counted and written, for a person or for a program; with `--quiet` for a program only."""
    from reports.terminal.console import make_console
    from reports.terminal.run_summary import print_summary, summary_record

    if form == "json":
        print_json(summary_record(outcome, code))
    elif not is_quiet():
        print_summary(make_console(), outcome)
