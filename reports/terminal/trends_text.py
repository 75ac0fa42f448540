"""What changed between two runs besides the costs: sections of text, and a record."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from reports.columns.format import UNKNOWN, value_text
from reports.trends.between import Between, FactChange
from reports.trends.budgets import Series, value_of
from reports.trends.frontiers import FrontierChange
from zoo.records import Variant

ONE_RUN = "One run so far; changes appear after the next."
"""Printed for the first run of a configuration."""


class ChangeSection(NamedTuple):
    """A table with its title."""

    title: str
    note: str
    headers: tuple[str, ...]
    rows: list[list[str]]
    right: tuple[str, ...]  # headers of the columns with numbers
    wraps: tuple[str, ...] = ()  # headers of the columns whose text may wrap


def between_record(between: Between | None) -> dict[str, Any]:
    """Everything, with exact numbers; `not_compared` says why lists are empty although there may be differences."""
    if between is None:
        return {"accuracies": [], "speeds": [], "frontiers": [], "budgets": [], "not_compared": ONE_RUN}
    return {
        "accuracies": [dataclasses.asdict(fact) for fact in between.accuracies or ()],
        "speeds": [dataclasses.asdict(fact) for fact in between.speeds],
        "frontiers": [_frontier_record(change) for change in between.frontiers or ()],
        "budgets": [_budget_record(each) for each in between.series or ()],
        "not_compared": between.why_not or None,
    }


def _frontier_record(change: FrontierChange) -> dict[str, Any]:
    axis = change.axis
    figures = {"accuracy": change.accuracy, "cost": change.cost, "why": change.why}
    where = {"task": axis.task, "accuracy_column": axis.accuracy.key, "cost_column": axis.cost.key}
    return {"kind": change.move.value, "model": change.model, "input": change.input, "variant": change.variant} | where | figures


def _budget_record(series: Series) -> dict[str, Any]:
    old, new = (pick and dataclasses.asdict(pick) for pick in (series.picks[0], series.picks[-1]))
    return {"budget": series.title, "task": series.task, "accuracy_column": series.accuracy.key, "old": old, "new": new}


def between_sections(between: Between | None) -> Iterator[ChangeSection]:
    """A table of each kind of difference that there is."""
    if between is None:
        return
    right, wraps = ("Old", "New", "Was", "Is"), ("Model", "Why")
    if between.frontiers:
        rows = [_frontier_cells(change) for change in between.frontiers]
        note = _count_kinds([change.move.value for change in between.frontiers])
        yield ChangeSection("Frontiers", note, ("What", "Model", "With", "Why", "Task"), rows, right, wraps)
    if rows := [_budget_cells(each) for each in between.series or () if each.picks[0] != each.picks[-1]]:
        yield ChangeSection("Best accuracy within a budget", "", ("Budget", "Was", "Is", "Model"), rows, right, wraps)
    for title, facts in (("Published accuracies", between.accuracies or ()), ("Measured speeds", between.speeds)):
        if facts:
            rows, note = [_fact_cells(fact) for fact in facts], _count_kinds([fact.kind for fact in facts])
            yield ChangeSection(title, note, ("Model", "Input", "Figure", "Old", "New"), rows, right, wraps)


def _count_kinds(kinds: Sequence[str]) -> str:
    """`3 entered, 1 left`."""
    return ", ".join(f"{kinds.count(kind):,} {kind}" for kind in dict.fromkeys(kinds))


def _frontier_cells(change: FrontierChange) -> list[str]:
    """`entered`, `timm/net.in1k at 3x224x224`, `80.12 % Top-1, 1.59 G MACs`, the reason and the task."""
    axis = change.axis
    figures = ((axis.accuracy, change.accuracy), (axis.cost, change.cost))
    with_ = ", ".join(f"{value_text(column, value)} {column.title}" for column, value in figures)
    variant = "" if change.variant == Variant.BASE else f" ({change.variant})"
    return [change.move.value, f"{change.model}{variant} at {change.input}", with_, change.why, axis.task]


def _budget_cells(series: Series) -> list[str]:
    old, new = series.picks[0], series.picks[-1]
    title = f"{series.task}: {series.title}" if series.task else series.title
    return [title, value_of(series, old), value_of(series, new), f"{new.model} at {new.input}" if new else "nothing fits"]


def _fact_cells(fact: FactChange) -> list[str]:
    old, new = (UNKNOWN if value is None else f"{value:,.6g}" for value in (fact.old, fact.new))
    return [fact.model, fact.input, fact.figure, old, new]
