"""The table of costs by input size, made from the rows of the leaderboard."""

from __future__ import annotations

import dataclasses
import math

import pandas as pd

from reports.columns.column import Column
from reports.columns.leaderboard_columns import columns_for
from reports.excel.sheets.board import COST, PEAK
from zoo.errors import InputError
from zoo.inputs import parse_input

_KEY = ["zoo", "arch", "input", "classes", "variant", "batch"]
_MOST_INPUTS = 8
_LEAST_SHARE = 0.25  # of the architectures; rarer inputs would be columns of empty cells
_MAY_DIFFER = ("variant", "batch")
_IDENTITY_WIDTH = 11


def resolutions(leaderboard: pd.DataFrame) -> tuple[tuple[Column, ...], pd.DataFrame]:
    """Architectures counted at several input sizes: MACs and peak memory side by side.

    Only sizes that many architectures share get a column; the table is empty where no architecture has two of them.
    """
    rows = leaderboard.drop_duplicates(_KEY).dropna(subset=["input", COST.key])
    index = ["arch", "zoo", "family", "classes", "variant", "batch"]
    counts = rows["input"].value_counts()
    frequent = counts[counts >= _LEAST_SHARE * len(rows.drop_duplicates(index))].head(_MOST_INPUTS).index
    inputs = sorted(frequent, key=lambda text: (_area(text), text))
    rows = rows[rows["input"].isin(inputs)]
    several = rows.groupby(index, dropna=False)["input"].transform("nunique") > 1
    rows = rows[several]
    declared = {c.key: c for c in columns_for(rows)}
    identity = [dataclasses.replace(declared[key], shown=declared[key].shown or key not in _MAY_DIFFER) for key in index]
    table, columns = rows[index].drop_duplicates().sort_values(index), []
    for column in (COST, PEAK):
        for text in (i for i in inputs if (rows["input"] == i).any()):
            figure = dataclasses.replace(column, key=f"{column.key}@{text}", title=f"{column.title} at {_label(text)}", meaning=f"{column.title} at input {text}; see {column.title}.", width=_IDENTITY_WIDTH)  # fmt: skip
            at_size = rows.loc[rows["input"] == text, [*index, column.key]].rename(columns={column.key: figure.key})
            table = table.merge(at_size, on=index, how="left", validate="one_to_one")
            columns.append(figure)
    shown, hidden = ([c for c in identity if c.shown is is_shown] for is_shown in (True, False))
    return (*shown, *columns, *hidden), table


def _area(text: str) -> int:
    try:
        return math.prod(parse_input(text))
    except InputError:
        return 0


def _label(text: str) -> str:
    """`224` for `3x224x224`; other shapes stay whole."""
    parts = text.split("x")
    return parts[1] if len(parts) == 3 and parts[0] == "3" and parts[1] == parts[2] else text
