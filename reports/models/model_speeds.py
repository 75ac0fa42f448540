"""Speeds of one architecture: measured ones of a cache, and those that others published."""

from __future__ import annotations

import pandas as pd

from reports.selection.published_speeds import as_speed_rows, published_by_architecture
from zoo.cache.store import Store
from zoo.records import Architecture

_COLUMNS = [
    "input", "variant", "device", "processor", "runtime", "dtype", "layout", "compiled", "threads", "batch", "latency_ms",
    "samples_per_s", "status", "source", "way", "conditions",
]  # fmt: skip


def speeds_of(architecture: Architecture, store: Store) -> pd.DataFrame:
    """Measured before published, and of each the fastest run configuration first, on each device and at each batch."""
    measured, published = (
        rows[(rows["zoo"] == architecture.zoo) & (rows["arch"] == architecture.name)]
        for rows in (store.speeds(), published_by_architecture())
    )
    both = [rows.reindex(columns=_COLUMNS).astype(object) for rows in (measured, as_speed_rows(published))]
    speeds = pd.concat(both, ignore_index=True)
    return speeds.sort_values(["input", "device", "batch", "status", "latency_ms"], kind="stable", ignore_index=True)
