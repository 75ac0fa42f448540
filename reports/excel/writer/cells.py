"""Cells as XML of a sheet's file.

openpyxl's own cell writer is not used, for four reasons. It writes no value beside a formula, so that previews, Protected View
and pandas would show nothing. It rounds numbers to 16 digits, and a double needs 17 to come back as it was. It takes any text
that begins with = for a formula, and here only a `Formula` is one. And it needs an object and a dozen calls per cell, where a
report has millions of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from numbers import Integral
from typing import NamedTuple
from xml.sax.saxutils import escape

from openpyxl.utils import get_column_letter

from reports.excel.writer.text import clean_text

# `_x0041_` stands for a character in the format; where it is meant literally, it is broken into two runs.
_LIKE_AN_ESCAPE = re.compile(r"(?<=_x)(?=[0-9A-Fa-f]{4}_)")


class Formula(NamedTuple):
    """A formula, without the equals sign, and its result, which is shown until a spreadsheet recalculates."""

    text: str
    value: object


def address(row: int, column: int, *, absolute: str = "") -> str:
    """`A1` for 0, 0. `absolute` names what does not move when the formula is copied: `column` or `both`."""
    before = "$" if absolute else ""
    return f"{before}{get_column_letter(column + 1)}{'$' if absolute == 'both' else ''}{row + 1}"


def render_cell(place: str, value: object, style: int) -> str:
    """One cell. None is an empty cell with a style; text is cleaned and cut to the length of a cell."""
    return f'<c r="{place}"{render_content(value, style)}'


def render_content(value: object, style: int) -> str:
    """A cell from behind its place to its end: the same for all equal values of a column."""
    if value is None:
        return f' s="{style}"/>'
    if isinstance(value, Formula):
        return render_formula(f"<f>{escape(value.text)}</f>", value.value, style)
    if isinstance(value, str):
        return f' s="{style}" t="inlineStr"><is>{_render_text(clean_text(value))}</is></c>'
    return f' s="{style}"{_render_number(value)}</c>'


def render_formula(formula: str, value: object, style: int) -> str:
    """The content of a cell with a formula that is XML already, for formulas of every row of a table."""
    if isinstance(value, str):
        text = _LIKE_AN_ESCAPE.sub("005F_x", clean_text(value))  # _x0041_ becomes _x005F_x0041_: no runs are possible here
        return f' s="{style}" t="str">{formula}<v>{escape(text)}</v></c>'
    if value is None:
        return f' s="{style}">{formula}</c>'
    kind, _, rest = _render_number(value).partition(">")
    return f' s="{style}"{kind}>{formula}{rest}</c>'


def render_row(row: int, cells: Iterable[str], height: float | None = None) -> str:
    """A row, counted from 0, of cells that were rendered for it."""
    tall = f' ht="{height:g}" customHeight="1"' if height is not None else ""
    return f'<row r="{row + 1}"{tall}>{"".join(cells)}</row>'


def _render_number(value: object) -> str:
    """The type and value of a cell with a number or a truth value."""
    if isinstance(value, bool):
        return f' t="b"><v>{value:d}</v>'
    if isinstance(value, float) and math.isfinite(value):
        return f"><v>{float(value)!r}</v>"  # numpy's floats are floats with another repr
    if isinstance(value, int | Integral):  # the first is quicker to see, the second has numpy's
        return f"><v>{value}</v>"
    raise TypeError(f"{value!r} cannot be written to a cell")


def _render_text(text: str) -> str:
    if "_x" in text and len(runs := _LIKE_AN_ESCAPE.split(text)) > 1:
        return "".join(f"<r>{_render_run(run)}</r>" for run in runs)
    return _render_run(text)


def _render_run(text: str) -> str:
    keep = ' xml:space="preserve"' if text[:1].isspace() or text[-1:].isspace() else ""
    return f"<t{keep}>{escape(text)}</t>"
