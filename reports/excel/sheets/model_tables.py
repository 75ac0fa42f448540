"""A small table of models within a sheet: heads, then a row for each model, whose name is a link."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from reports.columns.column import Column
from reports.excel.writer import styles
from reports.excel.writer.page import Page
from reports.excel.writer.styles import number_format
from reports.exports.safe_text import MAX_ADDRESS

MODEL_PLACE = 1  # column of the models' names
_LINE: dict[str, Any] = {"bottom": "dotted"}


def write_models(page: Page, row: int, columns: Sequence[Column], models: pd.DataFrame, links: Sequence[str | None]) -> int:
    """Write the table from this row on and return the row after it.

    Args:
        page: the sheet.
        row: of the heads.
        columns: from `MODEL_PLACE` on; the first one has names.
        models: a row for each model, with these columns.
        links: target of each name.
    """
    page.heights[row] = 31
    for place, column in enumerate(columns, start=MODEL_PLACE):
        page.put(row, place, column.header, page.looks.header(column))
    for (_, model), link in zip(models.iterrows(), links, strict=True):
        row += 1
        name = str(model[columns[0].key])
        target = link if len(name) <= MAX_ADDRESS else None
        page.put(row, MODEL_PLACE, name, link=target, indent=1, colour=styles.ACCENT, **_LINE)
        for place, column in enumerate(columns[1:], start=MODEL_PLACE + 1):
            _write_model_value(page, row, place, column, model[column.key])
    return row + 1


def _write_model_value(page: Page, row: int, place: int, column: Column, value: Any) -> None:
    if pd.isna(value):
        page.put(row, place, None, **_LINE)
    elif column.is_figure:
        page.put(row, place, value, number_format=number_format(column), **_LINE)
    else:
        page.put(row, place, str(value), indent=1, **_LINE)


def write_section(page: Page, row: int, title: str, last: int, *, first: int = 0) -> int:
    """Write a heading with a line under it from one column to another and return the row after it."""
    for place in range(first, last + 1):
        text = title if place == first else None
        page.put(row, place, text, bold=True, size=12, colour=styles.ACCENT, bottom="thin")
    return row + 1
