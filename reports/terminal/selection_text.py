"""An answer in words: why this model, what binds the others, and what a limit that gives way would buy."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from rich.console import Console
from rich.text import Text

from reports.columns.column import Column
from reports.columns.limits import Limit
from reports.selection.selection import Selected, State
from reports.selection.wording import (
    figure_text,
    is_about_speed,
    known_text,
    limit_text,
    missing_text,
    reasons,
    relaxation_text,
    shown_columns,
    value_text,
)
from reports.terminal.console import print_table

_MOST_ON_FRONTIER = 12


def print_selected(console: Console, selected: Selected, assumptions: Sequence[str]) -> None:
    """The pick with its reasons, the frontier, what is left out and why, what a limit would buy, what is not known."""
    sentences = reasons(selected)
    console.print(Text(sentences[0], style="bold green" if selected.pick is not None else "bold yellow"))
    for sentence in sentences[1:]:
        console.print(sentence)
    if frontier := selected.frontier:
        _print_frontier(console, selected, frontier)
    _print_left_out(console, selected)
    if selected.relaxations:
        console.print(Text("\nWhat a limit that gives way would buy", style="bold"))
        for relaxation in selected.relaxations:
            console.print(f"  {relaxation_text(selected, relaxation)}", soft_wrap=True)
    if lines := missing_text(selected):
        console.print(Text("\nNot known, so not considered: " + "; ".join(lines) + ".", style="yellow"))
    if selected.unranked:
        console.print(
            f"{selected.unranked:,} of those that fit cannot be ranked: an objective is not known for them.", style="yellow"
        )
    for sentence in assumptions:
        console.print(Text(f"! {sentence}", style="dim"))


def _print_frontier(console: Console, selected: Selected, frontier: Sequence[int]) -> None:
    axes = ", ".join(column.title for column in selected.objectives)
    console.print(Text(f"\nOn the frontier of {axes}: {len(frontier):,}", style="bold"))
    columns, is_speed = shown_columns(selected), is_about_speed(selected)
    rows = [_cells(selected.table, row, columns, is_speed=is_speed) for row in frontier[:_MOST_ON_FRONTIER]]
    headers = ("model", "input", *(column.header for column in columns), *(["latency is"] if is_speed else []))
    print_table(console, headers, rows, right=[column.header for column in columns if column.is_figure])
    if len(frontier) > _MOST_ON_FRONTIER:
        console.print(f"  and {len(frontier) - _MOST_ON_FRONTIER:,} more: --format csv lists them all", style="dim")


def _cells(table: pd.DataFrame, row: int, columns: Sequence[Column], *, is_speed: bool) -> list[str]:
    record = table.iloc[row]
    known = [known_text(record.to_dict())] if is_speed else []
    return [str(record["model"]), str(record["input"]), *(figure_text(column, record[column.key]) for column in columns), *known]


def _print_left_out(console: Console, selected: Selected) -> None:
    states = selected.verdicts["state"].value_counts()
    over = int(states.get(State.OVER, 0))
    if not over:
        return
    console.print(Text(f"\nLeft out: {over:,} of {len(selected.table):,}", style="bold"))
    rows = [
        [limit_text(limit), *(f"{int(count):,}" for count in counts)]
        for limit, counts in zip(selected.limits, selected.counts.to_numpy().tolist(), strict=True)
    ]
    headers = ("limit", "beyond it", "by it alone", "unknown")
    print_table(console, headers, rows, right=headers[1:])
    if not selected.misses:
        return
    console.print(
        Text("\nNearest misses that would be picked instead" if selected.pick is not None else "\nNearest misses", style="bold")
    )
    first = selected.objectives[0]
    columns = ("model", "input", "limit that binds most", "misses by", first.header)
    print_table(console, columns, [_miss(selected, row, first) for row in selected.misses], right=columns[3:])


def _miss(selected: Selected, row: int, first: Column) -> list[str]:
    verdict, record = selected.verdicts.iloc[row], selected.table.iloc[row]
    limit = next(limit for limit in selected.limits if limit.title == verdict["binding"])
    assert isinstance(limit, Limit)
    gap = abs(record[limit.column.key] - limit.bound)
    by = value_text(limit.column, gap) if limit.is_least else f"{verdict['ratio'] - 1:.1%}"
    return [str(record["model"]), str(record["input"]), limit_text(limit), by, figure_text(first, record[first.key])]
