"""JSON: the whole report as one object, described by a published schema."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from reports.columns.table_rows import records
from reports.exports.files import replacing
from reports.exports.parts import PARTS, ReportPart, report_parts
from reports.exports.tables import TABLES, describe_columns, export_table, provenance
from reports.leaderboard.report import Report

SCHEMA_PATH = Path(__file__).with_name("report.schema.json")
"""The published schema; `tests/benchmarks/data_files/report_schema.py` makes it."""
SCHEMA_ID = "urn:zoometer:report:1"
"""Changes when a reader of the old form would no longer understand the new one."""


def write_json(report: Report, path: Path) -> None:
    """Write the report: provenance, the meaning of the columns, every table as a list of rows, and the parts beside them.

    Raises:
        OutputError: if the file cannot be written.
    """
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", errors="replace") as file:
        columns = {name: describe_columns(columns) for name, columns in (TABLES | PARTS).items()}
        head = {"schema": SCHEMA_ID, "provenance": provenance(report), "columns": columns}
        file.write(_dump_json(head, indent=1).removesuffix("\n}"))
        for name in TABLES:
            file.write(f',\n "{name}": [')
            _write_rows(file, records(export_table(report, name)))
            file.write("]")
        for name, parts in report_parts(report).items():
            file.write(f',\n "{name}": [')
            _write_parts(file, parts)
            file.write("]")
        file.write("\n}\n")


def _write_parts(file: TextIO, parts: Iterable[ReportPart]) -> None:
    separator = "\n  "
    for part in parts:
        file.write(separator + _dump_json(part.properties).removesuffix("}") + ', "rows": [')
        _write_rows(file, part.rows)
        file.write("]}")
        separator = ",\n  "


def _write_rows(file: TextIO, rows: Iterable[dict[str, Any]]) -> None:
    """One row a line, so that a hundred thousand are never one string in memory and a difference shows line by line."""
    separator = "\n  "
    for row in rows:
        file.write(separator + _dump_json(row))
        separator = ",\n  "


def _dump_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
