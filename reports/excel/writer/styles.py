"""The cell styles of the workbook, each in the file once and used by its number."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Literal

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Border, Font, PatternFill, Protection, Side

from reports.columns.column import Column, ColumnKind

INK = "1F2933"
WHITE = "FFFFFF"
GREY = "6B7785"
RULE = "C9D2DB"
GRID = "E3E8ED"
ACCENT = "1F5A93"  # headers and links
PALE = "EEF3F8"
INPUT_FILL = "FFF6D6"  # cells the reader may change
WARNING_FILL = "FDF0E1"
WARNING_INK = "8A4B08"
GOOD = "1B7F4B"
BAD = "B3361E"
FRONTIER = "D1571B"
BAR = "8FB8DE"  # at its left end; openpyxl's bars fade to white
SHADE = "B9DFC8"
TABLE_STYLE = "TableStyleLight1"
_FONT = "Calibri"

Line = Literal["thin", "dotted"]


@dataclass(frozen=True, slots=True)
class Look:
    """Everything that can differ between two cells of this workbook; colours are RRGGBB, lines are named as in the format."""

    bold: bool = False
    italic: bool = False
    size: int = 11
    colour: str = INK
    fill: str = ""
    align: str | None = None
    valign: str = "center"
    wrap: bool = False
    indent: int = 0
    bottom: Line | None = None
    box: Line | None = None
    line_colour: str = RULE
    number_format: str = "General"
    quoted: bool = False  # stays text even when a reader edits and confirms it
    unlocked: bool = False


class Styles:
    """Numbers of styles by their looks; the same look always has the same number."""

    def __init__(self, workbook: Workbook) -> None:
        self._sheet: Any = SimpleNamespace(parent=workbook)  # all that a cell asks of its sheet for a style
        self._made: dict[Look, int] = {}
        self._by_arguments: dict[tuple[Any, ...], int] = {}  # the same by arguments of `get`, which are quicker to compare

    def get(self, look: Look | None = None, **changes: Any) -> int:
        """Number of the style with this look, or with the usual one, apart from `changes`."""
        arguments = look, *changes.items()
        if arguments not in self._by_arguments:
            new_look = dataclasses.replace(look or Look(), **changes)
            if new_look not in self._made:
                self._made[new_look] = self._make_style(new_look)
            self._by_arguments[arguments] = self._made[new_look]
        return self._by_arguments[arguments]

    def _make_style(self, look: Look) -> int:
        cell = WriteOnlyCell(self._sheet)
        cell.font = Font(name=_FONT, sz=look.size, b=look.bold, i=look.italic, color=f"FF{look.colour}")
        left = "left" if look.indent else None  # an indent counts from a side
        cell.alignment = Alignment(
            horizontal=look.align or left, vertical=look.valign, wrap_text=look.wrap or None, indent=look.indent
        )
        if look.fill:
            cell.fill = PatternFill("solid", fgColor=f"FF{look.fill}")
        if look.box or look.bottom:
            box, below = (
                Side(style, color=f"FF{look.line_colour}") if style else Side() for style in (look.box, look.box or look.bottom)
            )
            cell.border = Border(left=box, right=box, top=box, bottom=below)
        cell.number_format = look.number_format
        cell.quotePrefix = look.quoted
        if look.unlocked:
            cell.protection = Protection(locked=False)
        return cell.style_id

    def header(self, column: Column) -> int:
        """Head of a table's column: figures to the right, as their values are."""
        look = Look(bold=True, colour=WHITE, fill=ACCENT, wrap=True, box="thin", line_colour=ACCENT)
        if column.is_figure:
            return self.get(look, align="right")
        return self.get(look, align="center") if column.kind is ColumnKind.FLAG else self.get(look, indent=1)

    def cell(self, column: Column, *, wrap: bool = False) -> int:
        """Body of a table's column."""
        if column.is_figure:
            return self.get(number_format=number_format(column))
        if column.kind is ColumnKind.FLAG:  # Excel shows a truth value as such whatever the format, LibreOffice would show 1 or 0
            return self.get(align="center", number_format='"TRUE";"TRUE";"FALSE"')
        return self.get(indent=1, wrap=wrap)


def number_format(column: Column) -> str:
    """A format that shows the exact figure in the unit of the header: a comma at the end divides by a thousand.

    Figures below a tenth of the unit get two digits more, so that a small model does not look like nothing. A format knows two bounds:
    a speed has at least three significant digits from 0.01 on, and one digit after the point from 10 on.
    """
    if column.is_speed:
        return "[<0.09995]0.0000;[<9.995]0.000;#,##0.0"
    places = f".{'0' * column.digits}" if column.digits else ""
    if column.scale == 0.01:
        return f"0{places}%"
    thousands = round(math.log10(column.scale) / 3)
    if not math.isclose(1000**thousands, column.scale):
        raise ValueError(
            f"Column '{column.key}' has scale {column.scale}; a spreadsheet can show percent and powers of 1,000 only."
        )
    commas = "," * thousands
    usual = f"#,##0{places}{commas}"
    if thousands == 0:
        return usual
    return f"[<{column.scale / 10:.0f}]0.{'0' * (column.digits + 2)}{commas};{usual}"
