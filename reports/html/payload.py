"""From a report to what the page reads: columns as arrays, exact values, null for unknown."""

from __future__ import annotations

import math
from dataclasses import asdict
from datetime import UTC
from typing import Any

import pandas as pd

from reports.columns.accuracy_columns import ACCURACY_COLUMNS
from reports.columns.column import Better, Column, ColumnKind
from reports.columns.leaderboard_columns import LEADERBOARD, LEADERBOARD_BY_KEY, columns_for
from reports.columns.section_columns import SPEEDS
from reports.html.device_payload import build_devices
from reports.leaderboard.report import Report, SpeedReport
from reports.selection.uses import USES, Use

# Columns that can be limited, in the order of the budget bar. Columns without values are left out.
BUDGET_COLUMNS = ("params", "macs", "activations", "peak_activation_bytes", "file_bytes")

# Columns that can be filtered by their values.
FACET_COLUMNS = ("input", "zoo", "family", "dataset", "license", "variant", "status")

# Columns that the search looks in.
SEARCH_COLUMNS = ("model", "family", "input", "dataset", "license", "status", "reason")

DEFAULT_COST = "macs"


def build_payload(report: Report) -> dict[str, Any]:
    """Everything the page shows, as plain lists, words and numbers."""
    table = report.leaderboard
    accuracy = [a.column.key for a in ACCURACY_COLUMNS if _has_figures(table, a.column.key)]
    costs = [
        c.key
        for c in (*LEADERBOARD, *report.latencies)
        if c.is_figure and c.better is Better.LOW and _has_figures(table, c.key) and c.key not in accuracy
    ]
    return {
        "title": report.title,
        "created": report.created_at.astimezone(UTC).isoformat(timespec="seconds"),
        "warnings": list(report.warnings),
        "accuracy": [
            {"key": a.column.key, "label": f"{a.column.title} ({a.dataset})"}
            for a in ACCURACY_COLUMNS
            if a.column.key in accuracy
        ],
        "costs": costs,
        "cost": DEFAULT_COST if DEFAULT_COST in costs or not costs else costs[0],
        "limits": [key for key in (*BUDGET_COLUMNS, *(c.key for c in report.latencies)) if key in costs],
        "speeds": [build_speed(report, speed) for speed in report.device_speeds],
        "uses": [build_use(use) for use in USES],
        "devices": build_devices(table, report.device_latencies, report.platforms),
        "published": build_published(report.published_speeds),
        "facets": list(FACET_COLUMNS),
        "search": list(SEARCH_COLUMNS),
        "leaderboard": build_table(table, columns_for(table, report.latencies)),
        "breakdown": build_breakdown(report.breakdown),
    }


def build_use(use: Use) -> dict[str, Any]:
    """A use with its limits as text, in the units of the columns."""
    limits = {key: f"{bound / LEADERBOARD_BY_KEY[key].scale:g}" for key, bound in use.limits.items()}
    run = use.precision.dtype if use.device else ""
    return {
        "title": use.title, "meaning": use.meaning, "device": use.device, "run": run, "latency": f"{use.latency_ms:g}", "limits": limits,
    }  # fmt: skip


def build_speed(report: Report, speed: SpeedReport) -> dict[str, Any]:
    """One run configuration: the column of its latencies, and for each row of the leaderboard the interval and the origin."""
    key = ["zoo", "arch", "input", "classes", "variant"]
    rows = report.leaderboard[key].merge(speed.rows, on=key, how="left", validate="many_to_one")
    columns = {column.key: column for column in SPEEDS}
    values = {
        name: _encode_column(rows[name], columns[name])
        for name in ("latency_low_ms", "latency_high_ms", "samples_per_s", "latency_from")
    }
    return {"key": speed.latency.key, "device": speed.device.name, "conditions": speed.run.describe(), "values": values}


def build_published(table: pd.DataFrame) -> dict[str, Any]:
    """Published speeds of each architecture at batch 1: `models[zoo/arch]` has on each device the fastest in each dtype.

    Rows are flat sextuples: places of input, device, dtype and conditions in `words`, ms and images a second to four digits.
    """
    words: dict[str, int] = {}
    models: dict[str, list[float]] = {}
    fastest = table[table["batch"] == 1].drop_duplicates(["zoo", "arch", "input", "variant", "device", "dtype"])
    names = ("zoo", "arch", "input", "device", "dtype", "latency_from", "latency_ms", "samples_per_s")
    for zoo, arch, *texts, latency_ms, samples_per_s in zip(*(fastest[name].tolist() for name in names), strict=True):
        row = [words.setdefault(text, len(words)) for text in texts]
        models.setdefault(f"{zoo}/{arch}", []).extend([*row, _four_digits(latency_ms), _four_digits(samples_per_s)])
    return {"words": list(words), "models": models}


def build_table(table: pd.DataFrame, columns: tuple[Column, ...]) -> dict[str, Any]:
    """Declarations and values of a table, column by column."""
    return {
        "rows": len(table),
        "columns": [asdict(column) | {"export_name": column.export_name} for column in columns],
        "values": {c.key: _encode_column(table[c.key], c) if c.key in table else None for c in columns},
    }


def build_breakdown(table: pd.DataFrame) -> dict[str, Any]:
    """Parts of each architecture: `models[zoo/arch]` is its input, then parts by operation, then parts by stage.

    Parts are flat triples: place in `words`, M MACs, MB moved, to four digits; exact sums are in the cache.
    """
    words: dict[str, int] = {}
    models: dict[str, list[Any]] = {}
    columns = (table[name].tolist() for name in ("zoo", "arch", "input", "by", "part", "macs", "bytes_moved"))
    for zoo, arch, input, by, part, macs, bytes_moved in zip(*columns, strict=True):
        model = models.setdefault(f"{zoo}/{arch}", [input, [], []])
        figures = [_four_digits(macs / 1e6), _four_digits(bytes_moved / 1e6)]
        model[1 if by == "operation" else 2] += [words.setdefault(part, len(words)), *figures]
    return {"words": list(words), "models": models}


def _four_digits(value: float) -> int | float:
    rounded = float(f"{value:.4g}")
    return int(rounded) if rounded.is_integer() else rounded


def _encode_column(values: pd.Series[Any], column: Column) -> Any:
    """Numbers and flags as a list, text as a list of its different words and an index into it for each row."""
    known = values.notna().tolist()
    raw = values.astype(object).tolist()
    if column.is_figure:
        return [_exact_number(value, column.kind) if there else None for value, there in zip(raw, known, strict=True)]
    if column.kind is ColumnKind.FLAG:
        return [int(bool(value)) if there else None for value, there in zip(raw, known, strict=True)]
    words: dict[str, int] = {}
    codes = [words.setdefault(str(value), len(words)) if there else -1 for value, there in zip(raw, known, strict=True)]
    return {"words": list(words), "codes": codes}


def _exact_number(value: Any, kind: ColumnKind) -> int | float | None:
    """A finite number, whole where the column holds whole numbers; None otherwise."""
    if not math.isfinite(value):
        return None
    return int(value) if kind is ColumnKind.INTEGER else float(value)


def _has_figures(table: pd.DataFrame, key: str) -> bool:
    return key in table and bool(table[key].notna().any())
