"""The workbook's file: openpyxl's parts, with the rows of each sheet streamed between what openpyxl writes around them.

This is the one place that builds on how openpyxl writes files rather than on what it promises to its users: a sheet's head and
tail come from its `WorksheetWriter`, everything else from its `ExcelWriter`.
"""

# ruff: noqa: SLF001 -- see above; the tests read every part back

from __future__ import annotations

import itertools
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from openpyxl import Workbook
from openpyxl.drawing.spreadsheet_drawing import SpreadsheetDrawing
from openpyxl.worksheet._writer import WorksheetWriter
from openpyxl.worksheet.merge import MergeCell, MergeCells
from openpyxl.writer.excel import ExcelWriter
from openpyxl.xml.functions import Element

from reports.excel.writer.page import Page

_ROWS_GO_HERE = "rows"
_AT_ONCE = 500  # rows
_CELL_BYTES = 150  # about, and rather too many
_LARGE = 2**31  # bytes from which an archive needs another kind of entry


def save(workbook: Workbook, pages: Mapping[str, Page], path: Path) -> None:
    """Write the workbook, whose sheets are these pages by their titles. The same content gives the same bytes."""
    with _Archive(path, "w", ZIP_DEFLATED) as archive:
        _BookWriter(workbook, archive, pages).write_data()


class _Archive(ZipFile):
    """An archive whose entries all have the format's first date, so that the time of writing does not show in the bytes."""

    def writestr(self, name: Any, data: bytes | str, *_: Any, **__: Any) -> None:  # type: ignore[override]  # as openpyxl calls it
        with self.open(name, "w") as part:
            part.write(data.encode() if isinstance(data, str) else data)


class _BookWriter(ExcelWriter):
    """openpyxl's writer, with other rows."""

    def __init__(self, workbook: Workbook, archive: ZipFile, pages: Mapping[str, Page]) -> None:
        super().__init__(workbook, archive)
        self._file = archive
        self._pages = pages

    def write_worksheet(self, ws: Any) -> None:
        page = self._pages[ws.title]
        ws._drawing = _Drawing(page)
        writer: Any = _SheetWriter(page)
        writer.write()
        ws._rels = writer._rels
        # Nothing before the rows comes from outside, so the first such mark is ours.
        head, _, tail = writer.read().partition(_ROWS_GO_HERE.encode())
        with self._file.open(ws.path[1:], "w", force_zip64=page.body_cells * _CELL_BYTES > _LARGE) as part:
            part.write(head)
            rows = page.rows()
            while batch := list(itertools.islice(rows, _AT_ONCE)):
                part.write("".join(batch).encode())
            part.write(tail)
        self.manifest.append(ws)


class _SheetWriter(WorksheetWriter):
    """Writes what is around the rows, and a mark where they belong."""

    def __init__(self, page: Page) -> None:
        self._page = page
        super().__init__(page.sheet, BytesIO())

    def write_dimensions(self) -> None:
        """The range of the cells, which openpyxl does not have."""
        self.xf.send(Element("dimension", {"ref": self._page.extent}))

    def write_rows(self) -> None:
        """A mark instead of rows, and the links and notes that openpyxl collects while it writes rows."""
        sheet: Any = self.ws
        sheet._hyperlinks.extend(self._page.links)
        sheet._comments.extend(self._page.notes)
        rows = Element("sheetData")
        rows.text = _ROWS_GO_HERE
        self.xf.send(rows)

    def write_merged_cells(self) -> None:
        """In the order of the sheet; openpyxl keeps them in a set."""
        if merged := self._page.sheet.merged_cells.sorted():
            self.xf.send(MergeCells(mergeCell=[MergeCell(str(area)) for area in merged]).to_tree())


class _Drawing(SpreadsheetDrawing):
    """The charts of a sheet, each with its description."""

    __elements__ = SpreadsheetDrawing.__elements__  # not inherited in openpyxl

    def __init__(self, page: Page) -> None:
        super().__init__()
        sheet: Any = page.sheet
        self.charts, self.images = sheet._charts, sheet._images
        self._descriptions = page.descriptions

    def _chart_frame(self, idx: int) -> Any:
        frame = super()._chart_frame(idx)  # type: ignore[misc]  # not in its stubs
        frame.nvGraphicFramePr.cNvPr.descr = self._descriptions[idx - 1]
        return frame
