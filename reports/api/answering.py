"""From a request to its answer: the budget, the candidates, the selection, its picture."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.config.budget_section import ACCURACY, COSTS, DATASETS, NO_DATASET, BudgetSection
from reports.config.workspace import Workspace
from reports.leaderboard.leaderboard import read_leaderboard
from reports.selection.budget_answer import BudgetAnswer, answer_budget
from reports.selection.speeds.device_lookup import look_up_device
from reports.selection.speeds.speed_estimates import CachedSpeeds
from zoo.cache.store import Store
from zoo.devices.device_names import goes_by
from zoo.errors import ConfigError, SpeedError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from reports.config.config import Config
    from reports.plot.theme import Style


@dataclass(frozen=True, slots=True)
class BudgetRequest:
    """A request for a selection: the models, the budget, and where devices and speeds are described."""

    config: Path | None
    cache: str | None
    budget: str | None
    options: Mapping[str, Any]  # keys of a budget, in place of those of the named one
    devices: Path | None = None
    speeds: tuple[Path, ...] = ()
    spell: Callable[[str], str] = str  # how the user writes a key of a budget


class UntestableLimitError(SpeedError):
    """A limit on speed of which no candidate has a value. `ranking` is the answer without it; its `speed_note` says how to obtain values."""

    def __init__(self, limits: str, ranking: BudgetAnswer) -> None:
        super().__init__(f"{limits} cannot be tested.\n{ranking.speed_note}")
        self.limits, self.ranking = limits, ranking


def answer(request: BudgetRequest, change: Callable[[BudgetSection], BudgetSection] | None = None) -> BudgetAnswer:
    """The selection from the cache; `change` makes another budget of the requested one.

    Raises:
        UntestableLimitError: if a limit on speed cannot be tested at any candidate.
        ZooError: if the configuration, the budget, a device, a table of speeds or the cache cannot be read.
    """
    workspace = Workspace.open(request.config, request.cache)
    budget = BudgetSection.from_options(request.options, request.spell, _named_budget(workspace.config, request))
    budget = change(budget) if change else budget
    store = Store(workspace.cache)
    if request.speeds and budget.device is None:
        raise ConfigError(
            f"{request.spell('speed')} is of no use without a device: {request.spell('device')} says on which models are to be fast."
        )
    device = look_up_device(budget.device, workspace.devices_file(request.devices), store)
    leaderboard = read_leaderboard(workspace)
    _check_patterns(request, budget, leaderboard, "the configuration" if workspace.config else "the cache")
    sources = CachedSpeeds(store, request.speeds).for_budget(budget, device)
    found = answer_budget(leaderboard, budget, sources)
    if found.untestable:
        without = budget.model_copy(update={"latency": None, "throughput": None})
        ranking = answer_budget(leaderboard, without, sources)
        others = tuple(sentence for sentence in ranking.assumptions if sentence != ranking.speed_note)
        raise UntestableLimitError(found.untestable, replace(ranking, assumptions=others, left_out=found.untestable))
    if device and budget.device and not goes_by(device, budget.device):
        assumed = f"'{budget.device}' is read as {device.name} ({device.id})."
        return replace(found, assumptions=(assumed, *found.assumptions))
    return found


def _check_patterns(request: BudgetRequest, budget: BudgetSection, leaderboard: pd.DataFrame, origin: str) -> None:
    """Raises an error for a requested zoo, family or task that no model has; a configured budget may wait for its models."""
    for key in sorted({"zoo", "family", "task"} & request.options.keys()):
        known = leaderboard[key].dropna().unique().tolist()
        for pattern in getattr(budget, key):
            if not fnmatch.filter(map(str.lower, known), pattern.lower()):
                near = did_you_mean(pattern, known)
                raise ConfigError(f"{request.spell(key)}: no model of {origin} has the {key} '{pattern}'.{near}")


def _named_budget(config: Config | None, request: BudgetRequest) -> BudgetSection | None:
    if request.budget is None:
        return None
    if config is None:
        raise ConfigError(
            f"--budget {request.budget} needs the configuration that has it: zoometer select CONFIG --budget {request.budget}"
        )
    if request.budget not in config.budgets:
        hint = did_you_mean(request.budget, config.budgets) or " It has no budgets: add a section budgets."
        raise ConfigError(f"'{request.config}' has no budget '{request.budget}'.{hint}")
    return config.budgets[request.budget]


def draw_answer(request: BudgetRequest, cost: str | None, style: Style) -> Figure:
    """The picture of an answer: accuracy against a cost, by default the limited latency or throughput, or the budget's.

    Raises:
        ConfigError: if there is no such cost, or the budget leaves accuracy out.
        SpeedError: if no model has both.
        ZooError: as `answer`.
    """
    from reports.plot import picture
    from reports.plot.points import Points

    found = answer(request, lambda budget: _with_axes(budget, cost, request.spell))
    points = Points.of(found, COSTS[_drawn_cost(found.budget)], DATASETS[found.budget.dataset])
    if points.rows.empty:
        axes = f"{points.cost.title} and {points.accuracy.title}"
        why = found.speed_note if points.cost.group == "Speed" else ""
        raise SpeedError(f"There is nothing to draw: no model has both {axes}. {why}")
    return picture.draw(points, style)


def _with_axes(budget: BudgetSection, cost: str | None, spell: Callable[[str], str]) -> BudgetSection:
    """The budget ranked by what the picture shows."""
    if cost is not None and cost not in COSTS:
        raise ConfigError(f"{spell('cost')}: '{cost}' is not a cost.{did_you_mean(cost, COSTS)}")
    if budget.dataset == NO_DATASET:
        raise ConfigError(f"A picture needs an accuracy: name its dataset with {spell('dataset')}, such as imagenet-1k.")
    return budget.model_copy(update={"pareto": [cost or _drawn_cost(budget)], "pick": ACCURACY})


def _drawn_cost(budget: BudgetSection) -> str:
    """The first cost of the frontier; `pareto` may name accuracy as well."""
    return next((name for name in budget.frontier_costs if name in COSTS), "macs")
