"""What a column of a report is: its name, unit and meaning, and how its values are stored and shown.

Tables hold exact values under `key`; renderers divide by `scale` and round to `digits` (speeds to `SPEED_DIGITS`), and nothing else. The page, the
workbook and the exports read these declarations and know no column by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

SPEED_DIGITS = 3
"""Significant digits of durations and rates; whole ones keep all of theirs. Estimates have no more."""


class ColumnKind(StrEnum):
    """How a value is stored and shown."""

    TEXT = "text"
    INTEGER = "integer"  # exact whole number, shown in units of `scale`
    NUMBER = "number"  # measured or published figure
    FLAG = "flag"
    LINK = "link"  # an http(s) address


class Better(StrEnum):
    """Which end of the column a reader wants."""

    LOW = "low"
    HIGH = "high"
    NEITHER = ""


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `unit` is that of the shown figure (`G` for a MACs column of scale 1e9); exports add `export_unit` to names."""

    key: str
    title: str
    meaning: str
    origin: str
    kind: ColumnKind = ColumnKind.TEXT
    unit: str = ""
    scale: float = 1
    digits: int = 0
    better: Better = Better.NEITHER
    group: str = "Model"
    width: int = 12  # characters
    shown: bool = True  # visible before the reader chooses columns
    export_unit: str = ""  # unit of the exact value, where the key does not already name what is counted (macs, weight_bytes)

    @property
    def export_name(self) -> str:
        """Name in CSV, JSON and Parquet, with the unit of the exact value: `imagenet_top1_percent`, `macs`."""
        return f"{self.key}_{self.export_unit}" if self.export_unit else self.key

    @property
    def header(self) -> str:
        """Title with its unit: `Params (M)`."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    @property
    def is_speed(self) -> bool:
        """Whether the column holds durations or rates: shown with `SPEED_DIGITS` in place of `digits`."""
        return self.is_figure and self.unit in ("ms", "/s")

    @property
    def is_figure(self) -> bool:
        """Whether the column holds numbers (right-aligned, sortable by size)."""
        return self.kind in (ColumnKind.INTEGER, ColumnKind.NUMBER)
