"""The answer to a budget: text for a terminal, and a record and a table for programs."""

from __future__ import annotations

from typing import Any

import pandas as pd
from rich.console import Console
from rich.text import Text

from reports.columns.budget_columns import INTERVAL
from reports.columns.format import figure_text, value_text
from reports.columns.limits import AnyLimit, Limit
from reports.columns.table_rows import records
from reports.selection.budget_answer import BudgetAnswer
from reports.selection.explanations import explain_unknown, is_about_speed, origin_text
from reports.selection.selection import State
from reports.terminal.console import print_table

_MOST_ON_FRONTIER = 12


def print_answer(console: Console, answer: BudgetAnswer) -> None:
    """The pick with its reasons, the frontier, what the limits exclude, relaxations, missing values and assumptions."""
    reason, *more = answer.reasons
    console.print(Text(reason, style="bold yellow" if answer.selection.pick is None else "bold green"))
    for sentence in more:
        console.print(sentence)
    _print_frontier(console, answer)
    _print_excluded(console, answer)
    _print_misses(console, answer)
    if answer.relaxations:
        console.print(Text("\nGained by relaxing a limit", style="bold"))
        for sentence in answer.relaxations:
            console.print(f"  {sentence}", soft_wrap=True)
    for sentence in explain_unknown(answer.selection):
        console.print(Text(f"\n{sentence}", style="yellow"))
    for sentence in answer.assumptions:
        console.print(Text(f"! {sentence}", style="dim"))


def _print_frontier(console: Console, answer: BudgetAnswer) -> None:
    frontier, shown = answer.selection.frontier, _MOST_ON_FRONTIER
    if not frontier:
        return
    objectives = ", ".join(column.title for column in answer.selection.objectives)
    console.print(Text(f"\nOn the frontier of {objectives}: {len(frontier):,}", style="bold"))
    is_speed = is_about_speed(answer.selection)
    headers = ("model", "input", *(column.header for column in answer.columns), *(["latency is"] if is_speed else []))
    rows = []
    for _, record in answer.selection.table.iloc[frontier[:shown]].iterrows():
        figures = [figure_text(column, record[column.key]) for column in answer.columns]
        rows.append([str(record["model"]), str(record["input"]), *figures, *([origin_text(record)] if is_speed else [])])
    print_table(console, headers, rows, right=[column.header for column in answer.columns if column.is_figure])
    if len(frontier) > shown:
        console.print(f"  and {len(frontier) - shown:,} more: --format csv lists them all", style="dim")


def _print_excluded(console: Console, answer: BudgetAnswer) -> None:
    over = answer.selection.count(State.OVER)
    if over:
        console.print(Text(f"\nLeft out: {over:,} of {len(answer.selection.table):,}", style="bold"))
        counts = answer.selection.counts.to_numpy().tolist()
        rows = [[limit, *(f"{n:,}" for n in numbers)] for limit, numbers in zip(answer.limits, counts, strict=True)]
        headers = ("limit", "beyond it", "by it alone", "unknown")
        print_table(console, headers, rows, right=headers[1:])


def _print_misses(console: Console, answer: BudgetAnswer) -> None:
    """The nearest misses with the limit that each exceeds most."""
    selection = answer.selection
    first = selection.objectives[0]
    rows = []
    for row in selection.misses:
        verdict, record = selection.verdicts.iloc[row], selection.table.iloc[row]
        limit, text = next(
            pair for pair in zip(selection.limits, answer.limits, strict=True) if pair[0].title == verdict["binding"]
        )
        assert isinstance(limit, Limit)
        gap = abs(record[limit.column.key] - limit.bound)
        by = value_text(limit.column, gap) if limit.is_least else f"{verdict['ratio'] - 1:.1%}"
        rows.append([str(record["model"]), str(record["input"]), text, by, figure_text(first, record[first.key])])
    if rows:
        would_be_picked = " that would be picked instead" if selection.pick is not None else ""
        console.print(Text(f"\nNearest misses{would_be_picked}", style="bold"))
        headers = ("model", "input", "limit that binds most", "misses by", first.header)
        print_table(console, headers, rows, right=headers[3:])


def answer_table(answer: BudgetAnswer) -> pd.DataFrame:
    """Every candidate with its relevant figures and its verdict."""
    columns = [column.key for column in answer.columns]
    speed = (*INTERVAL, "latency_from") if is_about_speed(answer.selection) else ()
    selection = answer.selection
    return pd.concat([selection.table[["model", "input", *columns, *speed]], selection.verdicts, selection.on_frontier], axis=1)


def answer_record(answer: BudgetAnswer) -> dict[str, Any]:
    """Everything, with exact numbers and units in the names."""
    selection = answer.selection
    rows = list(records(answer_table(answer)))
    limits = zip(selection.limits, selection.counts.to_dict("records"), strict=True)
    relaxations = zip(selection.relaxations, answer.relaxations, strict=True)
    limit_texts = dict(zip(selection.limits, answer.limits, strict=True))
    return {
        "pick": None if selection.pick is None else rows[selection.pick],
        "reasons": list(answer.reasons),
        "limits": [{"column": x.column.key, "title": x.title, **_bound_record(x), **counts} for x, counts in limits],
        "objectives": [{"column": c.key, "better": str(c.better)} for c in selection.objectives],
        "candidates": {state.value: selection.count(state) for state in State},
        "unranked": selection.unranked,
        "frontier": [rows[row] for row in selection.frontier],
        "nearest_misses": [rows[row] for row in selection.misses],
        "relaxations": [
            {
                "limit": limit_texts[relaxation.limit],
                "ratio": relaxation.ratio if relaxation.ratio < float("inf") else None,
                "next": rows[relaxation.row],
                "best": rows[relaxation.best],
                "sentence": sentence,
            }
            for relaxation, sentence in relaxations
        ],
        "left_out": [row for row in rows if row["state"] == State.OVER],
        "unknown": [row for row in rows if row["state"] == State.UNKNOWN],
        "assumptions": list(answer.assumptions),
    }


def _bound_record(limit: AnyLimit) -> dict[str, Any]:
    if isinstance(limit, Limit):
        return {"at_least" if limit.is_least else "at_most": limit.bound}
    return {"allowed": list(limit.patterns)}
