"""A table of the report as an Excel table on a sheet of its own: header in the first row, exact values, shared styles."""

from __future__ import annotations

import functools
import math
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

import pandas as pd
from openpyxl import Workbook
from openpyxl.utils import get_column_letter, quote_sheetname
from openpyxl.workbook.defined_name import DefinedName
from openpyxl.worksheet.filters import AutoFilter
from openpyxl.worksheet.page import PageMargins
from openpyxl.worksheet.table import Table, TableColumn, TableFormula, TableStyleInfo

from reports.columns.column import Column, ColumnKind
from reports.excel.writer import styles
from reports.excel.writer.cells import address, render_cell, render_content, render_formula, render_row
from reports.excel.writer.conditional_formats import add_marks
from reports.excel.writer.page import Page
from reports.excel.writer.styles import Styles
from reports.excel.writer.text import MAX_LINKS, footer_text, sheet_name
from reports.exports.safe_text import MAX_ADDRESS, is_formula_like
from reports.leaderboard.report import Report

MAX_ROWS = 1_048_575  # rows of values under one header
_HEADER_HEIGHT = 33
_FILL = 1.12  # letters of prose to a character of width, which is that of a digit
_MOST_LINES = 12
_WRAPPED_FROM = 90  # columns declared as wide as this hold prose
_REMEMBERED = 4_096  # contents of cells of a column: most values are there many times, and a table may have a million rows
_WIDEST = 60  # characters; longer texts are cut by the next cell


@dataclass
class Book:
    """The workbook under construction, and what its first and last sheets list."""

    report: Report
    workbook: Workbook
    looks: Styles
    pages: dict[str, Page] = field(default_factory=dict)  # by title of the sheet
    taken: set[str] = field(default_factory=set)  # names of sheets, lower case
    contents: list[tuple[str, str]] = field(default_factory=list)  # sheet, what is on it
    notices: list[str] = field(default_factory=list)  # what a reader must know about the file itself
    columns: dict[tuple[str, str], Column] = field(default_factory=dict)  # by header and meaning

    def add_sheet(self, name: str, description: str, *, colour: str = styles.RULE, is_hidden: bool = False) -> Page:
        """A new sheet under a name that is free already, listed on the Summary unless it is hidden."""
        sheet = self.workbook.create_sheet(name)
        sheet.sheet_properties.tabColor = colour
        sheet.sheet_view.showGridLines = False
        sheet.page_margins = PageMargins(left=0.4, right=0.4, top=0.5, bottom=0.6, header=0.3, footer=0.3)
        made = f"{footer_text(self.report.title)}, {self.report.created_at:%Y-%m-%d}"
        footer = sheet.oddFooter
        for part, text in ((footer.left, made), (footer.center, "&A"), (footer.right, "Page &P of &N")):
            part.text, part.size = text, 8
        page = Page(sheet, self.looks)
        self.pages[name] = page
        if is_hidden:
            sheet.sheet_state = "hidden"
        else:
            self.contents.append((name, description))
        return page

    def define(self, name: str, sheet: str, area: str) -> None:
        """Give a range of a sheet a name that formulas can use."""
        self.workbook.defined_names[name] = DefinedName(name, attr_text=f"{quote_sheetname(sheet)}!{area}")

    def note_columns(self, columns: Iterable[Column]) -> None:
        """List columns on the sheet *Columns*."""
        for column in columns:
            self.columns.setdefault((column.header, column.meaning), column)


@dataclass(frozen=True)
class TableSpec:
    """A table to write: its sheet and name, its columns and rows, its formulas and its links."""

    sheet: str
    table: str
    description: str
    columns: Sequence[Column]
    frame: pd.DataFrame
    formulas: Callable[[str], dict[str, str]] = lambda _: {}  # column key to formula, given the table's name
    links: Sequence[str | None] = ()  # of the first column's cells
    empty: str = "Nothing to list."
    colour: str = styles.RULE


def write_table(book: Book, spec: TableSpec) -> Page:
    """Write the table, over more than one sheet where Excel's rows do not suffice; the first sheet is returned."""
    parts = max(1, math.ceil(len(spec.frame) / MAX_ROWS))
    if parts > 1:
        book.notices.append(
            f"{spec.sheet}: {len(spec.frame):,} rows are more than a sheet can hold; they continue on {parts - 1} more sheet(s). Picks and charts read the first sheet only."
        )
    pages: list[Page] = []
    for part in range(parts):
        rows = slice(part * MAX_ROWS, (part + 1) * MAX_ROWS)
        name = spec.sheet if part == 0 else sheet_name(f"{spec.sheet} ({part + 1})", book.taken)
        page = book.add_sheet(name, spec.description if part == 0 else f"Continues {spec.sheet}.", colour=spec.colour)
        table = spec.table if part == 0 else f"{spec.table}_{part + 1}"
        _write_table_sheet(book, page, spec, table, spec.frame.iloc[rows], spec.links[rows])
        pages.append(page)
    return pages[0]


def _write_table_sheet(
    book: Book, page: Page, spec: TableSpec, table: str, frame: pd.DataFrame, links: Sequence[str | None]
) -> None:
    _set_widths(page, spec.columns, frame)
    page.sheet.freeze_panes = "B2"
    page.sheet.print_title_rows = "1:1"
    page.print_nothing(len(spec.columns) + 1)  # after that with the [+] of the details
    book.note_columns(spec.columns)
    _write_header(book, page, spec.columns)
    if frame.empty:
        page.put(1, 0, spec.empty, italic=True, colour=styles.GREY)
        return
    formulas = spec.formulas(table)
    linked = _add_links(book, page, spec, frame, links)
    page.body = _render_body(book, spec.columns, frame, formulas, linked)
    page.body_cells = frame.shape[0] * len(spec.columns)
    last = len(frame), len(spec.columns) - 1
    page.reach(*last)
    page.sheet.add_table(_make_table(table, f"A1:{address(*last)}", spec.columns, formulas))
    for place, column in enumerate(spec.columns):
        letter = get_column_letter(place + 1)
        add_marks(page, column, f"{letter}2:{letter}{len(frame) + 1}")


def as_cells(values: pd.Series) -> list[object]:
    """Python values, None where unknown."""
    return [None if unknown else value for value, unknown in zip(values.tolist(), values.isna().tolist(), strict=True)]


def _make_table(name: str, area: str, columns: Sequence[Column], formulas: dict[str, str]) -> Table:
    """The table's own part of the file. Its headings repeat those of the cells, and a formula fills rows a reader adds."""
    table = Table(displayName=name, ref=area, autoFilter=AutoFilter(ref=area))
    table.tableStyleInfo = TableStyleInfo(name=styles.TABLE_STYLE, showRowStripes=True)
    for number, column in enumerate(columns, start=1):
        formula = formulas.get(column.key)
        rule = TableFormula(attr_text=formula) if formula else None
        table.tableColumns.append(TableColumn(id=number, name=column.header, calculatedColumnFormula=rule))
    return table


def _write_header(book: Book, page: Page, columns: Sequence[Column]) -> None:
    """Heads, each with a note that says what the column means."""
    # Bold letters are wider than digits, in which widths are counted.
    lines = max(len(textwrap.wrap(column.header, max(column.width - 2, 9))) for column in columns)
    page.heights[0] = max(_HEADER_HEIGHT, 15 * lines + 3)
    for place, column in enumerate(columns):
        page.put(0, place, column.header, book.looks.header(column))
        page.add_note(0, place, f"{column.meaning}\nOrigin: {column.origin}.")


def _render_body(
    book: Book, columns: Sequence[Column], frame: pd.DataFrame, formulas: dict[str, str], linked: frozenset[int]
) -> Iterator[str]:
    """The rows under the header, one after the other: all of them at once may not fit into memory."""
    rendered = []
    for place, column in enumerate(columns):
        values, letter = as_cells(frame[column.key]), get_column_letter(place + 1)
        if column.key in formulas:
            rendered.append(_render_formulas(letter, formulas[column.key], values, book.looks.cell(column)))
        elif place == 0:
            rendered.append(_render_names(book, values, linked))
        else:
            rendered.append(_render_values(book, letter, column, values))
    heights = _prose_heights(columns, frame)
    for row, cells in enumerate(zip(*rendered, strict=True), start=1):
        yield render_row(row, cells, heights.get(row))


def _render_values(book: Book, letter: str, column: Column, values: list[object]) -> Iterator[str]:
    """One column, top to bottom. An unknown value leaves its cell empty."""
    plain = book.looks.cell(column, wrap=column.width >= _WRAPPED_FROM)
    quoted = book.looks.get(quoted=True, indent=1)

    @functools.lru_cache(_REMEMBERED)
    def content_of_text(text: str) -> str:
        return render_content(text, quoted if is_formula_like(text) else plain)

    for row, value in enumerate(values, start=2):
        if value is None:
            yield ""
        elif isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
            yield f'<c r="{letter}{row}"{render_content(value, plain)}'
        else:
            yield f'<c r="{letter}{row}"{content_of_text(str(value))}'


def _render_names(book: Book, values: list[object], linked: frozenset[int]) -> Iterator[str]:
    """The column of names, links in their colour."""
    for row, value in enumerate(values, start=1):
        text = "" if value is None else str(value)
        look = book.looks.get(quoted=is_formula_like(text), indent=1, colour=styles.ACCENT if row in linked else styles.INK)
        yield "" if value is None and row not in linked else render_cell(f"A{row + 1}", text, look)


def _render_formulas(letter: str, formula: str, values: list[object], style: int) -> Iterator[str]:
    shared = f"<f>{escape(formula)}</f>"

    @functools.lru_cache(_REMEMBERED, typed=True)
    def content(value: object) -> str:
        return render_formula(shared, value, style)

    for row, value in enumerate(values, start=2):
        yield f'<c r="{letter}{row}"{content(value)}'


def _prose_heights(columns: Sequence[Column], frame: pd.DataFrame) -> dict[int, float]:
    """Heights of the rows, from 1, that hold more prose than a line."""
    heights: dict[int, float] = {}
    for column in (c for c in columns if c.width >= _WRAPPED_FROM):
        for row, value in enumerate(as_cells(frame[column.key]), start=1):
            if value is not None and len(str(value)) > column.width * _FILL:
                heights[row] = max(heights.get(row, 0), prose_height(len(str(value)), column.width))
    return heights


def prose_height(letters: int, width: float) -> float:
    """Height in points of a row with so many letters in a cell of this width, up to a most: longer text is cut off."""
    return 15 * min(_MOST_LINES, max(1, math.ceil(letters / (width * _FILL))))


def _add_links(book: Book, page: Page, spec: TableSpec, frame: pd.DataFrame, links: Sequence[str | None]) -> frozenset[int]:
    """Add the links of the first column's cells and return their rows, from 1; the spec has safe addresses only."""
    linked = [(row, link) for row, link in enumerate(links, start=1) if link is not None]
    if len(linked) > MAX_LINKS:
        book.notices.append(
            f"{spec.sheet}: only the first {MAX_LINKS:,} of {len(linked):,} models are links: Excel allows no more."
        )
    texts = as_cells(frame[spec.columns[0].key])
    # A text too long for a link is only text.
    fitting = [(row, link) for row, link in linked[:MAX_LINKS] if len(str(texts[row - 1])) <= MAX_ADDRESS]
    for row, link in fitting:
        page.add_link(address(row, 0), link)
    return frozenset(row for row, _ in fitting)


def _set_widths(page: Page, columns: Sequence[Column], frame: pd.DataFrame) -> None:
    """Widths as declared, or wider where the text needs it; details at the end form a group that is folded away."""
    folded = 0
    while folded < len(columns) and not columns[-1 - folded].shown:
        folded += 1
    for place, column in enumerate(columns):
        longest_word = max(len(word) for word in column.header.split())
        page.set_width(place, place, max(column.width, longest_word + 3, _width_of_texts(column, frame)))
        if place >= len(columns) - folded:
            page.fold(place)
    if folded:
        page.end_fold(len(columns))


def _width_of_texts(column: Column, frame: pd.DataFrame) -> int:
    """Characters that fit 98 % of the column's texts: one long text should not push the rest off the screen."""
    if column.is_figure or column.kind is not ColumnKind.TEXT or frame.empty:
        return 0
    lengths = frame[column.key].dropna().astype(str).str.len()
    return 0 if lengths.empty else min(_WIDEST, math.ceil(lengths.quantile(0.98)) + 2)
