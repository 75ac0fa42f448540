"""Values of columns as text."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from reports.columns.column import Column
from zoo.units import format_bytes

UNKNOWN = "–"
_BYTES_UNIT = "MB"  # of every column that holds bytes


def value_text(column: Column, value: Any) -> str:
    """A value in a sentence: `7.79 M`, `81.44 %`, `853.0 KB`; a dash where it is unknown."""
    if value is None or pd.isna(value):
        return UNKNOWN
    if column.unit == _BYTES_UNIT:
        return format_bytes(float(value), digits=2)
    return f"{figure_text(column, value)} {column.unit if column.is_figure else ''}".rstrip()


def figure_text(column: Column, value: Any) -> str:
    """A value without its unit, for a table whose header has it; small values have two significant digits."""
    if value is None or pd.isna(value):
        return UNKNOWN
    if not column.is_figure:
        return str(value)
    shown = abs(float(value)) / column.scale
    digits = column.digits if shown == 0 else max(column.digits, min(6, 1 - math.floor(math.log10(shown))))
    return f"{float(value) / column.scale:,.{digits}f}"
