"""The leaderboard for one run configuration: memory at a dtype and batch, and speed on a device.

Costs are counted at batch 1 in float32 unless the cache has the batch asked for. What is not counted is derived, and each
derivation is named: a note a column says what is assumed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pandas as pd

from reports.columns.budget_columns import BY_TASK, INTERVAL, LATENCY, MEMORY, PEAK, THROUGHPUT, WEIGHTS, WORKING
from reports.columns.column import Column
from reports.columns.leaderboard_columns import LEADERBOARD
from reports.selection.published import as_stated, fastest_published
from reports.selection.unknown_speed import NEEDS_DEVICE, explain_refusals, explain_unknown_speed
from zoo.devices.device import Device
from zoo.errors import InputError
from zoo.inputs import parse_input
from zoo.run_config import Precision, RunConfig

Estimator = Callable[[pd.DataFrame], pd.DataFrame]
"""Estimates speed: gets rows of the leaderboard, gives `latency_ms` and its interval `latency_low_ms`, `latency_high_ms` of one
step, NA where it refuses, and `latency_from`, which says how the figure came about or why there is none; under the rows' index."""

_IDENTITY = ["zoo", "arch", "tag", "input", "classes", "variant"]
_WORK = ("macs", "flops", "activations")
_TITLES = {column.key: column.title for column in LEADERBOARD}
_MEASURED = ["zoo", "arch", "input", "variant"]
_CONFIGURATION = ["runtime", "dtype", "layout", "compiled", "threads"]


@dataclass(frozen=True)
class Candidates:
    """The leaderboard with the columns of `reports.columns.budget_columns.RUN_COLUMNS`, and what is assumed in them, by column key."""

    table: pd.DataFrame
    notes: dict[str, str] = field(default_factory=dict)

    def notes_on(self, columns: Sequence[Column]) -> list[str]:
        """What is assumed in these columns, each sentence once."""
        return list(dict.fromkeys(self.notes[column.key] for column in columns if self.notes.get(column.key)))


@dataclass(frozen=True)
class SpeedSources:
    """Where speeds on a device come from."""

    device: Device
    measured: pd.DataFrame | None = None  # with the columns of the table `speed`
    estimate: Estimator | None = None  # of what was not measured
    free: tuple[str, ...] = ()  # fields of the run that measurements may differ in: layout, compiled, batch


def candidates(leaderboard: pd.DataFrame, run: RunConfig, sources: SpeedSources | None = None) -> Candidates:
    """The leaderboard with the figures of models that run as `run` says.

    Measurements that may differ in layout or execution are those of the configuration that was measured for most candidates; where
    they may differ in batch, throughput is that of the fastest measured.
    """
    table, is_counted = _at_batch(leaderboard, run.batch)
    scale = run.precision.element_bytes / Precision.FP32.element_bytes
    table[PEAK.key] = table["peak_activation_bytes"] * scale
    weight_scale = run.precision.weight_bytes / Precision.FP32.weight_bytes
    table[WEIGHTS.key] = table["weight_bytes"].astype("Float64") * weight_scale
    inputs = table["input"].map({text: _input_elements(text) for text in table["input"].unique()}).astype("Float64")
    table[WORKING.key] = table[PEAK.key] + inputs * run.precision.element_bytes * run.batch
    table[MEMORY.key] = table[WORKING.key] + table[WEIGHTS.key]
    table, measured = _with_speed(table, run, sources)
    table, metrics = _with_accuracy_by_task(table)
    memory = _memory_note(run, is_all_counted=bool(is_counted.all()))
    notes = metrics | dict.fromkeys((PEAK.key, WORKING.key, MEMORY.key), memory) | {WEIGHTS.key: _dtype_note(run)}
    speed = measured or (explain_unknown_speed(sources.device, run, sources.measured) if sources else NEEDS_DEVICE)
    return Candidates(table, notes | {LATENCY.key: speed, THROUGHPUT.key: speed})


def _at_batch(leaderboard: pd.DataFrame, images: int) -> tuple[pd.DataFrame, pd.Series[bool]]:
    """One row a model and input, its work that of one image and its peak memory that of the batch; and where that was counted.

    Where the cache has no count at the batch, the peak is that of a smaller one times the ratio of the two.
    """
    leaderboard = leaderboard.reset_index(drop=True)
    if "batch" not in leaderboard:
        leaderboard["batch"] = 1
    order = leaderboard.assign(is_other=leaderboard["batch"] != 1, is_not_asked=leaderboard["batch"] != images)
    order = order.sort_values(["is_other", "is_not_asked", "batch"], kind="stable").drop_duplicates(_IDENTITY)
    table = leaderboard.loc[sorted(order.index)].reset_index(drop=True)
    at = leaderboard.loc[leaderboard["batch"] == images, [*_IDENTITY, "peak_activation_bytes"]]
    at_batch = table[_IDENTITY].merge(at, on=_IDENTITY, how="left")["peak_activation_bytes"].astype("Float64")
    counted = table["batch"].astype("Float64")
    scaled = (table["peak_activation_bytes"].astype("Float64") * images / counted).where(counted <= images)
    table["peak_activation_bytes"] = at_batch.fillna(scaled)
    if (counted != 1).any():
        for name in _WORK:
            table[name] = table[name].astype("Float64") / counted
    return table, at_batch.notna() | scaled.isna()


def _input_elements(text: str) -> int | None:
    try:
        return math.prod(parse_input(text))
    except InputError:
        return None  # several tensors: their names and dtypes are not this module's


def _with_accuracy_by_task(table: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    """Each column of `BY_TASK`, and which metrics are in it."""
    notes = {}
    for key, metrics in BY_TASK.items():
        values = pd.Series(pd.NA, index=table.index, dtype="Float64")
        tasks: dict[str, list[str]] = {}  # by metric
        known = table[table[[name for name in metrics if name in table]].notna().any(axis=1)]
        for task, rows in known.groupby("task", sort=False) if len(known) else ():
            metric = next(name for name in metrics if name in rows and rows[name].notna().any())
            values[rows.index] = rows[metric]
            title = _TITLES[metric]
            tasks.setdefault(title[0].lower() + title[1:], []).append(str(task))
        table[key] = values
        said = "; ".join(f"{title} for {' and '.join(sorted(of))}" for title, of in tasks.items())
        more = " Figures of different tasks say nothing of each other: --task chooses one." if len(tasks) > 1 else ""
        notes[key] = f"mAP is {said}.{more}" if said else ""
    return table, notes


def _with_speed(table: pd.DataFrame, run: RunConfig, sources: SpeedSources | None) -> tuple[pd.DataFrame, str]:
    """Measured speed where there is one, else what is published, estimates elsewhere; and a note on where they come from."""
    found, note = _measured(table, run, sources)
    table = table.merge(found, on=_MEASURED, how="left") if len(found) else table
    for name in (LATENCY.key, *INTERVAL, THROUGHPUT.key):
        table[name] = (table[name] if name in table else pd.Series(pd.NA, index=table.index)).astype("Float64")
    table["latency_from"] = pd.Series("measured", index=table.index, dtype="string").where(table[LATENCY.key].notna())
    table, published = _with_published(table, run, sources)
    note = " ".join(filter(None, [note, published]))
    missing = table[LATENCY.key].isna()
    if sources and sources.estimate and missing.any():
        estimated = sources.estimate(table[missing])
        for name in (LATENCY.key, *INTERVAL, "latency_from"):
            table[name] = table[name].fillna(estimated[name].astype(table[name].dtype))
        is_nothing_known = table[LATENCY.key].isna().all() and table[THROUGHPUT.key].isna().all()
        refusals = estimated.loc[estimated[LATENCY.key].isna(), "latency_from"].dropna()
        if is_nothing_known:
            note = explain_unknown_speed(sources.device, run, sources.measured, refusals.value_counts().index)
        else:
            note = " ".join(filter(None, [note, _estimate_note(estimated), explain_refusals(refusals)]))
        rate = 1000 * run.batch / table[LATENCY.key]
        table[THROUGHPUT.key] = table[THROUGHPUT.key].fillna(rate)
    return table, note


def _with_published(table: pd.DataFrame, run: RunConfig, sources: SpeedSources | None) -> tuple[pd.DataFrame, str]:
    """What is published of models that were not measured; and a note on it."""
    if sources is None:
        return table, ""
    is_unknown = table[LATENCY.key].isna() & table[THROUGHPUT.key].isna()
    found = fastest_published(table[is_unknown], run, sources.device, any_batch="batch" in sources.free)
    joined = table[_MEASURED].merge(found.rows, on=_MEASURED, how="left").set_axis(table.index)
    for name in (LATENCY.key, THROUGHPUT.key, "latency_from"):
        table[name] = table[name].where(~is_unknown, joined[name].astype(table[name].dtype))
    return table, found.note


def _estimate_note(estimated: pd.DataFrame) -> str:
    """How many latencies are estimated and how well; the most frequent ways."""
    origins = estimated.loc[estimated[LATENCY.key].notna(), "latency_from"].value_counts()
    return " ".join(f"{count:,} latencies are {origin}." for origin, count in origins.head(2).items())


def _measured(table: pd.DataFrame, run: RunConfig, sources: SpeedSources | None) -> tuple[pd.DataFrame, str]:
    """Speeds of the one configuration that was measured for most candidates, so that they can be compared."""
    none = pd.DataFrame(columns=[*_MEASURED, LATENCY.key, THROUGHPUT.key])
    if sources is None or sources.measured is None:
        return none, ""
    accepted = [run.precision, *([Precision.AMP] if run.precision is Precision.FP16 else [])]
    speeds = sources.measured
    speeds = speeds[(speeds["device"] == sources.device.id) & speeds["dtype"].isin([one.dtype for one in accepted])]
    for name in ("batch", "layout", "compiled"):
        if name not in sources.free:
            speeds = speeds[speeds[name] == getattr(run, name)]
    speeds = as_stated(speeds, run)
    speeds = speeds.merge(table[_MEASURED].drop_duplicates(), on=_MEASURED)
    if speeds.empty:
        return none, ""
    configurations = speeds.groupby(_CONFIGURATION, dropna=False).size().sort_values(ascending=False, kind="stable")
    chosen = dict(zip(_CONFIGURATION, configurations.index[0], strict=True))
    for name, value in chosen.items():
        speeds = speeds[speeds[name].isna() if pd.isna(value) else speeds[name] == value]
    fastest = speeds.groupby(_MEASURED, as_index=False)[THROUGHPUT.key].max()
    steps = speeds[speeds["batch"] == run.batch].groupby(_MEASURED, as_index=False)[LATENCY.key].min()
    how = ", ".join(_configuration_words(chosen))
    more = len(configurations) - 1
    others = (
        f" {more} other way{'s' if more > 1 else ''} of running {'were' if more > 1 else 'was'} measured too." if more else ""
    )
    return fastest.merge(steps, on=_MEASURED, how="left"), f"Speed is as measured on {sources.device.name} ({how}).{others}"


def _configuration_words(chosen: dict[str, object]) -> list[str]:
    words = [str(chosen[name]) for name in ("runtime", "dtype", "layout") if not pd.isna(chosen[name])]  # type: ignore[call-overload]
    if not pd.isna(chosen["threads"]):  # type: ignore[call-overload]
        words.append(f"{chosen['threads']} thread{'s' if chosen['threads'] != 1 else ''}")
    return words if pd.isna(chosen["compiled"]) else [*words, "compiled" if chosen["compiled"] else "eager"]  # type: ignore[call-overload]


def _memory_note(run: RunConfig, *, is_all_counted: bool) -> str:
    words = [_dtype_note(run)]
    if run.batch > 1 and not is_all_counted:
        words.append(
            f"Where the cache has no count at batch {run.batch}, activations are those of a smaller batch in proportion: "
            "an upper bound, because what does not depend on the batch is multiplied too."
        )
    return " ".join(filter(None, words))


def _dtype_note(run: RunConfig) -> str:
    if run.precision is Precision.FP32:
        return ""
    if run.precision.is_autocast:
        return "Memory under autocast is that of float32: an upper bound, because many activations are float16."
    return (
        f"Memory in {run.precision.dtype} is that of float32 times {run.precision.memory_share}: it assumes that every tensor has "
        f"that dtype, and is too low where some are kept wider. zoometer count --dtype counts a model in float16 or bfloat16."
    )
