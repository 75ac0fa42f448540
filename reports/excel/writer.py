"""The parts of XlsxWriter in use; the one place that knows it is annotated but does not declare it (no `py.typed`)."""

from __future__ import annotations

from xlsxwriter import Workbook  # type: ignore[import-untyped]
from xlsxwriter.chart_scatter import ChartScatter  # type: ignore[import-untyped]
from xlsxwriter.exceptions import FileCreateError  # type: ignore[import-untyped]
from xlsxwriter.format import Format  # type: ignore[import-untyped]
from xlsxwriter.utility import xl_col_to_name, xl_rowcol_to_cell  # type: ignore[import-untyped]
from xlsxwriter.worksheet import Worksheet  # type: ignore[import-untyped]

__all__ = ["ChartScatter", "FileCreateError", "Format", "RepeatingSheet", "Workbook", "Worksheet", "xl_col_to_name", "xl_rowcol_to_cell"]


class RepeatingSheet(Worksheet):  # type: ignore[misc]  # its base is untyped, as said above
    """A sheet that remembers the formulas it has prepared: a table's are the same on every row, and preparing one is slow."""

    def __init__(self) -> None:
        super().__init__()
        self._prepared: dict[tuple[str, bool], str] = {}

    def _prepare_formula(self, formula: str, expand_future_functions: bool = False) -> str:
        key = (formula, expand_future_functions)
        if key not in self._prepared:
            self._prepared[key] = super()._prepare_formula(formula, expand_future_functions)
        return self._prepared[key]
