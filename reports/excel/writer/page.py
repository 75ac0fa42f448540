"""A sheet under construction: the cells, and openpyxl's sheet for everything else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

from openpyxl.chart.scatter_chart import ScatterChart
from openpyxl.comments.comment_sheet import CommentRecord
from openpyxl.drawing.spreadsheet_drawing import AnchorMarker, TwoCellAnchor
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.hyperlink import Hyperlink
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.worksheet import Worksheet

from reports.excel.writer import styles
from reports.excel.writer.cells import address, render_cell, render_row
from reports.excel.writer.styles import Styles
from reports.exports.safe_text import is_formula_like

_PADDING = 0.71  # what a spreadsheet adds to a width in characters
_NOTE_WIDTH = 260  # pixels
A4 = 9  # the format's number for it


class Page:
    """One sheet. Rows and columns are counted from 0; cells may be put in any order.

    Attributes:
        sheet: openpyxl's sheet, for views, widths, printing, tables, charts and conditional formats; its own cells stay empty.
        looks: the styles of the workbook.
        heights: by row, in points, where it is not the usual one.
        body: rendered rows that follow the other ones; they are read once, while the file is written.
        body_cells: about how many cells they have, to estimate the size of the file.
        links: hyperlinks of cells.
        notes: comments on cells.
        descriptions: of each chart, for readers who cannot see it.
    """

    def __init__(self, sheet: Worksheet, looks: Styles) -> None:
        self.sheet = sheet
        self.looks = looks
        self.heights: dict[int, float] = {}
        self.body: Iterable[str] = ()
        self.body_cells = 0
        self.links: list[Hyperlink] = []
        self.notes: list[CommentRecord] = []
        self.descriptions: list[str] = []
        self._cells: dict[int, dict[int, str]] = {}
        self._last = (0, 0)

    def put(
        self, row: int, column: int, value: object, style: int | None = None, *, link: str | None = None, **look: Any
    ) -> None:
        """Write a cell.

        Args:
            row: from 0.
            column: from 0.
            value: of the cell. Text that a spreadsheet would take for a formula stays text even when a reader edits it.
            style: number of its style; None for that with this `look`.
            link: an address or, beginning with #, a place in the workbook.
            look: what differs from the usual `Look`.
        """
        place = address(row, column)
        if style is None:
            colour = {} if link is None else {"colour": styles.ACCENT}
            style = self.looks.get(**{"quoted": isinstance(value, str) and is_formula_like(value)} | colour | look)
        self._cells.setdefault(row, {})[column] = render_cell(place, value, style)
        self.reach(row, column)
        if link is not None:
            self.add_link(place, link)

    def add_link(self, place: str, link: str) -> None:
        """Add a link to a cell."""
        inside = link.startswith("#")
        self.links.append(Hyperlink(ref=place, location=link[1:] if inside else None, target=None if inside else link))

    def add_note(self, row: int, column: int, text: str) -> None:
        """Add a comment to a cell."""
        note = CommentRecord(address(row, column), author="zoometer", width=_NOTE_WIDTH, height=18 * (2 + len(text) // 42))
        note.text.t = text
        self.notes.append(note)

    def add_chart(self, chart: ScatterChart, first: tuple[int, int], end: tuple[int, int], description: str) -> None:
        """Place a chart from the upper left corner of one cell to that of another."""
        corners = (AnchorMarker(row=row, col=column) for row, column in (first, end))
        placed: Any = chart  # its stubs know only the corner
        placed.anchor = TwoCellAnchor("oneCell", *corners)
        self.sheet.add_chart(chart)
        self.descriptions.append(description)

    def reach(self, row: int, column: int) -> None:
        """Extend the range of cells to this one."""
        self._last = (max(self._last[0], row), max(self._last[1], column))

    @property
    def extent(self) -> str:
        """The range of all cells."""
        return f"A1:{address(*self._last)}"

    def rows(self) -> Iterator[str]:
        """Every row from top to bottom; the body is used up by it."""
        for row in sorted(self._cells.keys() | self.heights.keys()):
            cells = self._cells.get(row, {})
            yield render_row(row, (cells[column] for column in sorted(cells)), self.heights.get(row))
        yield from self.body

    def set_width(self, first: int, last: int, characters: float) -> None:
        """Width of some columns."""
        for column in range(first, last + 1):
            self.sheet.column_dimensions[get_column_letter(column + 1)].width = characters + _PADDING

    def fold(self, column: int) -> None:
        """Put a column into the group that a click on [+] unfolds."""
        dimension = self.sheet.column_dimensions[get_column_letter(column + 1)]
        dimension.outlineLevel, dimension.hidden = 1, True
        self.sheet.column_dimensions.max_outline = 1  # openpyxl would set it only after it has written it

    def end_fold(self, column: int) -> None:
        """Mark the column after a group, which has its [+]."""
        self.set_width(column, column, 3)
        self.sheet.column_dimensions[get_column_letter(column + 1)].collapsed = True

    def print_on(self, last_row: int, last_column: int) -> None:
        """Print everything up to this cell on one page."""
        self._set_up_printing(f"A1:{address(last_row, last_column)}", "portrait", 1)

    def print_nothing(self, column: int) -> None:
        """Leave the sheet out when the workbook is printed: its print area is this column, which is hidden and so never printed.

        Without the print area, the whole sheet prints, one page wide.
        """
        self.sheet.column_dimensions[get_column_letter(column + 1)].hidden = True
        self._set_up_printing(address(0, column), "landscape", 0)

    def _set_up_printing(self, area: str, orientation: Literal["landscape", "portrait"], pages_high: int) -> None:
        self.sheet.print_area = area
        self.sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
        setup = self.sheet.page_setup
        setup.orientation, setup.paperSize = orientation, A4
        setup.fitToWidth, setup.fitToHeight = 1, pages_high
