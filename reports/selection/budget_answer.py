"""The answer to a budget: the models of a leaderboard that satisfy it, how they are ranked, and what is assumed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd

from reports.columns.column import Column
from reports.config.budgets import BudgetSection
from reports.selection.candidates import SpeedSources, candidates
from reports.selection.explanations import explain_pick, explain_relaxation, explain_unknown, limit_text, relevant_columns
from reports.selection.selection import SelectionResult, select_models


@dataclass(frozen=True)
class BudgetAnswer:
    """A budget and its selection. Rows are positions in `selection.table`."""

    name: str  # of the budget in the configuration
    budget: BudgetSection
    selection: SelectionResult
    assumptions: tuple[str, ...]

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of the objectives, then those of the limits."""
        return tuple(relevant_columns(self.selection))

    @property
    def limits(self) -> tuple[str, ...]:
        """`Params ≤ 6.00 M`, one for each limit of the selection."""
        return tuple(map(limit_text, self.selection.limits))

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the pick was picked, or that nothing fits."""
        return tuple(explain_pick(self.selection))

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
    found = candidates(leaderboard, run, sources)
    limits, objectives = budget.limits(device), budget.objectives()
    first, *others = objectives
    ranking = [first, *(column for column in others if found.table[column.key].notna().any())]
    unused = [f"No candidate has a value for {c.title}: it is not used for ranking." for c in objectives if c not in ranking]
    assumptions = found.notes_on([*objectives, *(limit.column for limit in limits)])
    return BudgetAnswer(name, budget, select_models(found.table, limits, ranking), (*unused, *assumptions))
