"""A table of the report as an Excel table on a sheet of its own: header in the first row, exact values, shared formats."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from reports.columns import Better, Column, Kind
from reports.excel import styles
from reports.excel.styles import Styles
from reports.excel.text import MAX_LINKS, clean_text, footer_text, sheet_name
from reports.excel.writer import Format, RepeatingSheet, Workbook, Worksheet, xl_col_to_name
from reports.exports.safe_text import MAX_ADDRESS, is_formula_like
from reports.leaderboard import Report

MAX_ROWS = 1_048_575  # rows of values under one header
_HEADER_HEIGHT = 33
_FILL = 1.12  # letters of prose to a character of width, which is that of a digit
_MOST_LINES = 12
_WRAPPED_FROM = 90  # columns declared as wide as this hold prose
_WIDEST = 60  # characters; longer texts are cut by the next cell


@dataclass
class Book:
    """The workbook being written, and what its Summary will say of it."""

    report: Report
    workbook: Workbook
    formats: Styles
    taken: set[str] = field(default_factory=set)  # names of sheets, lower case
    contents: list[tuple[str, str]] = field(default_factory=list)  # sheet, what is on it
    notices: list[str] = field(default_factory=list)  # what a reader must know about the file itself
    columns: dict[tuple[str, str], tuple[Column, list[str]]] = field(default_factory=dict)  # by header and meaning: where each is

    def add_sheet(self, name: str, description: str, *, colour: str = styles.RULE) -> Worksheet:
        """A new sheet under a name that is free already, listed on the Summary."""
        sheet = self.workbook.add_worksheet(name, RepeatingSheet)
        sheet.set_tab_color(colour)
        sheet.hide_gridlines(2)
        sheet.set_paper(9)
        sheet.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.6)
        sheet.set_footer(f"&L&8{footer_text(self.report.title)}, {self.report.created_at:%Y-%m-%d}&C&8&A&R&8Page &P of &N")
        self.contents.append((name, description))
        return sheet


@dataclass(frozen=True)
class TableSpec:
    """What to write: where, which columns of which table, and what in it is a formula or leads somewhere."""

    sheet: str
    table: str
    description: str
    columns: Sequence[Column]
    frame: pd.DataFrame
    formulas: Callable[[str], dict[str, str]] = lambda _: {}  # column key to formula, given the table's name
    links: Sequence[str | None] = ()  # where the first column's cells lead
    empty: str = "Nothing to list."
    colour: str = styles.RULE


def write_table(book: Book, spec: TableSpec) -> Worksheet:
    """Write the table, over more than one sheet where Excel's rows do not suffice; the first sheet is returned."""
    parts = max(1, math.ceil(len(spec.frame) / MAX_ROWS))
    if parts > 1:
        book.notices.append(
            f"{spec.sheet}: {len(spec.frame):,} rows are more than a sheet can hold; they continue on {parts - 1} further sheet(s). Live picks and charts read the first only."
        )
    sheets: list[Worksheet] = []
    for part in range(parts):
        rows = slice(part * MAX_ROWS, (part + 1) * MAX_ROWS)
        name = spec.sheet if part == 0 else sheet_name(f"{spec.sheet} ({part + 1})", book.taken)
        sheet = book.add_sheet(name, spec.description if part == 0 else f"Continues {spec.sheet}.", colour=spec.colour)
        table = spec.table if part == 0 else f"{spec.table}_{part + 1}"
        _write_part(book, sheet, spec, table, spec.frame.iloc[rows], spec.links[rows])
        sheets.append(sheet)
    return sheets[0]


def _write_part(
    book: Book, sheet: Worksheet, spec: TableSpec, table: str, frame: pd.DataFrame, links: Sequence[str | None]
) -> None:
    _set_widths(sheet, spec.columns, frame)
    _set_up_page(sheet, spec.columns, len(frame))
    formulas = spec.formulas(table)
    _note_columns(book, spec)
    _write_header(book, sheet, spec.columns)
    if frame.empty:
        sheet.write_string(1, 0, spec.empty, book.formats.get(italic=True, font_color=styles.GREY))
        return
    sheet.add_table(0, 0, len(frame), len(spec.columns) - 1, {
        "name": table, "style": styles.TABLE_STYLE,
        "columns": [_table_column(book, column, formulas.get(column.key)) for column in spec.columns],
    })  # fmt: skip
    for place, column in enumerate(spec.columns):
        values = as_cells(frame[column.key])
        if column.key in formulas:
            _write_formulas(sheet, place, formulas[column.key], values, book.formats.cell(column))
        else:
            _write_values(book, sheet, place, column, values)
        _add_marks(book, sheet, place, column, len(frame))
    _write_links(book, sheet, spec, as_cells(frame[spec.columns[0].key]), links)


def as_cells(values: pd.Series) -> list[object]:
    """Python values, None where unknown."""
    return [None if unknown else value for value, unknown in zip(values.tolist(), values.isna().tolist(), strict=True)]


def _table_column(book: Book, column: Column, formula: str | None) -> dict[str, object]:
    options: dict[str, object] = {
        "header": column.header,
        "header_format": book.formats.header(column),
        "format": book.formats.cell(column),
    }
    return options | ({"formula": formula} if formula else {})


def _write_header(book: Book, sheet: Worksheet, columns: Sequence[Column]) -> None:
    """Heads, each with a note that says what the column means."""
    lines = max(len(textwrap.wrap(column.header, max(column.width, 9))) for column in columns)
    sheet.set_row(0, max(_HEADER_HEIGHT, 15 * lines + 3))
    for place, column in enumerate(columns):
        sheet.write_string(0, place, column.header, book.formats.header(column))
        note = f"{column.meaning}\nOrigin: {column.origin}."
        sheet.write_comment(
            0, place, note, {"width": 260, "height": 18 * (2 + len(note) // 42), "font_size": 9, "color": "#FFFDF3"}
        )


def _write_values(book: Book, sheet: Worksheet, place: int, column: Column, values: list[object]) -> None:
    """One column, top to bottom. An unknown value leaves its cell empty."""
    wrapped = {"text_wrap": True} if column.width >= _WRAPPED_FROM else {}
    plain, quoted = book.formats.get(indent=1, **wrapped) if wrapped else book.formats.cell(column), book.formats.quoted()
    for row, value in enumerate(values, start=1):
        if value is None:
            continue
        if isinstance(value, bool):
            sheet.write_boolean(row, place, value, plain)
        elif isinstance(value, (int, float)) and math.isfinite(value):
            sheet.write_number(row, place, value, plain)
        else:
            text = str(value)
            sheet.write_string(row, place, clean_text(text), quoted if is_formula_like(text) else plain)
            if wrapped and len(text) > column.width * _FILL:
                sheet.set_row(row, prose_height(len(text), column.width))


def prose_height(letters: int, width: float) -> float:
    """Height of a row that holds so much prose in a cell of this width; what is far longer is cut, or no row could show it."""
    return 15 * min(_MOST_LINES, max(1, math.ceil(letters / (width * _FILL))))


def _write_formulas(sheet: Worksheet, place: int, formula: str, values: list[object], cell: Format) -> None:
    for row, value in enumerate(values, start=1):
        sheet.write_formula(row, place, formula, cell, value)


def _write_links(book: Book, sheet: Worksheet, spec: TableSpec, texts: list[object], links: Sequence[str | None]) -> None:
    """Make the first column's cells lead somewhere; the addresses were judged by who made the spec."""
    wanted = [(row, link) for row, link in enumerate(links) if link is not None]
    if len(wanted) > MAX_LINKS:
        book.notices.append(
            f"{spec.sheet}: only the first {MAX_LINKS:,} of {len(wanted):,} models are links, which is what Excel can hold."
        )
    for row, link in wanted[:MAX_LINKS]:
        text = "" if texts[row] is None else str(texts[row])
        write_link(book, sheet, row + 1, 0, link, text, indent=1)


def write_link(book: Book, sheet: Worksheet, row: int, place: int, address: str, text: str, **look: Any) -> None:
    """A cell that leads to an address that was judged before; a text too long for a link is only text."""
    form = book.formats.link(text, **look)
    if len(text) > MAX_ADDRESS:
        sheet.write_string(row, place, clean_text(text), form)
    else:
        sheet.write_url(row, place, address, form, clean_text(text))


def _set_widths(sheet: Worksheet, columns: Sequence[Column], frame: pd.DataFrame) -> None:
    """Widths as declared, or wider where the text needs it; details at the end form a group that is folded away."""
    hidden = 0
    while hidden < len(columns) and not columns[-1 - hidden].shown:
        hidden += 1
    for place, column in enumerate(columns):
        fold = {"level": 1, "hidden": True} if place >= len(columns) - hidden else {}
        longest_word = max(len(word) for word in column.header.split())
        sheet.set_column(place, place, max(column.width, longest_word + 3, _needed_width(column, frame)), None, fold)
    if hidden:
        sheet.set_column(len(columns), len(columns), 3, None, {"collapsed": True})


def _needed_width(column: Column, frame: pd.DataFrame) -> int:
    """Characters that hold nearly all of the column's texts: one long exception should not push the rest off the screen."""
    if column.is_figure or column.kind is not Kind.TEXT or frame.empty:
        return 0
    lengths = frame[column.key].dropna().astype(str).str.len()
    return 0 if lengths.empty else min(_WIDEST, math.ceil(lengths.quantile(0.98)) + 2)


def _set_up_page(sheet: Worksheet, columns: Sequence[Column], rows: int) -> None:
    sheet.freeze_panes(1, 1)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)
    sheet.print_area(0, 0, max(rows, 1), len(columns) - 1)


def _note_columns(book: Book, spec: TableSpec) -> None:
    for column in spec.columns:
        sheets = book.columns.setdefault((column.header, column.meaning), (column, []))[1]
        if spec.sheet not in sheets:
            sheets.append(spec.sheet)


def _add_marks(book: Book, sheet: Worksheet, place: int, column: Column, rows: int) -> None:
    """Bars where magnitude matters, shades of accuracy, and colours for words of judgement."""
    area = f"{xl_col_to_name(place)}2:{xl_col_to_name(place)}{rows + 1}"
    if column.shown and column.kind is Kind.INTEGER and column.scale > 1:
        # Costs span decades: a bar for the largest of all would leave no bar for the rest.
        sheet.conditional_format(area, {
            "type": "data_bar", "bar_solid": True, "bar_color": styles.BAR, "bar_border_color": styles.BAR, "data_bar_2010": True,
            "min_type": "num", "min_value": 0, "max_type": "percentile", "max_value": 95,
        })  # fmt: skip
    elif column.shown and column.better is Better.HIGH:
        sheet.conditional_format(area, {
            "type": "2_color_scale", "min_color": "#FFFFFF", "max_color": "#B9DFC8", "min_type": "percentile", "min_value": 10,
        })  # fmt: skip
    for word, colour in (_WORD_COLOURS.get(column.key) or {}).items():
        sheet.conditional_format(
            area, {"type": "cell", "criteria": "==", "value": word, "format": book.formats.get(font_color=colour)}
        )


_WORD_COLOURS = {
    "budget": {'"fits"': styles.GOOD, '"over"': styles.BAD, '"unknown"': styles.GREY},
    "status": {'"bound"': styles.WARNING_INK, '"failed"': styles.BAD},
    "on_frontier": {"TRUE": styles.FRONTIER, "FALSE": styles.RULE},
}
