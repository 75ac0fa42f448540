"""What changed over the runs of a configuration: frontiers and the best accuracy within budgets, run by run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.columns.column import Column
from reports.config.config import Config
from reports.selection.device_lookup import look_up_device
from reports.selection.speed_estimates import CachedSpeeds
from reports.trends.budgets import ConfiguredBudget, Series, configured_series, standing_series
from reports.trends.frontiers import STANDING_COSTS, Axis, FrontierChange, frontier_changes, ranked_tasks
from reports.trends.history import History, comparable_runs, read_history
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
    run: RunRecord
    state: int


@dataclass(frozen=True)
class Trends:
    """The runs of a configuration, and what changed between them. Picks of series are by number of state."""

    config: str | None
    points: tuple[tuple[RunRecord, int], ...]  # each run with the number of the state it left, the oldest first
    tasks: dict[str, Column]  # and the accuracy each is ranked by, the largest first
    series: tuple[Series, ...]
    steps: tuple[Step, ...]
    unknown: int = 0  # runs of which the cache keeps no accuracies

    @property
    def runs(self) -> list[RunRecord]:
        """All runs, the oldest first."""
        return [run for run, _ in self.points]

    @property
    def releases(self) -> list[Release]:
        """The versions of the libraries in the order in which they were used."""
        found: list[Release] = []
        for run, state in self.points:
            versions = run.versions or ""
            if found and found[-1].versions == versions:
                found.pop()
            found.append(Release(versions, run, state))
        return found


def build_trends(store: Store, name: str | None, config: Config | None = None) -> Trends | None:
    """The trends of a configuration; None where there are fewer than two complete runs whose accuracies are known.

    Args:
        store: the cache.
        name: that the runs of the configuration are recorded under; None: that of the last run.
        config: for its budgets; None: only the standing ones.

    Raises:
        ZooError: if the device of a budget is unknown.
    """
    runs = comparable_runs(store.runs(), name)
    return trends_of(store, read_run_facts(store, runs[-MOST_RUNS:]), config) if len(runs) > 1 else None


def trends_of(store: Store, facts: Sequence[RunFacts], config: Config | None = None) -> Trends | None:
    """The trends over these runs, the oldest first; None where the accuracies of fewer than two are known."""
    history = read_history(store, facts)
    if len(history.points) < 2:
        return None
    boards = [state.leaderboard for state in history.states]
    tasks = ranked_tasks(boards[-1])
    configured, latencies = configured_series(_budgets(config), boards)
    axes = [Axis(task, accuracy, cost) for task, accuracy in tasks.items() for cost in (*STANDING_COSTS, *latencies)]
    series = (*standing_series(boards, tasks), *configured)
    return Trends(history.points[-1][0].config, tuple(history.points), tasks, series, _steps(history, axes), history.unknown)


def _steps(history: History, axes: Sequence[Axis]) -> tuple[Step, ...]:
    pairs = zip(history.states, history.states[1:], strict=False)
    return tuple(
        Step(new.run, old.runs[-1], tuple(c for axis in axes for c in frontier_changes(old.leaderboard, new.leaderboard, axis)))
        for old, new in pairs
    )


def _budgets(config: Config | None) -> list[ConfiguredBudget]:
    if config is None or not config.budgets:
        return []
    store = Store(config.cache)
    cached = CachedSpeeds(store)
    found = []
    for name, budget in config.budgets.items():
        device = look_up_device(budget.device, config.devices, store)
        found.append(ConfiguredBudget(name, budget, cached.for_budget(budget, device)))
    return found
