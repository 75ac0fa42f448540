"""Conditional formats: data bars for costs, colour scales for accuracies, font colours for states."""

from __future__ import annotations

from openpyxl.formatting.rule import ColorScaleRule, DataBarRule, Rule
from openpyxl.styles import Font
from openpyxl.styles.differential import DifferentialStyle

from reports.columns.column import Better, Column, ColumnKind
from reports.excel.writer import styles
from reports.excel.writer.page import Page

_WORD_COLOURS = {
    "budget": {'"fits"': styles.GOOD, '"over"': styles.BAD, '"unknown"': styles.GREY},
    "status": {'"bound"': styles.WARNING_INK, '"failed"': styles.BAD},
    "verdict": {
        '"agrees"': styles.GOOD,
        '"explained"': styles.WARNING_INK,
        '"unexplained"': styles.BAD,
        '"unknown"': styles.GREY,
    },
    "kind": {'"changed"': styles.WARNING_INK, '"failed"': styles.BAD, '"recovered"': styles.GOOD},
    "on_frontier": {"TRUE": styles.FRONTIER, "FALSE": styles.RULE},
}


def add_marks(page: Page, column: Column, area: str) -> None:
    """Add the conditional formats of a column to its range."""
    formats = page.sheet.conditional_formatting
    if column.shown and column.group == "Cost" and column.kind is ColumnKind.INTEGER and column.scale > 1:
        # Costs span decades: a bar for the largest of all would leave no bar for the rest.
        bar = DataBarRule(  # type: ignore[no-untyped-call]  # as its stubs have it, and so below
            start_type="num",
            start_value=0,
            end_type="percentile",
            end_value=95,
            color=_rgb(styles.BAR),
            minLength=0,
            maxLength=100,
        )
        formats.add(area, bar)
    elif column.shown and column.better is Better.HIGH:
        shade = ColorScaleRule(  # type: ignore[no-untyped-call]
            start_type="percentile", start_value=10, start_color=_rgb(styles.WHITE), end_type="max", end_color=_rgb(styles.SHADE)
        )
        formats.add(area, shade)
    for word, colour in (_WORD_COLOURS.get(column.key) or {}).items():
        look = DifferentialStyle(font=Font(color=_rgb(colour)))
        formats.add(area, Rule(type="cellIs", operator="equal", formula=[word], dxf=look))


def _rgb(colour: str) -> str:
    return f"FF{colour}"
