"""Reads tables of users: CSV with a line of headings, in UTF-8.

Cells are text without surrounding space; empty cells and `NA`, `nan`, `null` and the like are left out, as are columns without a heading.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from zoo.documents.files import DocumentKind, decode_text, read_bytes

MOST_ROWS = 100_000
MOST_COLUMNS = 1_000
LONGEST_CELL = 10_000

_MISSING = frozenset("#N/A #NA -1.#IND -NaN -nan 1.#QNAN <NA> N/A NA NULL NaN None n/a nan null".split()) | {""}
"""Missing values as spreadsheets and pandas write them."""


@dataclass(frozen=True, slots=True)
class CsvRow:
    """A row of a table."""

    line: int  # of the file, on which the row ends
    cells: dict[str, str]  # by heading; missing ones are left out


@dataclass(frozen=True, slots=True)
class CsvTable:
    """The content of a CSV file."""

    headings: tuple[str, ...]
    rows: list[CsvRow]


def read_table(path: str | Path, kind: DocumentKind) -> CsvTable:
    """The table in a file.

    Raises:
        ZooError: the error of the kind, if the file cannot be read, is no text in UTF-8, has a heading twice or a row with more cells
            than headings, or exceeds a limit.
    """
    return parse_table(read_bytes(path, kind), path, kind)


def parse_table(content: bytes, path: str | Path, kind: DocumentKind) -> CsvTable:
    """The table in a file of this content.

    Raises:
        ZooError: as `read_table`.
    """
    reader = csv.reader(io.StringIO(decode_text(content, path, kind), newline=""))
    try:
        headings = _read_headings(next(reader, []), path, kind)
        return CsvTable(tuple(filter(None, headings)), list(_read_rows(reader, headings, path, kind)))
    except csv.Error:  # raised only for a cell beyond the reader's own limit
        raise _long_cell_error(path, reader.line_num, kind) from None


def _read_headings(cells: list[str], path: str | Path, kind: DocumentKind) -> list[str]:
    headings = [cell.strip() for cell in cells]
    if not any(headings):
        raise kind.error(f"'{path}' has no headings in its first line. Name its columns there.")
    if len(headings) > MOST_COLUMNS:
        raise kind.error(f"'{path}' has {len(headings):,} columns: a {kind.name} has at most {MOST_COLUMNS:,}.")
    if max(map(len, headings)) > LONGEST_CELL:
        raise _long_cell_error(path, 1, kind)
    if twice := [name for name, count in Counter(filter(None, headings)).items() if count > 1]:
        raise kind.error(f"'{path}' has two columns '{twice[0]}'. Rename one of them.")
    return headings


def _read_rows(reader: Iterator[list[str]], headings: list[str], path: str | Path, kind: DocumentKind) -> Iterator[CsvRow]:
    for number, cells in enumerate(reader, start=1):
        line: int = getattr(reader, "line_num", number + 1)
        if number > MOST_ROWS:
            raise kind.error(f"'{path}' has more than {MOST_ROWS:,} rows. Split it.")
        if any(len(cell) > LONGEST_CELL for cell in cells):
            raise _long_cell_error(path, line, kind)
        if len(cells) > len(headings) and any(cell.strip() for cell in cells[len(headings) :]):
            raise kind.error(
                f"'{path}' is not a {kind.name} in CSV: line {line} has {len(cells)} cells, and the first line {len(headings)} headings. "
                "Separate cells by commas, and put text with commas in quotes."
            )
        named = {
            heading: text
            for heading, cell in zip(headings, cells, strict=False)
            if heading and (text := cell.strip()) not in _MISSING
        }
        if named:
            yield CsvRow(line, named)


def _long_cell_error(path: str | Path, line: int, kind: DocumentKind) -> Exception:
    return kind.error(f"'{path}', line {line}: a cell has more than {LONGEST_CELL:,} characters. Is a quote left open before it?")
