"""Consoles, tables and paragraphs that everything in the terminal is printed with."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO

from rich import box
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

UNKNOWN = "–"
_PIPE_WIDTH = 160  # a pipe has no width: wide enough that no model's name is broken


def make_console(stream: TextIO | None = None) -> Console:
    """A console on `stream` (default: stdout). rich itself obeys NO_COLOR and leaves colours out of pipes."""
    file = stream or sys.stdout
    return Console(file=file, width=None if file.isatty() else _PIPE_WIDTH, highlight=False, soft_wrap=False)


def new_table() -> Table:
    """An unframed table with dim headers."""
    return Table(box=box.SIMPLE_HEAD, header_style="dim", pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)


def print_table(console: Console, headers: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()) -> None:
    """A plain table, its first column foremost; headers named in `right` hold numbers.

    Columns stand in the order of their importance: those that do not fit at the end are left out before a name is broken.
    """
    table = new_table()
    shown = _columns_that_fit(console.width, headers, rows)
    for index, header in enumerate(headers[:shown]):
        justify: JustifyMethod = "right" if header in right else "left"
        table.add_column(header, justify=justify, overflow="fold", style="bold" if index == 0 else "", no_wrap=index > 0)
    for row in rows:
        table.add_row(*map(Text, row[:shown]))  # as it is: a name in brackets is no markup
    console.print(table)


def _columns_that_fit(width: int, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """How many columns fit side by side without breaking a value; two at least."""
    used = 0
    for index, header in enumerate(headers):
        used += max(len(header), *(len(row[index]) for row in rows)) + 2  # the gap between two columns
        if used - 2 > width:
            return max(2, index)
    return len(headers)


def print_warning(console: Console, text: str) -> None:
    """A paragraph behind an exclamation mark, its lines aligned with the first."""
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_row(Text("!", style="bold yellow"), Text(text, overflow="fold"))
    console.print(table)
