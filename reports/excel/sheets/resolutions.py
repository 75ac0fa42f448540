"""The sheet *Resolutions*: costs of architectures at several input sizes, side by side."""

from __future__ import annotations

import dataclasses
import math

import pandas as pd

from reports.columns.column import Column
from reports.columns.leaderboard_columns import columns_for
from reports.excel.sheets.board import COST, PEAK
from reports.excel.writer.sheet import Book, TableSpec, write_table
from reports.excel.writer.text import sheet_name
from zoo.errors import InputError
from zoo.inputs import parse_input

_KEY = ["zoo", "arch", "input", "classes", "variant", "batch"]
_MOST_INPUTS = 8
_LEAST_SHARE = 0.25  # of the architectures; rarer inputs would be columns of empty cells
_MAY_DIFFER = ("variant", "batch")
_IDENTITY_WIDTH = 11


def write_resolutions(book: Book) -> None:
    """Write the sheet, unless no architecture has two of the frequent input sizes."""
    columns, table = _resolutions_table(book.report.leaderboard)
    if len(table):
        description = f"{len(table):,} architectures at the most frequent input sizes, side by side"
        write_table(book, TableSpec(sheet_name("Resolutions", book.taken), "Resolutions", description, columns, table))


def _resolutions_table(leaderboard: pd.DataFrame) -> tuple[tuple[Column, ...], pd.DataFrame]:
    rows = leaderboard.drop_duplicates(_KEY).dropna(subset=["input", COST.key])
    index = ["arch", "zoo", "family", "classes", "variant", "batch"]
    counts = rows["input"].value_counts()
    frequent = counts[counts >= _LEAST_SHARE * len(rows.drop_duplicates(index))].head(_MOST_INPUTS).index
    inputs = sorted(frequent, key=lambda text: (_elements_of_input(text), text))
    rows = rows[rows["input"].isin(inputs)]
    rows = rows[rows.groupby(index, dropna=False)["input"].transform("nunique") > 1]
    declared = {c.key: c for c in columns_for(rows)}
    identity = [dataclasses.replace(declared[key], shown=declared[key].shown or key not in _MAY_DIFFER) for key in index]
    table, columns = rows[index].drop_duplicates().sort_values(index), []
    for column in (COST, PEAK):
        for text in (i for i in inputs if (rows["input"] == i).any()):
            figure = dataclasses.replace(column, key=f"{column.key}@{text}", title=f"{column.title} at {_input_label(text)}", meaning=f"{column.title} at input {text}; see {column.title}.", width=_IDENTITY_WIDTH)  # fmt: skip
            at_size = rows.loc[rows["input"] == text, [*index, column.key]].rename(columns={column.key: figure.key})
            table = table.merge(at_size, on=index, how="left", validate="one_to_one")
            columns.append(figure)
    shown, hidden = ([c for c in identity if c.shown is is_shown] for is_shown in (True, False))
    return (*shown, *columns, *hidden), table


def _elements_of_input(text: str) -> int:
    try:
        return math.prod(parse_input(text))
    except InputError:
        return 0


def _input_label(text: str) -> str:
    """`224` for `3x224x224`; other shapes stay whole."""
    parts = text.split("x")
    return parts[1] if len(parts) == 3 and parts[0] == "3" and parts[1] == parts[2] else text
