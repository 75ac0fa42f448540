"""From what `zoometer select` was asked to its answer: the budget, the candidates from the cache, the selection, its output."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import typer
from pydantic import ValidationError

from reports.columns.budget_columns import INTERVAL, LATENCY, THROUGHPUT
from reports.columns.limits import AnyLimit, Limit
from reports.config.budgets import BudgetSection
from reports.leaderboard.leaderboard import read_leaderboard, read_whole_leaderboard
from reports.selection import wording
from reports.selection.answers import answer_budget, choose_device
from reports.selection.estimates import Estimates
from reports.selection.selection import Selected, State
from reports.terminal import selection_text
from reports.terminal.console import make_console
from zoo.cache.store import Store
from zoo.devices.devices import DeviceNames
from zoo.errors import ConfigError, did_you_mean
from zoo.measurement.speed_imports import known_speeds

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
    cache: str
    budget: str | None
    options: Mapping[str, Any]
    devices: Path | None = None
    speeds: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Answer:
    """What is printed."""

    selected: Selected
    assumptions: list[str]

    def print(self, form: str) -> None:
        """Print as `table`, `json` or `csv`."""
        if form == "json":
            typer.echo(json.dumps(self.record(), indent=2))
        elif form == "csv":
            typer.echo(self._rows().to_csv(index=False), nl=False)
        else:
            selection_text.print_selected(make_console(), self.selected, self.assumptions)

    def record(self) -> dict[str, Any]:
        """Everything for programs: exact numbers, units in the names."""
        from reports.exports.tables import records  # with all exports; a table for the terminal needs none

        selected = self.selected
        rows = list(records(self._rows()))
        return {
            "pick": None if selected.pick is None else rows[selected.pick],
            "reasons": wording.reasons(selected),
            "limits": [_limit_record(limit, counts) for limit, counts in zip(selected.limits, _counts(selected), strict=True)],
            "objectives": [{"column": c.key, "better": str(c.better)} for c in selected.objectives],
            "candidates": {state.value: int((selected.verdicts["state"] == state).sum()) for state in State},
            "unranked": selected.unranked,
            "frontier": [rows[row] for row in selected.frontier],
            "nearest_misses": [rows[row] for row in selected.misses],
            "relaxations": [
                {
                    "limit": wording.limit_text(relaxed.limit),
                    "ratio": relaxed.ratio if relaxed.ratio < float("inf") else None,
                    "next": rows[relaxed.row],
                    "best": rows[relaxed.best],
                    "sentence": wording.relaxation_text(selected, relaxed),
                }
                for relaxed in selected.relaxations
            ],
            "left_out": [row for row in rows if row["state"] == State.OVER],
            "unknown": [row for row in rows if row["state"] == State.UNKNOWN],
            "assumptions": self.assumptions,
        }

    def _rows(self) -> pd.DataFrame:
        """Every candidate with the figures the answer speaks of, and what was made of it."""
        columns = ["model", "input", *(column.key for column in wording.shown_columns(self.selected))]
        is_speed = not {LATENCY.key, THROUGHPUT.key}.isdisjoint(columns)
        rows = self.selected.table[[*columns, *((*INTERVAL, "latency_from") if is_speed else ())]]
        return pd.concat([rows, self.selected.verdicts, self.selected.on_frontier], axis=1)


def answer(asked: Asked) -> Answer:
    """The selection from the cache.

    Raises:
        ZooError: if the configuration, the budget, a device, a table of speeds or the cache cannot be read.
    """
    config = _load_config(asked.config) if asked.config else None
    budget = read_budget(_named_budget(config, asked), asked.options)
    store = Store(config.cache if config else asked.cache)
    if asked.speeds and budget.device is None:
        raise ConfigError("--speed is of no use without a device: --device ID says on which models are to be fast.")
    device = choose_device(budget.device, asked.devices or (config.devices if config else None), store)
    leaderboard = read_leaderboard(config.refresh_settings()) if config else read_whole_leaderboard(asked.cache)
    speeds = known_speeds(store, device.id, asked.speeds, DeviceNames([device])) if device else None
    return Answer(*answer_budget(leaderboard, budget, device, speeds, Estimates(store).of_budget(budget, device)))


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


def _load_config(path: Path) -> Config:
    from reports.config.config import load_config  # slow to import, and not wanted by a question about a whole cache

    return load_config(path)


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


def _counts(selected: Selected) -> list[dict[str, int]]:
    return [{str(name): int(count) for name, count in row.items()} for row in selected.counts.to_dict("records")]


def _limit_record(limit: AnyLimit, counts: Mapping[str, int]) -> dict[str, Any]:
    bound: dict[str, Any] = (
        {"at_least" if limit.is_least else "at_most": limit.bound}
        if isinstance(limit, Limit)
        else {"allowed": list(limit.patterns)}
    )
    return {"column": limit.column.key, "title": limit.title, **bound, **counts}
