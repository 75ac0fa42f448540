"""Values of columns as text."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from reports.columns.column import SPEED_DIGITS, Column
from zoo.units import format_bytes

UNKNOWN = "–"
_MOST_DECIMALS = 6
_BYTES_UNIT = "MB"  # of every column that holds bytes


def value_text(column: Column, value: Any) -> str:
    """A value in a sentence: `7.79 M`, `81.44 %`, `853.0 KB`; a dash where it is unknown."""
    if value is None or pd.isna(value):
        return UNKNOWN
    if column.unit == _BYTES_UNIT:
        return format_bytes(float(value), digits=2)
    return f"{figure_text(column, value)} {column.unit if column.is_figure else ''}".rstrip()


def figure_text(column: Column, value: Any) -> str:
    """A value without its unit, for a table whose header has it."""
    if value is None or pd.isna(value):
        return UNKNOWN
    if not column.is_figure:
        return str(value)
    shown = float(value) / column.scale
    return f"{shown:,.{_decimals(column, abs(shown))}f}"


def _decimals(column: Column, shown: float) -> int:
    """Digits after the point: of a speed to have `SPEED_DIGITS`, of others the column's, or to have two of a small value."""
    if shown == 0:
        return column.digits
    if column.is_speed:
        rounded = float(f"{shown:.{SPEED_DIGITS}g}")
        return max(0, min(_MOST_DECIMALS, SPEED_DIGITS - 1 - math.floor(math.log10(rounded))))
    return max(column.digits, min(_MOST_DECIMALS, 1 - math.floor(math.log10(shown))))
