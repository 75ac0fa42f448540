"""Parquet: one table with exact values; meaning and provenance in the file's own metadata."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from reports.exports.files import replacing
from reports.exports.tables import TABLES, export_table, provenance
from reports.leaderboard.report import Report

METADATA_KEY = b"zoometer"
"""Key of the provenance, as JSON, among the file's metadata."""


def write_parquet(report: Report, path: Path, *, table: str = "leaderboard") -> None:
    """Write one table of the report.

    Raises:
        OutputError: if the file cannot be written.
    """
    data = pa.Table.from_pandas(export_table(report, table), preserve_index=False)
    fields = [
        data.schema.field(c.export_name).with_metadata({"title": c.title, "meaning": c.meaning, "origin": c.origin})
        for c in TABLES[table]
    ]
    stated = {**(data.schema.metadata or {}), METADATA_KEY: json.dumps(provenance(report)).encode()}
    with replacing(path) as temporary:
        pq.write_table(data.cast(pa.schema(fields, metadata=stated)), temporary, compression="zstd")
