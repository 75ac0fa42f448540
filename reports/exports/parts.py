"""The parts of a report besides its tables, as plain data: changes since the last run, answers to budgets, audits.

Each part is an object with its properties as a whole, and its `rows` under their export names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pandas as pd

from reports.columns.column import Column
from reports.columns.leaderboard_columns import LEADERBOARD_BY_KEY
from reports.columns.section_columns import AUDIT, CHANGES
from reports.columns.table_rows import records
from reports.leaderboard.report import AuditReport, Report
from reports.selection.budget_answer import BudgetAnswer
from reports.selection.selection import State

PARTS = {"changes": CHANGES, "audits": AUDIT}
"""Columns of the parts whose rows always have the same; those of a budget depend on what it asks for."""


class ReportPart(NamedTuple):
    """One part: its properties as a whole, and its rows."""

    properties: dict[str, Any]
    rows: Iterator[dict[str, Any]]


def report_parts(report: Report) -> dict[str, list[ReportPart]]:
    """What the last run changed (none without a run before it), each budget with what fits, the best first, and each audit."""
    changes = [report.changes] if report.changes else []
    return {
        "changes": [
            ReportPart({"heading": one.heading, "counts": dict(one.counts)}, _export_rows(one.rows, CHANGES)) for one in changes
        ],
        "budgets": [_budget_part(answer) for answer in report.budgets],
        "audits": [_audit_part(audit) for audit in report.audits],
    }


def _audit_part(audit: AuditReport) -> ReportPart:
    properties = {
        "title": audit.title,
        "zoo": audit.zoo,
        "counts_as": audit.counts_as,
        "verdicts": dict(audit.verdicts),
        "causes": [{"causes": causes, "rows": rows} for causes, rows in audit.causes],
    }
    return ReportPart(properties, _export_rows(audit.rows, AUDIT))


def _budget_part(answer: BudgetAnswer) -> ReportPart:
    selected = answer.selection
    states = selected.verdicts["state"]
    model, shape, on_frontier = (LEADERBOARD_BY_KEY[key] for key in ("model", "input", "on_frontier"))
    columns = list({column.key: column for column in (model, shape, *answer.columns, on_frontier)}.values())
    table = selected.table.assign(on_frontier=selected.on_frontier)
    properties = {
        "name": answer.name,
        "limits": list(answer.limits),
        "objectives": [column.export_name for column in selected.objectives],
        "candidates": {state.value: int((states == state).sum()) for state in State},
        "pick": None if selected.pick is None else str(selected.table["model"].iloc[selected.pick]),
        "reasons": list(answer.reasons),
        "relaxations": list(answer.relaxations),
        "notes": list(answer.notes),
    }
    return ReportPart(properties, _export_rows(table.iloc[selected.fitting], columns))


def _export_rows(table: pd.DataFrame, columns: Sequence[Column]) -> Iterator[dict[str, Any]]:
    """The rows under the export names of these columns."""
    return records(table[[column.key for column in columns]].set_axis([column.export_name for column in columns], axis=1))
