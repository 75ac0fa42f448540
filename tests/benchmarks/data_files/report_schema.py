"""Writes the schema of JSON reports from the declared columns: `python tests/benchmarks/data_files/report_schema.py`."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[3])]

from reports.columns.column import Column, ColumnKind  # noqa: E402 the folders of a script's neighbours are not searched by themselves
from reports.columns.section_columns import AUDIT, CHANGES  # noqa: E402
from reports.exports.json_file import SCHEMA_ID, SCHEMA_PATH  # noqa: E402
from reports.exports.parts import PARTS  # noqa: E402
from reports.exports.tables import TABLES  # noqa: E402
from reports.leaderboard.report import DataSource, ReportTotals  # noqa: E402

_TYPES = {
    ColumnKind.TEXT: "string",
    ColumnKind.LINK: "string",
    ColumnKind.INTEGER: "integer",
    ColumnKind.NUMBER: "number",
    ColumnKind.FLAG: "boolean",
}


def json_schema() -> dict[str, Any]:
    """The schema of what `write_json` writes, from the declared columns."""
    text, texts = {"type": "string"}, {"type": "array", "items": {"type": "string"}}
    counts = {"type": "integer", "minimum": 0}
    described = _object(
        {"name": text, "title": text, "kind": {"enum": [str(kind) for kind in ColumnKind]}, "meaning": text, "origin": text}
    )
    source = _object({field.name: text for field in dataclasses.fields(DataSource)})
    totals = _object({field.name: counts for field in dataclasses.fields(ReportTotals)})
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


if __name__ == "__main__":
    SCHEMA_PATH.write_text(f"{json.dumps(json_schema(), indent=1)}\n", encoding="utf-8")
