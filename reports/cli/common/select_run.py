"""From what `zoometer select` was asked to its answer: the budget, the candidates from the cache, the selection, its output."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from reports.cli.common.opening import DEFAULT_CACHE, read_config
from reports.cli.common.output import print_csv, print_json
from reports.config.budget_section import BudgetSection
from reports.leaderboard.leaderboard import read_leaderboard, read_whole_leaderboard
from reports.selection.budget_answer import BudgetAnswer, answer_budget
from reports.selection.device_lookup import look_up_device
from reports.selection.speed_estimates import CachedSpeeds
from reports.terminal import selection_text
from reports.terminal.console import make_console
from zoo.cache.store import Store
from zoo.devices.device_names import goes_by
from zoo.errors import ConfigError, SpeedError, did_you_mean

if TYPE_CHECKING:
    from reports.config.config import Config

_OPTIONS = {
    "params": "--max-params", "macs": "--max-gmacs", "accuracy": "--min-top1", "throughput": "--min-throughput",
    **{name: f"--max-{name.replace('_', '-')}" for name in ("activations", "peak_memory", "memory", "file_size", "latency")},
}  # fmt: skip
"""The option that sets a key of a budget, where it is not `--key`."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked: the models, the budget, and where devices and speeds are described."""

    config: Path | None
    cache: str | None
    budget: str | None
    options: Mapping[str, Any]
    devices: Path | None = None
    speeds: tuple[Path, ...] = ()


def print_answer(answer: BudgetAnswer, form: str) -> None:
    """Print as `table`, `json` or `csv`."""
    if form == "json":
        print_json(selection_text.answer_record(answer))
    elif form == "csv":
        print_csv(selection_text.answer_table(answer))
    else:
        selection_text.print_answer(make_console(), answer)


class UntestableLimitError(SpeedError):
    """A limit on speed of which no candidate has a value. `ranking` is the answer without it, `step` what would make one known."""

    def __init__(self, limits: str, ranking: BudgetAnswer) -> None:
        super().__init__(f"{limits}.\n{ranking.speed_note}")
        self.limits, self.ranking, self.step = limits, ranking, ranking.speed_note


def answer(asked: Asked, change: Callable[[BudgetSection], BudgetSection] | None = None) -> BudgetAnswer:
    """The selection from the cache; `change` makes another budget of what was asked.

    Raises:
        UntestableLimitError: if a limit on speed cannot be tested at any candidate.
        ZooError: if the configuration, the budget, a device, a table of speeds or the cache cannot be read.
    """
    config = read_config(asked.config, asked.cache) if asked.config else None
    budget = read_budget(_named_budget(config, asked), asked.options)
    budget = change(budget) if change else budget
    store = Store(config.cache if config else asked.cache or DEFAULT_CACHE)
    if asked.speeds and budget.device is None:
        raise ConfigError("--speed is of no use without a device: --device ID says on which models are to be fast.")
    device = look_up_device(budget.device, asked.devices or (config.devices if config else None), store)
    leaderboard = read_leaderboard(config.refresh_settings()) if config else read_whole_leaderboard(store.address)
    sources = CachedSpeeds(store, asked.speeds).for_budget(budget, device)
    found = answer_budget(leaderboard, budget, sources)
    if found.untestable:
        without = budget.model_copy(update={"latency": None, "throughput": None})
        ranking = answer_budget(leaderboard, without, sources)
        others = tuple(sentence for sentence in ranking.assumptions if sentence != ranking.speed_note)
        raise UntestableLimitError(found.untestable, replace(ranking, assumptions=others))
    if device and budget.device and not goes_by(device, budget.device):
        assumed = f"'{budget.device}' is read as {device.name} ({device.id})."
        return replace(found, assumptions=(assumed, *found.assumptions))
    return found


def read_budget(named: BudgetSection | None, options: Mapping[str, Any]) -> BudgetSection:
    """A budget of the configuration with what the command line sets in its place.

    Raises:
        ConfigError: if an option is wrong; the message names it.
    """
    try:
        given = BudgetSection(**options)
        return (named or BudgetSection()).model_copy(update={name: getattr(given, name) for name in given.model_fields_set})
    except ValidationError as error:
        mistakes = []
        for mistake in error.errors(include_url=False):
            key = str(mistake["loc"][0])
            said = mistake.get("ctx", {}).get("error") or mistake["msg"]
            mistakes.append(f"{_OPTIONS.get(key, '--' + key.replace('_', '-'))}: {said}")
        raise ConfigError("\n".join(mistakes)) from None


def _named_budget(config: Config | None, asked: Asked) -> BudgetSection | None:
    if asked.budget is None:
        return None
    if config is None:
        raise ConfigError(
            f"--budget {asked.budget} needs the configuration that has it: zoometer select CONFIG --budget {asked.budget}"
        )
    if asked.budget not in config.budgets:
        hint = did_you_mean(asked.budget, config.budgets) or " It has no budgets: add a section budgets."
        raise ConfigError(f"'{asked.config}' has no budget '{asked.budget}'.{hint}")
    return config.budgets[asked.budget]
