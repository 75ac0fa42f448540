"""Tables made from the leaderboard's rows: the frontier, the architectures without accuracy, and their cost by input size."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import pandas as pd

from reports.columns.accuracy_columns import ACCURACY_COLUMNS
from reports.columns.column import Better, Column, ColumnKind
from reports.columns.leaderboard_columns import LEADERBOARD, columns_for
from reports.excel.sheets.board import CARD, COST, MODEL, ON_FRONTIER, Board
from zoo.errors import InputError
from zoo.inputs import parse_input

GAIN = Column("gain", "Gain", "Points of accuracy gained over the next cheaper model of the frontier.", "computed from this table", ColumnKind.NUMBER, "points", 1, 2, Better.HIGH, "Frontier", 10)  # fmt: skip
FACTOR = Column("factor", "MACs factor", "MACs as a multiple of the next cheaper model's on the frontier.", "computed from this table", ColumnKind.NUMBER, "x", 1, 2, Better.LOW, "Frontier", 10)  # fmt: skip
WEIGHTS_COUNT = Column("weights", "Weights", "Sets of trained weights with this architecture and input size in the leaderboard.", "computed from the leaderboard", ColumnKind.INTEGER, width=9)  # fmt: skip

_ACCURACIES = {entry.column.key for entry in ACCURACY_COLUMNS}
_ARCHITECTURE = next(c for c in LEADERBOARD if c.key == "arch")
_KEY = ["zoo", "arch", "input", "classes", "variant", "batch"]
_OF_WEIGHTS = {MODEL.key, "tag", "file_bytes", "license", "dataset", CARD.key, ON_FRONTIER.key} | _ACCURACIES
_PEAK = next(c for c in LEADERBOARD if c.key == "peak_activation_bytes")
_MOST_INPUTS = 8
_MAY_DIFFER = ("variant", "batch")
_IDENTITY_WIDTH = 11


def frontier_columns(board: Board) -> tuple[Column, ...]:
    """What the frontier's sheet shows: gains after the accuracy they speak of, and the details folded away."""
    shown = [c for c in board.columns if c.shown and c.group != "Budget" and c != ON_FRONTIER]
    return (*shown, GAIN, FACTOR)


def frontier_table(board: Board) -> pd.DataFrame:
    """The frontier, cheapest first, with what each step gains and costs."""
    table = board.frontier.copy()
    if board.quality is not None:
        change = table[board.quality.key].diff().round(6)
        table[GAIN.key] = -change if board.quality.better is Better.LOW else change
    costs = table[COST.key].astype("Float64")
    table[FACTOR.key] = costs / costs.shift()
    return table


def architecture_columns(table: pd.DataFrame) -> tuple[Column, ...]:
    """`ARCHITECTURES`, in which variant and batch stand before the figures where rows differ in them; training only where it is known."""
    present = columns_for(table)
    differing = tuple(c for c in present if c.key in _MAY_DIFFER and c.shown)
    known = {WEIGHTS_COUNT.key, *(c.key for c in present)} - {c.key for c in differing}
    rest = [c for c in ARCHITECTURES if c.key in known]
    place = rest.index(WEIGHTS_COUNT)
    return (*rest[:place], *differing, *rest[place:])


ARCHITECTURES: tuple[Column, ...] = (
    dataclasses.replace(_ARCHITECTURE, shown=True),
    *(c for c in LEADERBOARD if c.key not in _OF_WEIGHTS and c.key != "arch" and c.key in {"zoo", "family", "task", "input"}),
    WEIGHTS_COUNT,
    *(c for c in LEADERBOARD if c.key not in _OF_WEIGHTS and c.shown and c.key not in {"zoo", "family", "task", "input"}),
    *(c for c in LEADERBOARD if c.key not in _OF_WEIGHTS and not c.shown and c.key not in {"arch", "task"}),
)
"""One row per architecture, input, number of classes and variant: what it costs, whatever its weights."""


def architectures(leaderboard: pd.DataFrame) -> pd.DataFrame:
    """The rows of `ARCHITECTURES`, in the order of their names and sizes."""
    counts = leaderboard.groupby(_KEY, dropna=False, sort=False).size().rename(WEIGHTS_COUNT.key).reset_index()
    first = leaderboard.drop_duplicates(_KEY)
    table = first.merge(counts, on=_KEY, how="left", validate="one_to_one")
    table[WEIGHTS_COUNT.key] = table[WEIGHTS_COUNT.key].astype("Int64")
    table = table.assign(_size=table["input"].map(_area, na_action="ignore"))
    return table.sort_values(["zoo", "arch", "_size", "classes", "variant", "batch"], na_position="last", kind="stable").drop(
        columns="_size"
    )


def resolutions(leaderboard: pd.DataFrame) -> tuple[tuple[Column, ...], pd.DataFrame, str]:
    """Architectures counted at several input sizes: MACs and peak memory side by side, and a sentence on what is left out.

    Only the sizes most architectures share get a column; the table is empty where no architecture has two of them.
    """
    rows = leaderboard.drop_duplicates(_KEY).dropna(subset=["input", COST.key])
    frequent = rows["input"].value_counts().head(_MOST_INPUTS).index
    inputs = sorted(frequent, key=lambda text: (_area(text), text))
    rows = rows[rows["input"].isin(inputs)]
    index = ["arch", "zoo", "family", "classes", "variant", "batch"]
    several = rows.groupby(index, dropna=False)["input"].transform("nunique") > 1
    rows = rows[several]
    declared = {c.key: c for c in columns_for(rows)}
    identity = [dataclasses.replace(declared[key], shown=declared[key].shown or key not in _MAY_DIFFER) for key in index]
    table, columns = rows[index].drop_duplicates().sort_values(index), []
    for column in (COST, _PEAK):
        for text in (i for i in inputs if (rows["input"] == i).any()):
            figure = dataclasses.replace(column, key=f"{column.key}@{text}", title=f"{column.title} at {_label(text)}", meaning=f"{column.title} at input {text}; see {column.title}.", width=_IDENTITY_WIDTH)  # fmt: skip
            at_size = rows.loc[rows["input"] == text, [*index, column.key]].rename(columns={column.key: figure.key})
            table = table.merge(at_size, on=index, how="left", validate="one_to_one")
            columns.append(figure)
    left_out = rows_left_out(leaderboard, inputs)
    shown, hidden = ([c for c in identity if c.shown is is_shown] for is_shown in (True, False))
    return (*shown, *columns, *hidden), table, left_out


def rows_left_out(leaderboard: pd.DataFrame, inputs: Sequence[str]) -> str:
    """Which input sizes have no column, as a sentence; empty if all have."""
    others = leaderboard["input"].dropna().nunique() - len(inputs)
    return f" {others} rarer sizes: see Architectures." if others > 0 else ""


def _area(text: str) -> int:
    try:
        return math.prod(parse_input(text))
    except InputError:
        return 0


def _label(text: str) -> str:
    """`224` for `3x224x224`; other shapes stay whole."""
    parts = text.split("x")
    return parts[1] if len(parts) == 3 and parts[0] == "3" and parts[1] == parts[2] else text
