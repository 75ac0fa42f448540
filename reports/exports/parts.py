"""What a report holds beside its tables, as plain data: changes since the last run, answers to budgets, audits.

Each part is an object with what is said of it as a whole, and its `rows` under their export names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pandas as pd

from reports.columns.column import Column
from reports.columns.leaderboard_columns import LEADERBOARD
from reports.columns.section_columns import AUDIT, CHANGES
from reports.columns.table_rows import records
from reports.leaderboard.report import AuditReport, ChangeReport, Report
from reports.selection.budget_answer import BudgetAnswer
from reports.selection.selection import State

PARTS = {"changes": CHANGES, "audits": AUDIT}
"""Columns of the parts whose rows always have the same; those of a budget depend on what it asks for."""

_NAMED = tuple(column for column in LEADERBOARD if column.key in {"model", "input"})


class ReportPart(NamedTuple):
    """One part: what is said of it, and its rows."""

    said: dict[str, Any]
    rows: Iterator[dict[str, Any]]


def changes_of(report: Report) -> list[ReportPart]:
    """What the last run changed; none where there was no run before it."""
    return [_changes_part(report.changes)] if report.changes else []


def budgets_of(report: Report) -> list[ReportPart]:
    """Each budget with what fits, the best first."""
    return [_budget_part(answer) for answer in report.budgets]


def audits_of(report: Report) -> list[ReportPart]:
    """Each published table held against our counts."""
    return [_audit_part(audit) for audit in report.audits]


def _changes_part(changes: ChangeReport) -> ReportPart:
    return ReportPart({"heading": changes.heading, "counts": dict(changes.counts)}, _part_rows(changes.rows, CHANGES))


def _audit_part(audit: AuditReport) -> ReportPart:
    causes = [{"causes": causes, "rows": rows} for causes, rows in audit.causes]
    said = {"title": audit.title, "zoo": audit.zoo, "counts_as": audit.counts_as, "verdicts": dict(audit.verdicts)}
    return ReportPart({**said, "causes": causes}, _part_rows(audit.rows, AUDIT))


def _budget_part(answer: BudgetAnswer) -> ReportPart:
    selected = answer.selection
    states = selected.verdicts["state"]
    columns = list({column.key: column for column in (*_NAMED, *answer.columns)}.values())
    table = selected.table.assign(on_frontier=selected.on_frontier)
    said = {
        "name": answer.name,
        "limits": list(answer.limits),
        "objectives": [column.export_name for column in selected.objectives],
        "candidates": {state.value: int((states == state).sum()) for state in State},
        "pick": None if selected.pick is None else str(selected.table["model"].iloc[selected.pick]),
        "reasons": list(answer.reasons),
        "relaxations": list(answer.relaxations),
        "notes": list(answer.notes),
    }
    on_frontier = next(column for column in LEADERBOARD if column.key == "on_frontier")
    return ReportPart(said, _part_rows(table.iloc[selected.fitting], [*columns, on_frontier]))


def _part_rows(table: pd.DataFrame, columns: Sequence[Column]) -> Iterator[dict[str, Any]]:
    rows = table[[column.key for column in columns]]
    return records(rows.set_axis([column.export_name for column in columns], axis=1))
