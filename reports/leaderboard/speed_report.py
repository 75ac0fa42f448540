"""The speeds of a report: in each configured run configuration, on the devices to choose among, and published by others."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from reports.columns.budget_columns import LATENCY
from reports.columns.column import Column
from reports.columns.leaderboard_columns import MODEL_KEY
from reports.columns.section_columns import PUBLISHED_SPEEDS, SPEEDS
from reports.columns.table_rows import typed_table
from reports.leaderboard.device_latencies import build_device_latencies
from reports.leaderboard.report import DataSource, Report, SpeedReport
from reports.selection.candidates import build_candidates
from reports.selection.speeds.candidate_speeds import SpeedSources
from reports.selection.speeds.published_speeds import describe_origins, published_by_architecture
from reports.selection.speeds.speed_estimates import CachedSpeeds
from zoo.devices.data_sheets import shipped_devices
from zoo.published.published import published_sources
from zoo.records import MODEL_COLUMNS, Variant
from zoo.run_config import RunConfig

_STATED = {"device", "dtype", "layout", "compiled", "batch"}


def build_speed_reports(leaderboard: pd.DataFrame, runs: Sequence[tuple[RunConfig, SpeedSources]]) -> tuple[SpeedReport, ...]:
    """The speeds of the leaderboard's models in each run configuration; once where several are the same in the runtime of their answers.

    Args:
        leaderboard: has the columns of `reports.columns.leaderboard_columns.LEADERBOARD`.
        runs: how models run, and where speeds on the device come from.
    """
    models = leaderboard.drop_duplicates(MODEL_KEY, ignore_index=True)
    models = models[models["variant"] != Variant.FEATURES.value].reset_index(drop=True)
    distinct: dict[tuple[str, str], tuple[RunConfig, SpeedSources]] = {}
    for run, sources in runs:
        distinct.setdefault((run.device, sources.in_runtime(run).describe().lower()), (run, sources))
    devices = Counter(device for device, _ in distinct)
    return tuple(
        _build_speed_report(models, run, sources, is_alone=devices[run.device] == 1) for run, sources in distinct.values()
    )


def with_speeds(report: Report, cached: CachedSpeeds, runs: Sequence[tuple[RunConfig, SpeedSources]]) -> Report:
    """The report with the speeds in these run configurations, and with the devices that a reader may choose among."""
    speeds = build_speed_reports(report.leaderboard, runs)
    latencies, platforms = build_device_latencies(report.leaderboard, cached, list(shipped_devices().values()))
    return replace(
        report,
        leaderboard=with_latencies(report.leaderboard, speeds),
        device_speeds=speeds,
        device_latencies=latencies,
        platforms=platforms,
    )


def with_latencies(leaderboard: pd.DataFrame, speeds: Sequence[SpeedReport]) -> pd.DataFrame:
    """The leaderboard with a column of latencies for each run configuration."""
    for speed in speeds:
        latencies = speed.rows[[*MODEL_KEY, "latency_ms"]].rename(columns={"latency_ms": speed.latency.key})
        leaderboard = leaderboard.merge(latencies, on=MODEL_KEY, how="left", validate="many_to_one")
    return leaderboard


def _build_speed_report(models: pd.DataFrame, run: RunConfig, sources: SpeedSources, *, is_alone: bool) -> SpeedReport:
    candidates = build_candidates(models, run, sources)
    stated = {name: value for name, value in run.columns().items() if name in _STATED}
    rows = typed_table(candidates.table.assign(**stated), SPEEDS)
    column = _latency_column(sources, run, is_alone=is_alone)
    return SpeedReport(sources.device, sources.in_runtime(run), column, rows, candidates.notes[LATENCY.key])


def _latency_column(sources: SpeedSources, run: RunConfig, *, is_alone: bool) -> Column:
    """The column of latencies, with a key of what is stated; its title says how models run where the device is there more than once."""
    way = sources.in_runtime(run).describe()
    stated = [run.processor, run.runtime, f"{run.threads}threads" if run.threads else None, "compiled" if run.compiled else None]
    words = [run.device, run.precision.dtype, run.layout, *filter(None, stated), f"batch{run.batch}"]
    return replace(
        LATENCY,
        key=f"latency_{re.sub(r'[^0-9a-z]+', '_', '_'.join(words).lower())}_ms",
        title=f"Latency {run.device}" if is_alone else f"Latency {run.device}, {way}",
        meaning=f"Time of one step on {sources.device.name} ({way}). How each figure is known stands beside the model.",
        width=14,
    )


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
