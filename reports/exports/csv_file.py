"""CSV: a plain header and exact values, with the provenance in a file beside it.

Lines of comment before the header would break `pandas.read_csv(path)`, spreadsheets and DuckDB, and reading with `comment="#"`
would cut every field that holds one. The file beside it has the name and form of W3C's CSV on the Web (`<file>-metadata.json`),
where its readers look by themselves.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from reports.columns.column import Column, ColumnKind
from reports.exports.files import replacing
from reports.exports.safe_text import guarded
from reports.exports.tables import TABLES, export_table, provenance
from reports.leaderboard.report import Report

_DATATYPES = {
    ColumnKind.TEXT: "string",
    ColumnKind.INTEGER: "integer",
    ColumnKind.NUMBER: "number",
    ColumnKind.FLAG: "boolean",
    ColumnKind.LINK: "anyURI",
}


def write_csv(report: Report, path: Path, *, table: str = "leaderboard") -> None:
    """Write one table of the report, and its metadata beside it.

    Text that a spreadsheet would run as a formula gets an apostrophe in front, and control characters are shown as �; JSON and
    Parquet keep text as it is.

    Raises:
        OutputError: if a file cannot be written.
    """
    exported = export_table(report, table)
    for column in TABLES[table]:
        if not column.is_figure and column.kind is not ColumnKind.FLAG:
            exported[column.export_name] = exported[column.export_name].map(guarded, na_action="ignore").astype("string")
    with replacing(metadata_path(path)) as temporary:
        temporary.write_text(
            json.dumps(_csv_metadata(report, path.name, TABLES[table]), indent=1, ensure_ascii=False),
            encoding="utf-8",
            errors="replace",
        )
    with replacing(path) as temporary:
        exported.to_csv(temporary, index=False, lineterminator="\n", encoding="utf-8")


def metadata_path(path: Path) -> Path:
    """Where the metadata of a CSV file is."""
    return path.with_name(f"{path.name}-metadata.json")


def _csv_metadata(report: Report, name: str, columns: tuple[Column, ...]) -> dict[str, Any]:
    return {
        "@context": ["http://www.w3.org/ns/csvw", {"@language": "en"}],
        "url": name,
        "dc:title": report.title,
        "dc:created": report.created_at.isoformat(),
        "dc:description": "Exact values; an empty field is unknown. A leading apostrophe guards text that a spreadsheet would run.",
        "tableSchema": {
            "columns": [
                {"name": c.export_name, "titles": c.export_name, "rdfs:label": c.title, "dc:description": c.meaning, "dc:source": c.origin, "datatype": _DATATYPES[c.kind]}
                for c in columns
            ]
        },
        "notes": [provenance(report)],
    }  # fmt: skip
