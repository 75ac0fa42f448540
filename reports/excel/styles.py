"""The look of the workbook: a handful of shared cell formats, made once each."""

from __future__ import annotations

import math
from typing import Any

from reports.columns import Column, Kind
from reports.excel.writer import Format, Workbook
from reports.exports.safe_text import is_formula_like

INK = "#1F2933"
GREY = "#6B7785"
RULE = "#C9D2DB"
ACCENT = "#1F5A93"  # headers, links, the frontier's own colour is below
PALE = "#EEF3F8"
INPUT_FILL = "#FFF6D6"  # cells the reader may change
WARNING_FILL = "#FDF0E1"
WARNING_INK = "#8A4B08"
GOOD = "#1B7F4B"
BAD = "#B3361E"
FRONTIER = "#D1571B"
MODELS = "#7C9CBF"
BAR = "#CFE0F1"
TABLE_STYLE = "Table Style Light 1"


class Styles:
    """Formats by their properties; asking twice for the same gives the same object, so that the file holds each once."""

    def __init__(self, workbook: Workbook) -> None:
        self._workbook = workbook
        self._made: dict[tuple[tuple[str, Any], ...], Format] = {}

    def get(self, **properties: Any) -> Format:
        """The format with these XlsxWriter properties."""
        key = tuple(sorted(properties.items()))
        if key not in self._made:
            self._made[key] = self._workbook.add_format({"font_color": INK, "valign": "vcenter", **properties})
        return self._made[key]

    def header(self, column: Column) -> Format:
        """Head of a table's column: figures to the right, as their values are."""
        side = (
            {"align": "right"}
            if column.is_figure
            else {"align": "center"}
            if column.kind is Kind.FLAG
            else {"align": "left", "indent": 1}
        )
        return self.get(bold=True, font_color="#FFFFFF", bg_color=ACCENT, text_wrap=True, border=1, border_color=ACCENT, **side)

    def cell(self, column: Column) -> Format:
        """Body of a table's column."""
        if column.is_figure:
            return self.get(num_format=number_format(column))
        if column.kind is Kind.FLAG:  # Excel shows a truth value as such whatever the format, LibreOffice would show 1 or 0
            return self.get(align="center", num_format='"TRUE";"TRUE";"FALSE"')
        return self.get(indent=1)

    def quoted(self) -> Format:
        """Text that must stay text even when a reader edits and confirms its cell."""
        return self.get(quote_prefix=True, indent=1)

    def link(self, text: str = "", **look: Any) -> Format:
        """A cell that leads somewhere, whatever its text."""
        return self.get(font_color=ACCENT, **({"quote_prefix": True} if is_formula_like(text) else {}), **look)


def number_format(column: Column) -> str:
    """A format that shows the exact figure in the unit of the header: a comma at the end divides by a thousand.

    Figures below a tenth of the unit get two digits more, so that a small model does not look like nothing.
    """
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
