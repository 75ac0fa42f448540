"""What changed over the runs of a configuration: frontiers and the best accuracy within budgets, run by run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import pandas as pd

from reports.columns.column import Column
from reports.config.config import Config
from reports.selection.budget_answer import BudgetAnswer
from reports.selection.speeds.device_lookup import look_up_device
from reports.selection.speeds.speed_estimates import CachedSpeeds
from reports.trends.budgets import ConfiguredBudget, Series, configured_series, standing_series
from reports.trends.frontiers import STANDING_COSTS, Axis, FrontierChange, frontier_changes, ranked_tasks, split_by_task
from reports.trends.history import LeaderboardState, comparable_runs, read_states
from zoo.cache.run_facts import RunFacts, read_run_facts
from zoo.cache.runs import RunRecord
from zoo.cache.store import Store

MOST_RUNS = 400
"""Runs that are read, the newest: more than a year of nights."""


@dataclass(frozen=True)
class Step:
    """From one state to the next."""

    run: RunRecord  # that made the later one
    before: RunRecord  # the last run that left the earlier one
    changes: tuple[FrontierChange, ...]


@dataclass(frozen=True)
class Release:
    """A set of library versions, and the state that the last run with it left."""

    versions: str
    state: int


@dataclass(frozen=True)
class Trends:
    """The runs of a configuration, and what changed between them. Picks of series are by number of state."""

    config: str | None
    points: tuple[tuple[RunRecord, int], ...]  # each run with the number of the state it left, the oldest first
    tasks: dict[str, Column]  # and the accuracy each is ranked by, the largest first
    series: tuple[Series, ...]
    steps: tuple[Step, ...]
    unknown: int = 0  # runs whose accuracies the cache does not have

    @property
    def runs(self) -> list[RunRecord]:
        """All runs, the oldest first."""
        return [run for run, _ in self.points]

    @property
    def releases(self) -> list[Release]:
        """The versions of the libraries in the order in which they were used."""
        by_versions = groupby(self.points, key=lambda point: point[0].versions or "")
        return [Release(versions, [state for _, state in points][-1]) for versions, points in by_versions]


def build_trends(
    store: Store, name: str | None, config: Config | None = None, answers: Sequence[BudgetAnswer] = ()
) -> Trends | None:
    """The trends of a configuration; None where there are fewer than two complete runs whose accuracies are known.

    Args:
        store: the cache.
        name: that the runs of the configuration are recorded under; None: that of the last run.
        config: for its budgets; None: only the standing ones.
        answers: to these budgets, as of now, where they are known.

    Raises:
        ZooError: if the device of a budget is unknown.
    """
    runs = comparable_runs(store.runs(), name)
    return trends_of(store, read_run_facts(store, runs[-MOST_RUNS:]), config, answers) if len(runs) > 1 else None


def trends_of(
    store: Store, facts: Sequence[RunFacts], config: Config | None = None, answers: Sequence[BudgetAnswer] = ()
) -> Trends | None:
    """The trends over these runs, the oldest first; None where the accuracies of fewer than two are known."""
    states = read_states(store, facts)
    points = tuple((run, number) for number, state in enumerate(states) for run in state.runs)
    if len(points) < 2:
        return None
    boards = [state.leaderboard for state in states]
    tasks = ranked_tasks(boards[-1])
    configured, latencies = configured_series(_configured_budgets(config, answers), boards)
    costs = (*STANDING_COSTS, *latencies)
    rows = [split_by_task(board, tasks, costs) for board in boards]
    steps = _compare_states(states, rows, [Axis(task, accuracy, cost) for task, accuracy in tasks.items() for cost in costs])
    series = (*standing_series(rows, tasks), *configured)
    unknown = sum(each.results is None for each in facts)
    return Trends(points[-1][0].config, points, tasks, series, steps, unknown)


def _compare_states(
    states: Sequence[LeaderboardState], rows: Sequence[Mapping[str, pd.DataFrame]], axes: Sequence[Axis]
) -> tuple[Step, ...]:
    steps = []
    for (old, new), (before, after) in zip(pairwise(states), pairwise(rows), strict=True):
        changes = (change for axis in axes for change in frontier_changes(before[axis.task], after[axis.task], axis))
        steps.append(Step(new.runs[0], old.runs[-1], tuple(changes)))
    return tuple(steps)


def _configured_budgets(config: Config | None, answers: Sequence[BudgetAnswer]) -> list[ConfiguredBudget]:
    if config is None or not config.budgets:
        return []
    store = Store(config.cache)
    cached = CachedSpeeds(store)
    known = {answer.name: answer for answer in answers}
    configured = []
    for name, budget in config.budgets.items():
        device = look_up_device(budget.device, config.devices, store)
        configured.append(ConfiguredBudget(name, budget, cached.for_budget(budget, device), known.get(name)))
    return configured
