"""JSON: the whole report as one object, described by a published schema."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from reports.columns.column import Column, ColumnKind
from reports.columns.section_columns import AUDIT, CHANGES
from reports.columns.table_rows import records
from reports.exports.files import replacing
from reports.exports.parts import PARTS, ReportPart, audits_of, budgets_of, changes_of
from reports.exports.tables import TABLES, describe, export_table, provenance
from reports.leaderboard.report import DataSource, Report, Totals

SCHEMA_PATH = Path(__file__).with_name("report.schema.json")
"""The published schema; it ships with the package."""
SCHEMA_ID = "urn:zoometer:report:1"
"""Changes when a reader of the old form would no longer understand the new one."""

_TYPES = {
    ColumnKind.TEXT: "string",
    ColumnKind.LINK: "string",
    ColumnKind.INTEGER: "integer",
    ColumnKind.NUMBER: "number",
    ColumnKind.FLAG: "boolean",
}


def write_json(report: Report, path: Path) -> None:
    """Write the report: provenance, the meaning of the columns, every table as a list of rows, and the parts beside them.

    Raises:
        OutputError: if the file cannot be written.
    """
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", errors="replace") as file:
        columns = {name: describe(columns) for name, columns in (TABLES | PARTS).items()}
        head = {"schema": SCHEMA_ID, "provenance": provenance(report), "columns": columns}
        file.write(_dump(head, indent=1).removesuffix("\n}"))
        for name in TABLES:
            file.write(f',\n "{name}": [')
            _write_rows(file, records(export_table(report, name)))
            file.write("]")
        for name, parts in (("changes", changes_of(report)), ("budgets", budgets_of(report)), ("audits", audits_of(report))):
            file.write(f',\n "{name}": [')
            _write_parts(file, parts)
            file.write("]")
        file.write("\n}\n")


def _write_parts(file: TextIO, parts: Iterable[ReportPart]) -> None:
    separator = "\n  "
    for part in parts:
        file.write(separator + _dump(part.said).removesuffix("}") + ', "rows": [')
        _write_rows(file, part.rows)
        file.write("]}")
        separator = ",\n  "


def _write_rows(file: TextIO, rows: Iterable[dict[str, Any]]) -> None:
    """One row a line, so that a hundred thousand are never one string in memory and a difference shows line by line."""
    separator = "\n  "
    for row in rows:
        file.write(separator + _dump(row))
        separator = ",\n  "


def _dump(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)


def json_schema() -> dict[str, Any]:
    """The schema of what `write_json` writes, made from the declared columns."""
    text, texts = {"type": "string"}, {"type": "array", "items": {"type": "string"}}
    counts = {"type": "integer", "minimum": 0}
    described = _object(
        {"name": text, "title": text, "kind": {"enum": [str(kind) for kind in ColumnKind]}, "meaning": text, "origin": text}
    )
    source = _object({field.name: text for field in dataclasses.fields(DataSource)})
    totals = _object({field.name: counts for field in dataclasses.fields(Totals)})
    origin = _object({
        "title": text, "created_at": {"type": "string", "format": "date-time"}, "command": text, "convention": text,
        "versions": {"type": "object", "additionalProperties": text}, "totals": totals,
        "sources": {"type": "array", "items": source}, "warnings": texts, "notes": texts,
    })  # fmt: skip
    tables = {name: _rows_of(columns) for name, columns in TABLES.items()}
    named_counts = {"type": "object", "additionalProperties": counts}
    cause = _object({"causes": text, "rows": counts})
    parts = {
        "changes": {"heading": text, "counts": named_counts, "rows": _rows_of(CHANGES)},
        "budgets": {
            "name": text, "limits": texts, "objectives": texts, "candidates": named_counts, "pick": {"type": ["string", "null"]},
            "reasons": texts, "relaxations": texts, "notes": texts, "rows": {"type": "array", "items": {"type": "object"}},
        },
        "audits": {
            "title": text, "zoo": text, "counts_as": text, "verdicts": named_counts, "causes": {"type": "array", "items": cause},
            "rows": _rows_of(AUDIT),
        },
    }  # fmt: skip
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "zoometer report",
        "description": "What vision models cost and how accurate they are. Values are exact; null is unknown.",
        **_object({
            "schema": {"const": SCHEMA_ID}, "provenance": origin,
            "columns": _object({name: {"type": "array", "items": described} for name in TABLES | PARTS}), **tables,
            **{name: {"type": "array", "items": _object(keys), "description": _MEANINGS[name]} for name, keys in parts.items()},
        }),
    }  # fmt: skip


_MEANINGS = {
    "changes": "What the last run changed since the one before it; nothing where there was none.",
    "budgets": "Each budget of the configuration, with what fits, the best first, under the names of the figures it speaks of.",
    "audits": "Each published table of the configuration, held against our counts.",
}


def _rows_of(columns: Iterable[Column]) -> dict[str, Any]:
    return {"type": "array", "items": _object({column.export_name: _value(column) for column in columns})}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _value(column: Column) -> dict[str, Any]:
    return {"type": [_TYPES[column.kind], "null"], "description": f"{column.meaning} Origin: {column.origin}."}
