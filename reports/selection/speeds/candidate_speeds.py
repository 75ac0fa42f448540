"""The speed of candidates on a device: measured where it was, else published, else estimated; and a note on its origin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pandas as pd

from reports.columns.budget_columns import INTERVAL, LATENCY, THROUGHPUT
from reports.selection.speeds.default_runtime import measured_in
from reports.selection.speeds.published_speeds import fastest_published, published_runtimes, select_stated
from reports.selection.speeds.unknown_speed import NEEDS_DEVICE, explain_refusals, explain_unknown_speed
from zoo.devices.device import Device
from zoo.records import MODEL_COLUMNS
from zoo.run_config import RunConfig

Estimator = Callable[[pd.DataFrame], pd.DataFrame]
"""Estimates rows of the leaderboard. Gives `latency_ms` of one step and its interval `latency_low_ms`, `latency_high_ms`, NA where
there is no estimate, and `latency_from`, the origin of the figure or the reason why there is none; under the rows' index."""

_CONFIGURATION = ["runtime", "dtype", "layout", "compiled", "threads"]


@dataclass(frozen=True)
class SpeedSources:
    """Where speeds on a device come from."""

    device: Device
    measured: pd.DataFrame | None = None  # with the columns of the table `speed`
    estimate: Estimator | None = None  # of models that were not measured
    free: tuple[str, ...] = ()  # fields of the run configuration in which measurements may differ: layout, compiled, batch
    runtime: str | None = (
        None  # of the answers to a run configuration that names none (`reports.selection.speeds.default_runtime`)
    )

    def in_runtime(self, run: RunConfig) -> RunConfig:
        """The run configuration with the runtime of its answers."""
        return run if run.runtime else replace(run, runtime=self.runtime)


def add_speeds(table: pd.DataFrame, run: RunConfig, sources: SpeedSources | None) -> tuple[pd.DataFrame, str]:
    """The table with latency, interval, throughput and origin; and a note on the origins, or on how to get speeds."""
    empty = pd.Series(pd.NA, index=table.index)
    speeds = dict.fromkeys((LATENCY.key, *INTERVAL, THROUGHPUT.key), empty.astype("Float64"))
    table = table.assign(**speeds, latency_from=empty.astype("string"))
    if sources is None:
        return table, NEEDS_DEVICE
    run = sources.in_runtime(run)
    notes = [_add_measured(table, run, sources), _add_published(table, run, sources)]
    missing = table[LATENCY.key].isna()
    refusals = pd.Series(dtype="string")
    if sources.estimate and missing.any():
        estimates = sources.estimate(table[missing])
        for name in (LATENCY.key, *INTERVAL, "latency_from"):
            table[name] = table[name].fillna(estimates[name].astype(table[name].dtype))
        table[THROUGHPUT.key] = table[THROUGHPUT.key].fillna(1000 * run.batch / table[LATENCY.key])
        refusals = estimates.loc[estimates[LATENCY.key].isna(), "latency_from"].dropna()
        notes += [_estimate_note(estimates), explain_refusals(refusals)]
    notes.append(_runtime_note(run, sources))
    if table[[LATENCY.key, THROUGHPUT.key]].isna().all(axis=None):
        return table, explain_unknown_speed(sources.device, run, sources.measured, refusals.value_counts().index)
    return table, " ".join(filter(None, notes))


def _estimate_note(estimates: pd.DataFrame) -> str:
    """The number of estimated latencies by their two most frequent origins."""
    origins = estimates.loc[estimates[LATENCY.key].notna(), "latency_from"].value_counts()
    return " ".join(f"{count:,} latencies are {origin}." for origin, count in origins.head(2).items())


def _runtime_note(run: RunConfig, sources: SpeedSources) -> str:
    """The runtime of all latencies, and which others are known; empty where it is the only one."""
    measured = pd.DataFrame() if sources.measured is None else measured_in(sources.measured, run, sources.free)
    names = [*published_runtimes(sources.device, run), *(measured["runtime"].dropna().unique() if len(measured) else [])]
    others = sorted({str(name) for name in names if not str(name).lower().startswith((run.runtime or "").lower())})
    return f"All are in {run.runtime}; there are others: --runtime {', '.join(others)}." if others else ""


def _add_published(table: pd.DataFrame, run: RunConfig, sources: SpeedSources) -> str:
    """Published speeds of the models that were not measured."""
    is_unknown = table[LATENCY.key].isna() & table[THROUGHPUT.key].isna()
    speeds, note = fastest_published(table[is_unknown], run, sources.device, any_batch="batch" in sources.free)
    _fill_unknown(table, speeds)
    return note


def _fill_unknown(table: pd.DataFrame, speeds: pd.DataFrame) -> None:
    """Puts the speeds of models into rows without any."""
    is_unknown = table[LATENCY.key].isna() & table[THROUGHPUT.key].isna()
    joined = table[MODEL_COLUMNS].merge(speeds, on=MODEL_COLUMNS, how="left").set_axis(table.index)
    for name in (LATENCY.key, THROUGHPUT.key, "latency_from"):
        table[name] = table[name].where(~is_unknown, joined[name].astype(table[name].dtype))


def _add_measured(table: pd.DataFrame, run: RunConfig, sources: SpeedSources) -> str:
    """Measurements of the one configuration that was measured for most candidates, so that they are comparable."""
    if sources.measured is None:
        return ""
    speeds = measured_in(sources.measured[sources.measured["device"] == sources.device.id], run, sources.free)
    speeds = select_stated(speeds, run).merge(table[MODEL_COLUMNS].drop_duplicates(), on=MODEL_COLUMNS)
    if speeds.empty:
        return ""
    configurations = speeds.groupby(_CONFIGURATION, dropna=False).size().sort_values(ascending=False, kind="stable")
    chosen = configurations.index.to_frame(index=False).iloc[0]
    for name, value in zip(_CONFIGURATION, configurations.index[0], strict=True):
        speeds = speeds[speeds[name].isna() if pd.isna(value) else speeds[name] == value]
    fastest = speeds.groupby(MODEL_COLUMNS, as_index=False)[THROUGHPUT.key].max()
    steps = speeds[speeds["batch"] == run.batch].groupby(MODEL_COLUMNS, as_index=False)[LATENCY.key].min()
    _fill_unknown(table, fastest.merge(steps.assign(latency_from="measured"), on=MODEL_COLUMNS, how="left"))
    more = len(configurations) - 1
    others = f" {more} other configuration{'s were' if more > 1 else ' was'} measured too." if more else ""
    return f"Speed is as measured on {sources.device.name} ({_configuration_text(chosen)}).{others}"


def _configuration_text(configuration: pd.Series) -> str:
    """`torch-2.4.0, float16, nhwc, 4 threads, eager`."""
    known = configuration.dropna()
    words = [str(known[name]) for name in ("runtime", "dtype", "layout") if name in known]
    if "threads" in known:
        words.append(f"{known['threads']} thread{'s' if known['threads'] != 1 else ''}")
    if "compiled" in known:
        words.append("compiled" if known["compiled"] else "eager")
    return ", ".join(words)
