"""Published speeds of the models of a leaderboard on a device: of each model the fastest way of running it that was published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from reports.columns.budget_columns import LATENCY, THROUGHPUT
from zoo.devices.device import Device
from zoo.published.published import FLOAT, published_sources, published_speeds
from zoo.run_config import Precision, RunConfig

MODEL = ["zoo", "arch", "input", "variant"]

_ALSO = {Precision.FP32: FLOAT, Precision.FP16: FLOAT}
"""The published dtype that answers for a precision besides its own: a float32 model is run in float16 or float32 as the runtime
chooses."""
_KINDS = {"npu": "NPU", "gpu": "GPU", "cpu": "CPU"}


@dataclass(frozen=True, slots=True)
class Found:
    """What was found: `MODEL`, `latency_ms`, `samples_per_s`, `latency_from`; and a sentence on it, empty where there is nothing."""

    rows: pd.DataFrame
    note: str


def published_on(device: str | None = None) -> pd.DataFrame:
    """Published speeds on a device, or on all, a row for each architecture that one is of."""
    rows = published_speeds(device)
    others = rows.explode("same_as").dropna(subset=["same_as"])
    names = others["same_as"].str.partition("/")
    others = others.assign(zoo=names[0], arch=names[2]) if len(others) else others
    return pd.concat([rows, others], ignore_index=True)


def fastest_published(models: pd.DataFrame, run: RunConfig, device: Device, *, any_batch: bool) -> Found:
    """The published speeds of models that run as `run` says: of each model the fastest way of running that it leaves open.

    Args:
        models: has the columns `MODEL`.
        run: the run configuration; published speeds have no memory layout, and nothing that torch compiled.
        device: where.
        any_batch: whether throughput may be that of any batch.
    """
    nothing = Found(pd.DataFrame(columns=[*MODEL, LATENCY.key, THROUGHPUT.key, "latency_from"]), "")
    if run.compiled:
        return nothing
    rows = _in_run(published_on(device.id), run).merge(models[MODEL].drop_duplicates(), on=MODEL)
    steps = _fastest_steps(rows, run, MODEL)
    fastest = (rows if any_batch else steps).groupby(MODEL, as_index=False)[THROUGHPUT.key].max()
    if fastest.empty:
        return nothing
    steps = steps.assign(latency_from=[how_known(row) for row in steps.to_dict("records")])
    found = fastest.merge(steps[[*MODEL, LATENCY.key, "latency_from"]], on=MODEL, how="outer")
    return Found(found, _note(rows, len(steps)))


def fastest_on_all(run: RunConfig) -> pd.DataFrame:
    """What `fastest_published` finds on each device, of all published models: device, `MODEL` and `latency_ms`."""
    key = ["device", *MODEL]
    return _fastest_steps(_in_run(published_on(), run), run, key)[[*key, LATENCY.key]]


def _in_run(rows: pd.DataFrame, run: RunConfig) -> pd.DataFrame:
    """Those in the precision of a run configuration, and as it states them."""
    return as_stated(rows[rows["dtype"].isin({run.precision.dtype, _ALSO.get(run.precision)})], run)


def _fastest_steps(rows: pd.DataFrame, run: RunConfig, key: list[str]) -> pd.DataFrame:
    """The fastest step at the batch of a run configuration for each key."""
    return rows[rows["batch"] == run.batch].sort_values(LATENCY.key, kind="stable").drop_duplicates(key)


def as_stated(rows: pd.DataFrame, run: RunConfig) -> pd.DataFrame:
    """Those of some speeds that were taken on the processor, with the threads and in the runtime that a run configuration states."""
    for name in ("processor", "threads"):
        stated = getattr(run, name)
        if stated is not None and name in rows:
            rows = rows[rows[name] == stated]
    if run.runtime is not None:
        rows = rows[rows["runtime"].astype("string").fillna("").str.lower().str.startswith(run.runtime.lower())]
    return rows


def how_known(row: Mapping[Any, Any]) -> str:
    """`published: CPU, 4 threads on big cores, ncnn, float; mean of 8 runs; ncnn, benchmark table`."""
    source = published_sources()[row["source"]]
    conditions = row["conditions"] if isinstance(row["conditions"], str) else None
    layers = None
    if pd.notna(row["layers"]) and pd.notna(row["layers_on_npu"]):
        layers = f"{int(row['layers_on_npu'])} of {int(row['layers'])} layers on the NPU"
    date = row["date"] if isinstance(row["date"], str) else None
    rate = "a stream's images a second, not the time of one" if row["is_rate"] else None
    parts = [f"published: {way_words(row)}", rate, layers, conditions, ", ".join(filter(None, [source.title, date]))]
    return "; ".join(filter(None, parts))


def as_speed_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Published speeds with columns of the table `speed`, the processor, and in words the way and all conditions; the status is `published`."""
    ways = rows.to_dict("records")
    said = {"way": [way_words(row) for row in ways], "conditions": [how_known(row).removeprefix("published: ") for row in ways]}
    columns = [*MODEL, "device", "runtime", "dtype", "threads", "batch", "samples_per_s", "latency_ms", "source", "processor"]
    return rows[columns].assign(status="published", **said).astype({"threads": "Int64", "batch": "Int64"})


def way_words(row: Mapping[Any, Any]) -> str:
    """`CPU, 4 threads on big cores, ncnn, float`."""
    threads = None
    if pd.notna(row["threads"]):
        cores = f" on {row['cores']} cores" if row["cores"] in ("big", "little") else ""
        threads = f"{int(row['threads'])} thread{'s' if row['threads'] != 1 else ''}{cores}"
    return ", ".join(filter(None, [_KINDS[row["processor"]], threads, row["runtime"], row["dtype"]]))


def _note(rows: pd.DataFrame, count: int) -> str:
    """Where they come from, and the choices that there are."""
    sources = published_sources()
    titles = " and ".join(
        f"{sources[name].title} ({', '.join(sources[name].dates)})" if sources[name].dates else sources[name].title
        for name in sorted(rows["source"].unique())
    )
    choices = []
    for name, option in (("processor", "--processor"), ("runtime", "--runtime"), ("threads", "--threads")):
        values = sorted(rows[name].dropna().unique())
        if len(values) > 1:
            choices.append(f"{option} {', '.join(str(int(value)) if name == 'threads' else str(value) for value in values)}")
    more = f" Of each the fastest way of running; choices: {'; '.join(choices)}." if choices else ""
    return f"{count:,} latencies are published by {titles}.{more}"
