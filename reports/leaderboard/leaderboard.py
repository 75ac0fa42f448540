"""The leaderboard: weights joined with cost and accuracy, one row per weights and input size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from reports.columns.accuracy_columns import ACCURACY_COLUMNS, ranking_accuracy
from reports.columns.column import Better
from reports.columns.frontier import frontier
from reports.columns.leaderboard_columns import LEADERBOARD
from reports.columns.table_rows import typed_table
from reports.leaderboard.cached_tables import (
    COST_COLUMNS,
    COST_KEY,
    WEIGHTS_COLUMNS,
    CachedTables,
    read_all_tables,
)
from zoo.records import Status, Task, Variant

if TYPE_CHECKING:
    from reports.config.workspace import Workspace


def read_leaderboard(workspace: Workspace) -> pd.DataFrame:
    """The leaderboard of the models that a configuration selects; without one, of the whole cache.

    Raises:
        CacheError: if the cache holds none of the models, or no counts.
    """
    if workspace.config is None:
        return build_leaderboard(read_all_tables(workspace.cache))
    from reports.leaderboard.selected_tables import read_selected_tables  # what plans a run is slow to import

    return build_leaderboard(read_selected_tables(workspace.config.refresh_settings()))


def build_leaderboard(tables: CachedTables) -> pd.DataFrame:
    """The leaderboard of these tables, with the declared columns."""
    trained = _weights_rows(tables)
    return _rank_by_task(pd.concat([trained, _untrained_rows(tables, trained)], ignore_index=True))


def _weights_rows(tables: CachedTables) -> pd.DataFrame:
    """Each set of weights at its native input, where that is configured, and at each evaluated input, with its cost there."""
    identity = ["zoo", "arch", "tag"]
    evaluated = tables.accuracy[[*identity, "input"]].drop_duplicates()
    weights = tables.weights[WEIGHTS_COLUMNS]
    elsewhere = weights.drop(columns="input").merge(evaluated, on=identity)
    rows = pd.concat([weights, elsewhere], ignore_index=True).drop_duplicates([*identity, "input"])
    rows = rows.merge(tables.requested[tables.requested["variant"] != Variant.FEATURES], on=["zoo", "arch", "input", "classes"])
    results = tables.accuracy.pivot_table(
        index=[*identity, "input"], columns=["dataset", "metric"], values="value", aggfunc="last"
    )
    results.columns = pd.Index([_accuracy_key(*published) for published in results.columns.to_list()])
    rows = rows.merge(results[[c for c in results.columns if c]].reset_index(), on=[*identity, "input"], how="left")
    rows = rows.merge(tables.costs[COST_COLUMNS], on=COST_KEY, how="left")
    rows["model"] = rows["zoo"] + "/" + rows["arch"] + ("." + rows["tag"]).mask(rows["tag"] == "", "")
    return rows


def _accuracy_key(dataset: str, metric: str) -> str:
    return next((a.column.key for a in ACCURACY_COLUMNS if (a.dataset, a.metric) == (dataset, metric)), "")


def _untrained_rows(tables: CachedTables, trained: pd.DataFrame) -> pd.DataFrame:
    """Counted architectures at inputs where no weights stand for them: without a tag, and without accuracy."""
    covered = trained[COST_KEY].drop_duplicates().assign(is_covered=True)
    rows = tables.costs[COST_COLUMNS].merge(covered, on=COST_KEY, how="left")
    rows = rows[rows["is_covered"].isna()].drop(columns="is_covered")
    rows = rows.merge(tables.architectures[["zoo", "arch", "family", "task"]], on=["zoo", "arch"])
    rows["task"] = rows["task"].mask(rows["variant"] == Variant.FEATURES, Task.FEATURES.value)  # whatever its head would do
    rows["model"] = rows["zoo"] + "/" + rows["arch"]
    return rows


def _rank_by_task(rows: pd.DataFrame) -> pd.DataFrame:
    """Declared columns and types; task by task, each with its own frontier and the best by its own metric first."""
    rows = rows.assign(
        status=rows["status"].fillna(Status.FAILED.value),
        reason=rows["reason"].mask(rows["status"].isna(), "not counted yet; zoometer run counts it"),
        on_frontier=False,
    )
    table = typed_table(rows, LEADERBOARD)
    figures = table[["task", "model", "macs", *(accuracy.column.key for accuracy in ACCURACY_COLUMNS)]]
    boards = [_rank_task(group) for _, group in figures.groupby("task", sort=False, dropna=False)]
    boards.sort(key=lambda board: _task_order(board["task"].iloc[0]))
    if not boards:
        return table
    ranked = pd.concat(boards)
    return table.loc[ranked.index].assign(on_frontier=ranked["on_frontier"].astype("boolean")).reset_index(drop=True)


def _rank_task(board: pd.DataFrame) -> pd.DataFrame:
    """One task's figures with their frontier, the best first; errors are better the lower they are."""
    quality = ranking_accuracy(board)
    board = board[["task", "model", "macs", *([quality.key] if quality else [])]]
    if quality is None:
        return board.assign(on_frontier=False).sort_values(["macs", "model"], na_position="last")
    is_error = quality.better is Better.LOW
    costs, qualities = (["macs", quality.key], []) if is_error else (["macs"], [quality.key])
    board = board.assign(on_frontier=frontier(board, costs, qualities))
    return board.sort_values([quality.key, "macs", "model"], ascending=[is_error, True, True], na_position="last")


def _task_order(task: Any) -> tuple[int, str]:
    """Tasks as `Task` lists them, those of other zoos behind."""
    known = list(Task)
    return (known.index(task), "") if task in known else (len(known), "" if pd.isna(task) else str(task))
