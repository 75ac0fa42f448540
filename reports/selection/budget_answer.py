"""The answer to a budget: the models of a leaderboard that satisfy it, how they are ranked, and what is assumed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd

from reports.columns.budget_columns import LATENCY, THROUGHPUT
from reports.columns.column import Better, Column
from reports.columns.limits import AnyLimit
from reports.config.budget_section import COSTS, BudgetSection
from reports.selection.candidates import build_candidates
from reports.selection.explanations import explain_pick, explain_relaxation, explain_unknown, limit_text, relevant_columns
from reports.selection.selection import SelectionResult, State, select_models
from reports.selection.speeds.candidate_speeds import SpeedSources
from zoo.devices.device import Device
from zoo.run_config import RunConfig

_SPEEDS = (LATENCY, THROUGHPUT)
_SPEED_KEYS = [column.key for column in _SPEEDS]


@dataclass(frozen=True)
class BudgetAnswer:
    """A budget and its selection. Rows are positions in `selection.table`."""

    name: str  # of the budget in the configuration
    budget: BudgetSection
    selection: SelectionResult
    assumptions: tuple[str, ...]
    run: RunConfig  # how the models run, in the one runtime of all latencies
    device: Device | None = None  # of the budget
    speed_note: str = ""  # where speeds come from, or what would make one known
    left_out: str = ""  # the limits of the budget that could not be tested, in words

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of the objectives, then those of the limits."""
        return tuple(relevant_columns(self.selection))

    @property
    def limits(self) -> tuple[str, ...]:
        """`Params ≤ 6.00 M`, one for each limit of the selection."""
        return tuple(map(limit_text, self.selection.limits))

    @property
    def untestable(self) -> str:
        """The limits on speed that no candidate has a value for: `Latency ≤ 5.00 ms`; empty where there are none."""
        table = self.selection.table
        limits = [limit for limit in self.selection.limits if limit.column in _SPEEDS and table[limit.column.key].isna().all()]
        return " and ".join(map(limit_text, limits)) if len(table) else ""

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the pick was picked, or that nothing fits."""
        if self.untestable:
            return (f"{self.untestable} cannot be tested. {self.speed_note}",)
        return tuple(explain_pick(self.selection, self.left_out))

    @property
    def relaxations(self) -> tuple[str, ...]:
        """What relaxing each limit would gain."""
        return tuple(explain_relaxation(self.selection, relaxation) for relaxation in self.selection.relaxations)

    @property
    def notes(self) -> tuple[str, ...]:
        """Missing values and assumptions."""
        return (*explain_unknown(self.selection), *self.assumptions)


def answer_budget(
    leaderboard: pd.DataFrame, budget: BudgetSection, sources: SpeedSources | None = None, name: str = ""
) -> BudgetAnswer:
    """The models of a leaderboard that satisfy a budget; models that tie are in the order of their names.

    Args:
        leaderboard: has the columns of `reports.columns.leaderboard_columns.LEADERBOARD`.
        budget: limits, objectives and how the models would be run.
        sources: the budget's device and where its speeds come from; None: the budget has no device.
        name: of the budget.
    """
    leaderboard = leaderboard.sort_values("model", kind="stable", ignore_index=True)
    device = sources.device if sources else None
    run = replace(budget.run(), device=device.id) if device else budget.run()
    run = sources.in_runtime(run) if sources else run
    candidates = build_candidates(leaderboard, run, sources)
    limits, objectives = budget.limits(device), budget.objectives()
    ranking = _known_objectives(objectives, candidates.table)
    unused = [
        f"No candidate has a value for {column.title}: it is not used for ranking."
        for column in objectives
        if column not in (*ranking, *_SPEEDS)  # their own note says how to get speeds
    ]
    assumptions = candidates.notes_on([*objectives, *(limit.column for limit in limits)])
    speed_note = candidates.notes[LATENCY.key]
    if sources and sources.estimate and candidates.table[_SPEED_KEYS].isna().all(axis=None):
        assumptions = list(dict.fromkeys([*assumptions, speed_note]))
    selection, more = _select_ranked(candidates.table, limits, ranking)
    return BudgetAnswer(name, budget, selection, (*unused, *more, *assumptions), run, device, speed_note)


def _select_ranked(table: pd.DataFrame, limits: list[AnyLimit], objectives: list[Column]) -> tuple[SelectionResult, list[str]]:
    """The selection, and a note where those that fit are ranked without an objective that none of them has."""
    selection = select_models(table, limits, objectives)
    fitting = table[selection.in_state(State.FITS)]
    if selection.pick is not None or fitting.empty:
        return selection, []
    known = [column for column in objectives if fitting[column.key].notna().any()]
    again = select_models(table, limits, known or [COSTS["macs"]])
    if again.pick is None:
        return selection, []
    missing = " or ".join(column.title for column in objectives if column not in known)
    return again, [f"None of those that fit has a value for {missing}: it is not used for ranking."]


def _known_objectives(objectives: list[Column], table: pd.DataFrame) -> list[Column]:
    """The objectives for which any candidate has a value, or all of them.

    MACs replace a missing speed that is the first objective or the only cost.
    """
    known = [column for column in objectives if table[column.key].notna().any()]
    missing = [column for column in objectives if column not in known]
    macs = COSTS["macs"]
    if set(_SPEEDS).isdisjoint(missing) or table[macs.key].isna().all():
        return known or objectives
    if objectives[0] in missing:
        return list(dict.fromkeys([macs, *known]))
    has_cost = any(column.better is Better.LOW or column in _SPEEDS for column in known)
    return known if has_cost else [*known, macs]
