"""The leaderboard after each run, from the facts of runs in the cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from reports.leaderboard.cached_tables import COST_COLUMNS, WEIGHTS_COLUMNS, CachedTables
from reports.leaderboard.leaderboard import build_leaderboard
from zoo.cache.run_facts import RunFacts
from zoo.cache.runs import RunRecord, RunStatus
from zoo.cache.schema.tables import TABLES
from zoo.cache.store import Store, to_pandas

MOST_STATES = 40
"""The newest different leaderboards are compared; runs in a row that change nothing share one."""

_OF_WEIGHTS = ["file_bytes", "license", "dataset", "source"]
"""Columns of weights of which the cache has only the present values."""


@dataclass(frozen=True)
class LeaderboardState:
    """The leaderboard that one or more runs in a row left."""

    runs: tuple[RunRecord, ...]
    leaderboard: pd.DataFrame = field(repr=False)  # LEADERBOARD, of the models whose accuracy was known


def comparable_runs(runs: Sequence[RunRecord], config: str | None) -> list[RunRecord]:
    """The complete runs of a configuration, the oldest first; with no name, of the one that ran last."""
    complete = [run for run in runs if run.status == RunStatus.DONE and not run.only]
    if config is None and complete:
        config = complete[-1].config
    return [run for run in complete if run.config == config]


def read_states(store: Store, facts: Sequence[RunFacts]) -> list[LeaderboardState]:
    """The leaderboards that runs left, the oldest first; without runs whose accuracies the cache does not have."""
    groups: list[list[RunFacts]] = []
    for each in (each for each in facts if each.results is not None):
        if groups and _is_same_state(groups[-1][0], each):
            groups[-1].append(each)
        else:
            groups.append([each])
    weights = to_pandas(store.read("weights", ["zoo", "arch", "tag", *_OF_WEIGHTS]))
    return [
        LeaderboardState(tuple(f.run for f in group), _build_run_leaderboard(group[0], weights))
        for group in groups[-MOST_STATES:]
    ]


def _is_same_state(one: RunFacts, other: RunFacts) -> bool:
    """Whether two runs left the same costs and accuracies."""
    assert one.results is not None
    assert other.results is not None
    is_same_results = one.run.results == other.run.results and (one.run.results or one.results.equals(other.results))
    return one.run.plan == other.run.plan and bool(is_same_results) and one.costs["counted_at"].equals(other.costs["counted_at"])


def _build_run_leaderboard(facts: RunFacts, weights: pd.DataFrame) -> pd.DataFrame:
    """The leaderboard as one run left it."""
    results = facts.results
    assert results is not None
    of_models = results[["zoo", "arch", "tag", "task", "family", "classes", "input"]].drop_duplicates(["zoo", "arch", "tag"])
    of_models = of_models.merge(weights, on=["zoo", "arch", "tag"], how="left")
    return build_leaderboard(
        CachedTables(
            requested=facts.planned,
            architectures=to_pandas(TABLES["architectures"].empty_table()),  # only needed for models without weights
            weights=of_models.reindex(columns=WEIGHTS_COLUMNS),
            costs=facts.costs[COST_COLUMNS],
            accuracy=results,
            unmatched=to_pandas(TABLES["unmatched"].empty_table()),
        )
    )
