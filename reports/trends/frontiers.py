"""Which models entered or left a frontier from one leaderboard to the next, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pandas as pd

from reports.columns.accuracy_columns import ranking_accuracy
from reports.columns.column import Better, Column
from reports.columns.format import figure_text, value_text
from reports.columns.frontier import frontier
from reports.columns.leaderboard_columns import LEADERBOARD_BY_KEY

STANDING_COSTS = (LEADERBOARD_BY_KEY["macs"], LEADERBOARD_BY_KEY["params"])
"""Costs whose frontiers are always compared, in addition to latencies of configured budgets."""

ROW = ["model", "input", "variant"]
"""Columns that name a row of one task at batch 1."""

_Row = dict[str, Any]


class Move(StrEnum):
    """Whether a model entered or left a frontier."""

    ENTERED = "entered"
    LEFT = "left"


@dataclass(frozen=True)
class Axis:
    """A frontier: the accuracy that a task is ranked by against one cost."""

    task: str
    accuracy: Column
    cost: Column

    @property
    def title(self) -> str:
        """`Top-1 against MACs`."""
        return f"{self.accuracy.title} against {self.cost.title}"


@dataclass(frozen=True)
class FrontierChange:
    """A model that entered or left a frontier. Figures are those with which it is, or was, on it."""

    axis: Axis
    move: Move
    model: str
    input: str
    variant: str
    accuracy: float
    cost: float
    why: str


def ranked_tasks(leaderboard: pd.DataFrame) -> dict[str, Column]:
    """The tasks with known accuracy, those with the most rows first, and the accuracy that each is ranked by."""
    tasks: dict[str, Column] = {}
    sizes: dict[str, int] = {}
    for task, rows in leaderboard.groupby("task", sort=False):
        if (accuracy := ranking_accuracy(rows)) is not None:
            tasks[str(task)], sizes[str(task)] = accuracy, int(rows[accuracy.key].notna().sum())
    return {task: tasks[task] for task in sorted(tasks, key=lambda task: (-sizes[task], task))}


def split_by_task(leaderboard: pd.DataFrame, tasks: Mapping[str, Column], costs: Sequence[Column]) -> dict[str, pd.DataFrame]:
    """The rows of each task at batch 1, by `ROW`: accuracy, costs and status."""
    figures = [*dict.fromkeys([accuracy.key for accuracy in tasks.values()] + [cost.key for cost in costs]), "status"]
    rows = leaderboard[leaderboard["batch"].fillna(1) == 1].drop_duplicates([*ROW, "task"])
    groups = dict(iter(rows.groupby("task", sort=False)))
    return {task: groups.get(task, rows.head(0)).set_index(ROW)[figures] for task in tasks}


def frontier_changes(before: pd.DataFrame, after: pd.DataFrame, axis: Axis) -> list[FrontierChange]:
    """The models that entered and left, the most accurate first.

    Args:
        before: rows of the axis' task, as `split_by_task` gives them.
        after: the same rows later.
        axis: the frontier.
    """
    on_old, on_new = _frontier_rows(before, axis), _frontier_rows(after, axis)
    entered = [name for name in on_new.index if name not in on_old.index]
    left = [name for name in on_old.index if name not in on_new.index]
    changes = [_frontier_change(axis, Move.ENTERED, name, on_new, _why_entered(name, axis, before, after)) for name in entered]
    return changes + [_frontier_change(axis, Move.LEFT, name, on_old, _why_left(name, axis, before, after)) for name in left]


def _frontier_rows(rows: pd.DataFrame, axis: Axis) -> pd.DataFrame:
    """The rows on the frontier, the most accurate first."""
    is_error = axis.accuracy.better is Better.LOW
    costs, qualities = ([axis.cost.key, axis.accuracy.key], []) if is_error else ([axis.cost.key], [axis.accuracy.key])
    return rows[frontier(rows, costs, qualities)].sort_values([axis.accuracy.key, axis.cost.key], ascending=[is_error, True])


def _frontier_change(axis: Axis, move: Move, name: Any, members: pd.DataFrame, why: str) -> FrontierChange:
    row, (model, shape, variant) = _figures_of(members, name), name
    return FrontierChange(axis, move, model, shape, variant, float(row[axis.accuracy.key]), float(row[axis.cost.key]), why)


def _figures_of(rows: pd.DataFrame, name: Any) -> _Row:
    return {str(key): value for key, value in rows.loc[name].items()}


def _changes_of_row(name: Any, axis: Axis, before: pd.DataFrame, after: pd.DataFrame) -> str:
    return ", ".join(_describe_differences(axis, _figures_of(before, name), _figures_of(after, name)))


def _why_entered(name: Any, axis: Axis, before: pd.DataFrame, after: pd.DataFrame) -> str:
    if name not in before.index:
        return "new in the cache"
    if differing := _changes_of_row(name, axis, before, after):
        return differing
    rivals = before[_is_dominating(before, _figures_of(before, name), axis)]
    model, shape, _ = rivals.index[0]
    if rivals.index[0] not in after.index:
        return f"{model} at {shape}, which was better, is no longer in the run"
    return f"{model} at {shape}, which was better, has changed: {_changes_of_row(rivals.index[0], axis, rivals, after)}"


def _why_left(name: Any, axis: Axis, before: pd.DataFrame, after: pd.DataFrame) -> str:
    if name not in after.index:
        return "no longer in the run"
    if differing := _changes_of_row(name, axis, before, after):
        return differing
    rivals = after[_is_dominating(after, _figures_of(after, name), axis)].sort_values(
        axis.accuracy.key, ascending=axis.accuracy.better is Better.LOW
    )
    model, shape, _ = rivals.index[0]
    accuracy, cost = (value_text(column, rivals.iloc[0][column.key]) for column in (axis.accuracy, axis.cost))
    return f"beaten by {model} at {shape}: {accuracy} for {cost}"


def _describe_differences(axis: Axis, old: _Row, new: _Row) -> Iterator[str]:
    """`Top-1 75.10 → 76.20 %`, for each figure of a row that differs."""
    for column in (axis.accuracy, axis.cost):
        was, now = _known_value(old[column.key]), _known_value(new[column.key])
        if was is None and now is not None:
            yield f"{column.title} is known now"
        elif now is None and was is not None:
            yield f"{column.title} is unknown now" if new["status"] != "failed" else "it can no longer be counted"
        elif was != now:
            yield f"{column.title} {figure_text(column, was)} → {value_text(column, now)}"


def _known_value(value: Any) -> float | None:
    return None if pd.isna(value) else value


def _is_dominating(rows: pd.DataFrame, row: _Row, axis: Axis) -> pd.Series[bool]:
    """Which rows are at least as good in both figures and better in one."""
    accuracy, cost = rows[axis.accuracy.key], rows[axis.cost.key]
    own_accuracy, own_cost = row[axis.accuracy.key], row[axis.cost.key]
    is_error = axis.accuracy.better is Better.LOW
    as_good = accuracy <= own_accuracy if is_error else accuracy >= own_accuracy
    is_better = (accuracy != own_accuracy) | (cost < own_cost)
    dominating: pd.Series[bool] = (as_good & (cost <= own_cost) & is_better).fillna(False).astype(bool)
    return dominating
