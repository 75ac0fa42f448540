"""The console, and the tables and titles of everything that is printed in the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TextIO

from rich import box
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

_PIPE_WIDTH = 160  # a pipe has no width: wide enough that no model's name is broken
_MIN_WRAPPED = 30  # columns for a text that may wrap


def make_console(stream: TextIO | None = None) -> Console:
    """A console on `stream` (default: stdout). rich itself obeys NO_COLOR and leaves colours out of pipes."""
    file = stream or sys.stdout
    return Console(file=file, width=None if file.isatty() else _PIPE_WIDTH, highlight=False, soft_wrap=False, markup=False)


def new_table() -> Table:
    """An unframed table with dim headers."""
    return Table(box=box.SIMPLE_HEAD, header_style="dim", pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)


def print_table(
    console: Console,
    headers: Sequence[str],
    rows: Sequence[Sequence[str | Text]],
    *,
    right: Sequence[str] = (),
    wraps: Sequence[str] = (),
) -> None:
    """A table whose first column is the most important one.

    On a narrow console it is folded; columns at the end that do not fit even then are left out.

    Args:
        console: to print on.
        headers: of the columns.
        rows: of cells. A plain text is no markup.
        right: headers of the columns with numbers.
        wraps: headers of the columns whose text may wrap, if there is some room.
    """
    table = new_table()
    shown = _columns_that_fit(console.width, headers, rows, wraps)
    for index, header in enumerate(headers[:shown]):
        justify: JustifyMethod = "right" if header in right else "left"
        no_wrap = index > 0 and header not in wraps
        table.add_column(header, justify=justify, overflow="fold", style="" if index else "bold", no_wrap=no_wrap)
    for row in rows:
        table.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row[:shown]))
    console.print(table)


def _columns_that_fit(width: int, headers: Sequence[str], rows: Iterable[Sequence[str | Text]], wraps: Sequence[str]) -> int:
    """How many columns fit side by side without breaking a value but of the first one; two at least."""
    used = 0
    for index, (header, *cells) in enumerate(zip(headers, *rows, strict=True)):
        needed = max((len(line) for cell in cells for line in str(cell).splitlines()), default=0)
        may_break = header in wraps or not index
        used += max(len(header), min(needed, _MIN_WRAPPED) if may_break else needed) + 2  # the gap between two columns
        if used - 2 > width:
            return max(2, index)
    return len(headers)


def print_title(console: Console, title: str, note: str = "") -> None:
    """A heading with a remark, after an empty line."""
    console.print()
    console.print(Text.assemble((title, "bold"), (f"  {note}" if note else "", "dim")))
