"""Speeds that others published of the architectures of a report, and where they come from."""

from __future__ import annotations

import pandas as pd

from reports.columns.section_columns import PUBLISHED_SPEEDS
from reports.columns.table_rows import typed_table
from reports.leaderboard.report import DataSource
from reports.selection.published_speeds import describe_origins, published_by_architecture
from zoo.published.published import published_sources
from zoo.records import MODEL_COLUMNS


def published_table(leaderboard: pd.DataFrame) -> tuple[pd.DataFrame, tuple[DataSource, ...]]:
    """The published speeds of a leaderboard's architectures at its inputs, the fastest of a device first; and their sources."""
    rows = published_by_architecture().merge(leaderboard[MODEL_COLUMNS].drop_duplicates(), on=MODEL_COLUMNS)
    rows = rows.sort_values([*MODEL_COLUMNS, "device", "dtype", "batch", "latency_ms"], kind="stable", ignore_index=True)
    origins = describe_origins(rows)
    sources = published_sources()
    named = tuple(
        DataSource(f"speeds: {sources[name].title}", sources[name].url, ", ".join(sources[name].dates), sources[name].license)
        for name in sorted(rows["source"].unique())
    )
    return typed_table(rows.assign(latency_from=origins.str.removeprefix("published: ")), PUBLISHED_SPEEDS), named
