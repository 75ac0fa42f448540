"""The best accuracy within a budget as of each leaderboard: standing limits on one cost, and the configured budgets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from reports.columns.budget_columns import INTERVAL, LATENCY
from reports.columns.column import Better, Column
from reports.columns.format import value_text
from reports.columns.leaderboard_columns import LEADERBOARD_BY_KEY, MODEL_KEY
from reports.columns.limits import Limit
from reports.config.budget_section import DATASETS, NO_DATASET, BudgetSection
from reports.selection.budget_answer import BudgetAnswer, answer_budget
from reports.selection.speeds.candidate_speeds import Estimator, SpeedSources

STANDING_LIMITS: tuple[Limit, ...] = tuple(
    Limit(LEADERBOARD_BY_KEY[key], bound)
    for key, bounds in {"macs": (0.3e9, 1e9, 5e9, 20e9, 100e9), "params": (5e6, 25e6, 100e6)}.items()
    for bound in bounds
)
"""Budgets that are always compared, whatever is configured: for phones, small and large GPUs, by MACs and by parameters."""

_IDENTITY = ["zoo", "arch", "tag", "input", "classes", "variant"]


@dataclass(frozen=True)
class Pick:
    """The most accurate model within a budget."""

    model: str
    input: str
    accuracy: float


@dataclass(frozen=True)
class Series:
    """The best accuracy within one budget, as of each state."""

    name: str  # `MACs ≤ 1 G`, or that of a configured budget
    title: str  # with the limits of a configured budget
    task: str | None  # None: of a budget that is not for one task
    accuracy: Column
    picks: tuple[Pick | None, ...]  # None: nothing fits
    cost: Column | None = None  # that is limited; None: it is a budget of the configuration

    @property
    def is_configured(self) -> bool:
        """Whether it is a budget of the configuration."""
        return self.cost is None


def standing_series(states: Sequence[Mapping[str, pd.DataFrame]], tasks: Mapping[str, Column]) -> list[Series]:
    """The best within each standing limit, task by task; without limits that no row or every row satisfies.

    Args:
        states: the rows of each task as of each state, as `split_by_task` gives them.
        tasks: and the accuracy each is ranked by.
    """
    series = []
    for task, accuracy in tasks.items():
        known = [rows[task][rows[task][accuracy.key].notna()] for rows in states]
        for limit in STANDING_LIMITS:
            picks = tuple(_best_within(rows, accuracy, limit) for rows in known)
            if any(picks) and any((rows[limit.column.key] > limit.bound).any() for rows in known):
                name = f"{limit.title} ≤ {_bound_text(limit)}"
                series.append(Series(name, name, task, accuracy, picks, limit.column))
    return series


def _bound_text(limit: Limit) -> str:
    """`1 G`, without the digits that a limit does not have."""
    return f"{limit.bound / limit.column.scale:g} {limit.column.unit}"


def _best_within(rows: pd.DataFrame, accuracy: Column, limit: Limit) -> Pick | None:
    """The most accurate row within a limit; of equals the one of less cost, then by name."""
    fitting = rows[(rows[limit.column.key] <= limit.bound).fillna(False)]
    if fitting.empty:
        return None
    value = fitting[accuracy.key].min() if accuracy.better is Better.LOW else fitting[accuracy.key].max()
    equals = fitting[fitting[accuracy.key] == value].reset_index().sort_values([limit.column.key, "model", "input"])
    return Pick(equals["model"].iloc[0], equals["input"].iloc[0], float(value))


@dataclass(frozen=True)
class ConfiguredBudget:
    """A budget of the configuration, and where its speeds come from."""

    name: str
    budget: BudgetSection
    sources: SpeedSources | None
    answer: BudgetAnswer | None = None  # to the newest leaderboard: its latencies need no new estimate

    @property
    def latency(self) -> Column | None:
        """The latency on the budget's device, as a column of its own; None where the budget is not about speed."""
        if self.sources is None or not self.budget.is_about_speed:
            return None
        words = f"{self.sources.device.name}, {self.sources.in_runtime(self.budget.run()).describe()}"
        return replace(LATENCY, key=f"latency_ms {words}", title=f"Latency on {words}")


def configured_series(
    budgets: Iterable[ConfiguredBudget], leaderboards: Sequence[pd.DataFrame]
) -> tuple[list[Series], list[Column]]:
    """The pick of each budget that ranks by accuracy; puts the latencies of its candidates into the leaderboards.

    Latencies are those measured or estimated now, for the models and costs of then.

    Returns:
        The series, and the columns of latency that were added to the leaderboards.
    """
    series: list[Series] = []
    latencies: dict[str, Column] = {}
    for each in budgets:
        sources = _with_remembered_estimates(each.sources, each.answer)
        answers = [answer_budget(board, each.budget, sources, each.name) for board in leaderboards]
        if each.budget.dataset != NO_DATASET:
            accuracy = DATASETS[each.budget.dataset]
            limits = "; ".join(answers[-1].limits)
            title = f"{each.name}: {limits}" if limits else each.name
            series.append(
                Series(each.name, title, None, accuracy, tuple(_pick_of_answer(answer, accuracy) for answer in answers))
            )
        if (latency := each.latency) is not None and latency.key not in latencies:
            latencies[latency.key] = latency
            for board, answer in zip(leaderboards, answers, strict=True):
                board[latency.key] = _latencies_by_row(board, answer)
    return series, list(latencies.values())


def _pick_of_answer(answer: BudgetAnswer, accuracy: Column) -> Pick | None:
    table, place = answer.selection.table, answer.selection.pick
    if place is None or pd.isna(table[accuracy.key].iloc[place]):
        return None
    row = table.iloc[place]
    return Pick(str(row["model"]), str(row["input"]), float(row[accuracy.key]))


def _latencies_by_row(board: pd.DataFrame, answer: BudgetAnswer) -> pd.Series[float]:
    """The latency of each row of a leaderboard, from the candidates of a budget."""
    candidates = answer.selection.table[[*_IDENTITY, LATENCY.key]].drop_duplicates(_IDENTITY)
    joined: pd.Series[float] = board[_IDENTITY].merge(candidates, on=_IDENTITY, how="left")[LATENCY.key].set_axis(board.index)
    return joined


def _with_remembered_estimates(sources: SpeedSources | None, answer: BudgetAnswer | None) -> SpeedSources | None:
    """Sources that estimate each model once for all leaderboards, and no model that an answer has a latency of."""
    if sources is None or sources.estimate is None:
        return sources
    known = answer.selection.table[[*MODEL_KEY, LATENCY.key, *INTERVAL, "latency_from"]] if answer else pd.DataFrame()
    return replace(sources, estimate=_remember_estimates(sources.estimate, known.drop_duplicates(MODEL_KEY) if answer else known))


def _remember_estimates(estimate: Estimator, known: pd.DataFrame) -> Estimator:
    def estimate_new(rows: pd.DataFrame) -> pd.DataFrame:
        nonlocal known
        unseen = rows.drop_duplicates(MODEL_KEY)
        if len(known):
            is_known = unseen[MODEL_KEY].merge(known[MODEL_KEY], on=MODEL_KEY, how="left", indicator=True)["_merge"] == "both"
            unseen = unseen[~is_known.to_numpy()]
        if len(unseen):
            known = pd.concat([known, pd.concat([unseen[MODEL_KEY], estimate(unseen)], axis=1)], ignore_index=True)
        return rows[MODEL_KEY].merge(known, on=MODEL_KEY, how="left").set_axis(rows.index).drop(columns=MODEL_KEY)

    return estimate_new


def value_of(series: Series, pick: Pick | None) -> str:
    """`80.12 %`, or a dash."""
    return value_text(series.accuracy, pick.accuracy if pick else None)
