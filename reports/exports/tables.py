"""The report's tables under their export names, and its provenance as plain data."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pandas as pd

from reports.columns.column import Column
from reports.columns.leaderboard_columns import COVERAGE, LEADERBOARD, UNMATCHED
from reports.columns.section_columns import PUBLISHED_SPEEDS, SPEEDS
from reports.leaderboard.report import Report

TABLES: dict[str, tuple[Column, ...]] = {
    "leaderboard": LEADERBOARD,
    "coverage": COVERAGE,
    "unmatched": UNMATCHED,
    "speeds": SPEEDS,
    "published_speeds": PUBLISHED_SPEEDS,
}
"""Each table of a report with its columns."""


def export_table(report: Report, name: str = "leaderboard") -> pd.DataFrame:
    """A table of the report with exact values under their export names, in the declared order."""
    columns = TABLES[name]
    table: pd.DataFrame = getattr(report, name)[[column.key for column in columns]].reset_index(drop=True)
    return table.set_axis([column.export_name for column in columns], axis=1)


def provenance(report: Report) -> dict[str, Any]:
    """Origin of the figures, and the command that makes them."""
    return {
        "title": report.title,
        "created_at": report.created_at.isoformat(),
        "command": report.command,
        "convention": report.convention,
        "versions": dict(report.versions),
        "totals": dataclasses.asdict(report.totals),
        "sources": [dataclasses.asdict(source) for source in report.sources],
        "warnings": list(report.warnings),
        "notes": list(report.notes),
    }


def describe_columns(columns: Sequence[Column]) -> list[dict[str, Any]]:
    """What each exported column means."""
    return [
        {"name": c.export_name, "title": c.title, "kind": str(c.kind), "meaning": c.meaning, "origin": c.origin} for c in columns
    ]
