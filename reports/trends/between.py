"""What changed between two runs besides the costs: accuracies, measured speeds, frontiers, the best within budgets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from reports.config.config import Config
from reports.trends.budgets import Series
from reports.trends.frontiers import FrontierChange, Move
from reports.trends.trends import trends_of
from zoo.cache.changes import Changes
from zoo.cache.run_facts import RESULT_KEY, end_of, read_run_facts, speeds_as_of
from zoo.cache.runs import RunRecord, RunStatus
from zoo.cache.store import Store
from zoo.records import SPEED_KEY

_SPEED_CONDITIONS = ("device", "runtime", "dtype", "layout", "compiled", "threads", "batch")
"""How a speed was measured: the rest of `SPEED_KEY`."""

FLAT_COLUMNS = ("about", "kind", "model", "input", "figure", "old", "new", "cause")
"""Columns of `flat_rows`."""


@dataclass(frozen=True)
class FactChange:
    """A published accuracy or a measured speed that only one of two runs has, or that has another value."""

    kind: str  # added, removed, changed
    model: str
    input: str
    figure: str  # `imagenet-1k top1`; `latency_ms on jetson-orin-nano, torch-2.4.0, float16`
    old: float | None  # in the figure's own unit
    new: float | None


@dataclass(frozen=True)
class Between:
    """What two runs differ in besides the costs. None where they cannot be compared; `why_not` says why."""

    accuracies: tuple[FactChange, ...] | None
    speeds: tuple[FactChange, ...]
    frontiers: tuple[FrontierChange, ...] | None
    series: tuple[Series, ...] | None  # of two states, the earlier first
    why_not: str = ""


def changes_besides_costs(store: Store, changes: Changes, config: Config | None = None) -> Between | None:
    """What else differs between the two runs of `changes`; None where there is no run before."""
    before, after = changes.before, changes.after
    if before is None:
        return None
    old_speeds, new_speeds = (speeds_as_of(store, end_of(store, run)) for run in (before, after))
    speeds = _fact_changes(old_speeds, new_speeds, SPEED_KEY, "latency_ms", _describe_speed)
    old, new = read_run_facts(store, [before, after])
    if old.results is None or new.results is None:
        unknown = before if old.results is None else after
        why_not = f"The cache has no accuracies of run {unknown.run}; it has those of later runs."
        return Between(None, speeds, None, None, why_not)
    accuracies = _fact_changes(old.results, new.results, RESULT_KEY, "value", _describe_result)
    if not _is_comparable(before, after):
        why_not = "Frontiers are compared between complete runs of one configuration, without --only."
        return Between(accuracies, speeds, None, None, why_not)
    trends = trends_of(store, [old, new], config)
    frontiers = tuple(change for step in trends.steps for change in step.changes) if trends else ()
    return Between(accuracies, speeds, frontiers, trends.series if trends else ())


def _is_comparable(before: RunRecord, after: RunRecord) -> bool:
    return before.config == after.config and all(run.status == RunStatus.DONE and not run.only for run in (before, after))


def _fact_changes(
    old: pd.DataFrame, new: pd.DataFrame, key: Sequence[str], figure: str, describe: Callable[[dict[str, Any]], tuple[str, str]]
) -> tuple[FactChange, ...]:
    """The keys whose figure differs or is in one table only, in order; `describe` gives the model and the figure's name."""
    was, now = (_values_by_key(table, key, figure) for table in (old, new))
    changes = []
    for values in sorted(was.keys() | now.keys(), key=str):
        before, after = was.get(values), now.get(values)
        if before != after:
            kind = "added" if before is None else "removed" if after is None else "changed"
            row = dict(zip(key, values, strict=True))
            model, name = describe(row)
            changes.append(FactChange(kind, model, row["input"], name, before, after))
    return tuple(changes)


def _values_by_key(table: pd.DataFrame, key: Sequence[str], figure: str) -> dict[tuple[Any, ...], float]:
    """The known values of a figure by key, in which unknown is None."""
    rows = table.loc[table[figure].notna(), [*key, figure]].astype(object)
    return {tuple(columns): float(value) for *columns, value in rows.where(rows.notna(), None).itertuples(index=False)}


def _describe_result(row: Mapping[str, Any]) -> tuple[str, str]:
    tag = f".{row['tag']}" if row["tag"] else ""
    return f"{row['zoo']}/{row['arch']}{tag}", f"{row['dataset']} {row['metric']}"


def _describe_speed(row: Mapping[str, Any]) -> tuple[str, str]:
    variant = "" if row["variant"] == "base" else f" ({row['variant']})"
    return f"{row['zoo']}/{row['arch']}{variant}", f"latency_ms on {', '.join(_conditions_of_speed(row))}"


def _conditions_of_speed(row: Mapping[str, Any]) -> Iterator[str]:
    """How a speed was measured, without what is unknown."""
    for name in _SPEED_CONDITIONS:
        if (value := row[name]) is not None:
            words = {"compiled": "compiled" if value else "eager", "threads": f"{value} threads", "batch": f"batch {value}"}
            yield words.get(name, str(value))


def flat_rows(changes: Changes, between: Between | None) -> pd.DataFrame:
    """Everything in one table: what it is about (cost, accuracy, speed, frontier, budget), and old and new value."""
    rows = [*_cost_rows(changes)]
    if between:
        for about, facts in (("accuracy", between.accuracies or ()), ("speed", between.speeds)):
            rows += [(about, f.kind, f.model, f.input, f.figure, f.old, f.new, None) for f in facts]
        for c in between.frontiers or ():
            values = (None, c.accuracy) if c.move is Move.ENTERED else (c.accuracy, None)
            rows.append(("frontier", c.move.value, c.model, c.input, f"{c.axis.task}: {c.axis.title}", *values, c.why))
        for s in between.series or ():
            was, now = s.picks[0], s.picks[-1]
            if was != now:
                figures = (was and was.accuracy, now and now.accuracy)
                title = f"{s.task}: {s.title}" if s.task else s.title
                rows.append(("budget", "changed", now and now.model, now and now.input, title, *figures, None))
    return pd.DataFrame(rows, columns=list(FLAT_COLUMNS)).astype(
        {name: "object" if name in ("old", "new") else "string" for name in FLAT_COLUMNS}
    )


def _cost_rows(changes: Changes) -> Iterator[tuple[Any, ...]]:
    table = changes.rows.astype(object).where(changes.rows.notna(), None)
    for row in table.to_dict("records"):
        old, new = (row[name] if row[name] is not None else row[f"{name}_status"] for name in ("old", "new"))
        yield "cost", row["kind"], f"{row['zoo']}/{row['arch']}", row["input"], row["figure"], old, new, row["cause"]
