"""Text made to fit the cells, names and footers of a workbook; cuts are marked."""

from __future__ import annotations

import re

from reports.exports.safe_text import printable

MAX_CELL = 32_767  # characters Excel keeps in a cell, counted in UTF-16
MAX_LINKS = 65_000  # Excel refuses a sheet with more than 65,530 links

_SHEET_NAME_ILLEGAL = re.compile(r"[\[\]:*?/\\'\"\n]")  # quotes and line ends are legal but need escaping in formulas


def clean_text(text: str) -> str:
    """The text as a cell can hold it, cut with a notice if it is too long."""
    text = printable(text)
    return text if len(text) <= MAX_CELL // 2 else _cut_to_cell(text)


def _cut_to_cell(text: str) -> str:
    units = len(text.encode("utf-16-le")) // 2
    if units <= MAX_CELL:
        return text
    notice = f" … [cut: {len(text):,} characters in all]"
    head = text.encode("utf-16-le")[: 2 * (MAX_CELL - len(notice))].decode("utf-16-le", errors="ignore")
    return head + notice


def sheet_name(proposed: str, taken: set[str]) -> str:
    """A legal name for a sheet, not yet in `taken` (lower case), to which it is added."""
    base = _SHEET_NAME_ILLEGAL.sub(" ", clean_text(proposed)).strip()[:31].strip() or "Sheet"
    name, number = base, 2
    while name.lower() in taken or name.lower() == "history":  # Excel keeps `History` for itself
        ending = f" ({number})"
        name, number = base[: 31 - len(ending)] + ending, number + 1
    taken.add(name.lower())
    return name


def footer_text(text: str) -> str:
    """Text for a page's header or footer, where & begins a command and 255 characters are the limit."""
    return clean_text(text)[:80].replace("&", "&&")
