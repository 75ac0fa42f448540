"""The parts of XlsxWriter in use; the one place that knows it is annotated but does not declare it (no `py.typed`)."""

from __future__ import annotations

from typing import Any

from xlsxwriter import Workbook  # type: ignore[import-untyped]
from xlsxwriter.chart_scatter import ChartScatter  # type: ignore[import-untyped]
from xlsxwriter.exceptions import FileCreateError  # type: ignore[import-untyped]
from xlsxwriter.format import Format  # type: ignore[import-untyped]
from xlsxwriter.utility import xl_col_to_name, xl_rowcol_to_cell  # type: ignore[import-untyped]
from xlsxwriter.worksheet import Worksheet  # type: ignore[import-untyped]

__all__ = [
    "ChartScatter",
    "FileCreateError",
    "Format",
    "RepeatingSheet",
    "Workbook",
    "Worksheet",
    "xl_col_to_name",
    "xl_rowcol_to_cell",
]


class RepeatingSheet(Worksheet):  # type: ignore[misc]  # its base is untyped, as said above
    """A sheet that prepares each formula once: a table's are the same on every row, and preparing one takes many searches."""

    def __init__(self) -> None:
        super().__init__()
        self._prepared: dict[str, Any] = {}  # by formula: the cell it became

    def _write_formula(self, row: int, col: int, formula: str, cell_format: Format | None = None, value: Any = 0) -> int:
        if formula not in self._prepared:
            outcome: int = super()._write_formula(row, col, formula, cell_format, value)
            cell = self.table[row][col]
            if type(cell).__name__ == "Formula":  # not an array's, which covers other cells too
                self._prepared[formula] = cell
            return outcome
        if self._check_dimensions(row, col):
            return -1
        self.table[row][col] = self._prepared[formula]._replace(format=cell_format, value=value)
        return 0
