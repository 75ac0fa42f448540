"""Answers to a budget from a leaderboard: candidates under the budget's conditions, held against its limits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from reports.config.budgets import BudgetSection
from reports.selection.candidates import Estimator, SpeedSources, candidates
from reports.selection.selection import Selected, select
from zoo.cache.store import Store
from zoo.devices.devices import Device, find_device, read_devices, shipped_devices


def choose_device(name: str | None, file: str | Path | None, store: Store | None = None) -> Device | None:
    """The device of this id: from a file of the user's, among those that come with zoometer, or one that the cache has speeds of.

    Raises:
        DeviceError: if the file cannot be read.
        UnknownNameError: if there is no such device.
    """
    own = read_devices(file) if file else {}
    if name and store and name not in own and name not in shipped_devices() and len(store.speeds(name)):
        return Device(name, name, "board")  # of which no data sheet is known
    return find_device(name, own) if name else None


class Answered(NamedTuple):
    """A selection, and what is assumed in it: one sentence each."""

    selected: Selected
    assumptions: list[str]


def answer_budget(
    leaderboard: pd.DataFrame,
    budget: BudgetSection,
    device: Device | None = None,
    speeds: pd.DataFrame | None = None,
    estimate: Estimator | None = None,
) -> Answered:
    """Which models of a leaderboard keep a budget, those that cannot be told apart in the order of their names.

    Args:
        leaderboard: has the columns of `reports.columns.leaderboard_columns.LEADERBOARD`.
        budget: limits, objectives and how the models would be used.
        device: the one that the budget names.
        speeds: measurements on it, with the columns of the `speed` table.
        estimate: estimates the speed of what was not measured.
    """
    leaderboard = leaderboard.sort_values("model", kind="stable", ignore_index=True)
    sources = SpeedSources(device, speeds, estimate, budget.unstated) if device else None
    run = replace(budget.run(), device=device.id) if device else budget.run()
    found = candidates(leaderboard, run, sources)
    limits, asked_for = budget.limits(device), budget.objectives()
    first, *others = asked_for
    objectives = [first, *(column for column in others if found.table[column.key].notna().any())]
    without = [
        f"{column.title} is not known for any candidate, so it ranks none." for column in asked_for if column not in objectives
    ]
    columns = [*asked_for, *(limit.column for limit in limits)]
    return Answered(select(found.table, limits, objectives), [*without, *found.notes_on(columns)])
