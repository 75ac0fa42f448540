"""Audits as plain data, for JSON and CSV."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from reports.audit.audit import Audit
from reports.audit.model_counts import QUANTITIES
from reports.audit.table_comparison import TableComparison
from reports.audit.verdicts import AuditedRow


def audit_record(audit: Audit) -> dict[str, Any]:
    """The whole audit."""
    convention = audit.convention
    return {
        "title": audit.title,
        "zoo": audit.zoo,
        "counts_as": {
            "description": str(convention.method),
            "variant": str(convention.variant),
            "agreeing_rows": convention.agreeing,
            "judged_rows": convention.compared,
            "is_sure": convention.is_sure,
            "next_best": str(convention.runner_up) if convention.runner_up else None,
            "next_best_agreeing_rows": convention.runner_up_agreeing,
        },
        "verdicts": {verdict.value: rows for verdict, rows in audit.verdicts.items()},
        "causes": [{"causes": list(causes), "rows": rows} for causes, rows in audit.causes],
        "rows": row_records(audit),
    }


def table_comparison_record(comparison: TableComparison) -> dict[str, Any]:
    """Two audits and their differences."""
    differences = [
        {
            "first": _row_record(difference.first),
            "second": _row_record(difference.second),
            "verdict": difference.verdict.value,
            "causes": list(difference.causes),
        }
        for difference in comparison.differences
    ]
    return {"audits": [audit_record(comparison.first), audit_record(comparison.second)], "differences": differences}


def audits_table(audits: Sequence[Audit]) -> pd.DataFrame:
    """The rows of several audits in one table, each with the title of its own."""
    return pd.DataFrame([{"table": audit.title, **record} for audit in audits for record in row_records(audit)])


def row_records(audit: Audit) -> list[dict[str, Any]]:
    """A record for each row, in parameters, MACs and elements."""
    return [_row_record(row) for row in audit.rows]


def _row_record(row: AuditedRow) -> dict[str, Any]:
    key, numbers = row.published.key, row.published.numbers
    figures: dict[str, Any] = {}
    for quantity in QUANTITIES:
        figures[f"published_{quantity}"] = float(numbers[quantity].middle) if quantity in numbers else None
        figures[f"counted_{quantity}"] = row.counted.get(quantity)
    return {
        "line": row.published.line,
        "model": row.published.name,
        "zoo": key.zoo if key else None,
        "arch": key.arch if key else None,
        "input": key.input if key else None,
        "verdict": row.verdict.value,
        **figures,
        "why": row.reason,
    }
