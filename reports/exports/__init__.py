"""The report for programs and READMEs: CSV, JSON, Markdown and Parquet from the same declared columns.

One rule names every figure: the exact, unscaled value under the column's `export_name`. A key that says what it counts (`params`,
`macs`, `flops`, `activations`, `operations`, `classes`) or ends in `_bytes` is its own unit; others carry it at the end
(`imagenet_top1_percent`). Markdown is for readers and shows rounded figures under headings with units, as pages do.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from reports.exports.csv_file import write_csv
from reports.exports.json_file import SCHEMA_PATH, write_json
from reports.exports.markdown import render_markdown, write_markdown
from reports.exports.parquet import write_parquet
from reports.leaderboard.report import Report
from zoo.errors import OutputError, did_you_mean

__all__ = [
    "SCHEMA_PATH",
    "WRITERS",
    "render_markdown",
    "write",
    "write_csv",
    "write_json",
    "write_markdown",
    "write_parquet",
]

WRITERS: dict[str, Callable[[Report, Path], None]] = {
    "csv": write_csv,
    "json": write_json,
    "md": write_markdown,
    "parquet": write_parquet,
}
"""By suffix of the file."""


def write(report: Report, path: Path) -> None:
    """Write the report in the format of the path's suffix.

    Raises:
        OutputError: if the suffix is unknown or the file cannot be written.
    """
    suffix = path.suffix.lower().lstrip(".")
    if suffix not in WRITERS:
        raise OutputError(f"A report cannot be written as '{path.name}'.{did_you_mean(suffix, WRITERS)}")
    WRITERS[suffix](report, path)
