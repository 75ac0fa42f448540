"""Published speeds of the models of a leaderboard: on each device the fastest run configuration that was published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from reports.columns.budget_columns import LATENCY, THROUGHPUT
from zoo.devices.device import Device
from zoo.published.published import FLOAT, published_sources, published_speeds
from zoo.records import MODEL_COLUMNS
from zoo.run_config import Precision, RunConfig

_PUBLISHED_AS = {Precision.FP32: FLOAT, Precision.FP16: FLOAT}
"""Another published dtype of a precision: runtimes run float32 models in float16 or float32 as they choose."""
_DESCRIBED = [
    *("processor", "threads", "cores", "runtime", "dtype", "is_rate"),
    *("layers", "layers_on_npu", "conditions", "source", "date"),
]
"""Columns that the origin of a published speed is described by."""
_PROCESSORS = {"npu": "NPU", "gpu": "GPU", "cpu": "CPU"}
_OPTIONS = {"processor": "--processor", "threads": "--threads"}


def published_by_architecture(device: str | None = None) -> pd.DataFrame:
    """Published speeds on a device, or on all, with a row for each architecture that is the same network."""
    rows = published_speeds(device)
    others = rows.explode("same_as").dropna(subset=["same_as"])
    names = others["same_as"].str.partition("/")
    others = others.assign(zoo=names[0], arch=names[2]) if len(others) else others
    return pd.concat([rows, others], ignore_index=True)


def fastest_published(models: pd.DataFrame, run: RunConfig, device: Device, *, any_batch: bool) -> tuple[pd.DataFrame, str]:
    """The fastest published speeds of models in a run configuration, and a note on them, empty where there are none.

    Args:
        models: has the columns `MODEL_COLUMNS`.
        run: the run configuration; published speeds have no memory layout, and none is compiled by torch.
        device: on which the models run.
        any_batch: whether throughput may be that of any batch.

    Returns:
        `MODEL_COLUMNS`, `latency_ms`, `samples_per_s` and `latency_from`; and the note.
    """
    rows = _in_run(published_by_architecture(device.id), run).merge(models[MODEL_COLUMNS].drop_duplicates(), on=MODEL_COLUMNS)
    steps = steps_in_run(rows, run).drop_duplicates(MODEL_COLUMNS)
    fastest = (rows if any_batch else steps).groupby(MODEL_COLUMNS, as_index=False)[THROUGHPUT.key].max()
    if fastest.empty:
        return pd.DataFrame(columns=[*MODEL_COLUMNS, LATENCY.key, THROUGHPUT.key, "latency_from"]), ""
    steps = steps.assign(latency_from=describe_origins(steps))
    speeds = fastest.merge(steps[[*MODEL_COLUMNS, LATENCY.key, "latency_from"]], on=MODEL_COLUMNS, how="outer")
    return speeds, _note_on_sources(rows, len(steps))


def steps_in_run(rows: pd.DataFrame, run: RunConfig) -> pd.DataFrame:
    """Of published speeds, the steps in a run configuration and at its batch, the fastest first."""
    rows = _in_run(rows, run)
    return rows[rows["batch"] == run.batch].sort_values(LATENCY.key, kind="stable")


def published_runtimes(device: Device, run: RunConfig) -> list[str]:
    """The runtimes in which speeds are published at the dtype and batch of a run configuration."""
    rows = _in_run(published_speeds(device.id), replace(run, runtime=None))
    return sorted(rows.loc[rows["batch"] == run.batch, "runtime"].unique())


def _in_run(rows: pd.DataFrame, run: RunConfig) -> pd.DataFrame:
    """The rows in a run configuration, whatever their batch."""
    dtypes = {run.precision.dtype, _PUBLISHED_AS.get(run.precision)}
    return select_stated(rows[rows["dtype"].isin(dtypes) & (not run.compiled)], run)


def select_stated(rows: pd.DataFrame, run: RunConfig) -> pd.DataFrame:
    """The speeds on the processor, with the threads and in the runtime that are stated; what names no runtime stands in any."""
    for name in ("processor", "threads"):
        stated = getattr(run, name)
        if stated is not None and name in rows:
            rows = rows[rows[name] == stated]
    if run.runtime is not None:
        wanted, names = run.runtime.lower(), rows["runtime"].tolist()
        rows = rows[np.array([pd.isna(name) or name.lower().startswith(wanted) for name in names], dtype=bool)]
    return rows


def describe_origins(rows: pd.DataFrame) -> pd.Series[str]:
    """What `describe_origin` says of each row: thousands of rows have a few hundred origins."""
    kinds = rows[_DESCRIBED].drop_duplicates()
    origins = pd.Series([describe_origin(row) for row in kinds.to_dict("records")], index=kinds.index, dtype="string")
    kind = rows.groupby(_DESCRIBED, sort=False, dropna=False).ngroup().to_numpy()
    return pd.Series(origins.array[kind], index=rows.index)


def describe_origin(row: Mapping[Any, Any]) -> str:
    """`published: CPU, 4 threads on big cores, ncnn, float; mean of 8 runs; ncnn, benchmark table`."""
    known = {name: value for name, value in row.items() if not pd.api.types.is_scalar(value) or pd.notna(value)}
    layers = None
    if "layers" in known and "layers_on_npu" in known:
        layers = f"{int(row['layers_on_npu'])} of {int(row['layers'])} layers on the NPU"
    rate = "a stream's images a second, not the time of one" if row["is_rate"] else None
    source = ", ".join(filter(None, [published_sources()[row["source"]].title, known.get("date")]))
    return "; ".join(filter(None, [f"published: {describe_run(row)}", rate, layers, known.get("conditions"), source]))


def describe_run(row: Mapping[Any, Any]) -> str:
    """`CPU, 4 threads on big cores, ncnn, float`."""
    threads = None
    if pd.notna(row["threads"]):
        cores = f" on {row['cores']} cores" if row["cores"] in ("big", "little") else ""
        threads = f"{int(row['threads'])} thread{'s' if row['threads'] != 1 else ''}{cores}"
    return ", ".join(filter(None, [_PROCESSORS[row["processor"]], threads, row["runtime"], row["dtype"]]))


def as_speed_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Published speeds with columns of the table `speed`, the processor, and the run and all conditions in words (`way`, `conditions`)."""
    ways = [describe_run(row) for row in rows.to_dict("records")]
    conditions = describe_origins(rows).str.removeprefix("published: ")
    columns = [
        *MODEL_COLUMNS,
        "device",
        "runtime",
        "dtype",
        "threads",
        "batch",
        "samples_per_s",
        "latency_ms",
        "source",
        "processor",
    ]
    return (
        rows[columns].assign(status="published", way=ways, conditions=conditions).astype({"threads": "Int64", "batch": "Int64"})
    )


def _note_on_sources(rows: pd.DataFrame, count: int) -> str:
    """The sources, and the choices that the run configuration leaves open."""
    sources = [published_sources()[name] for name in sorted(rows["source"].unique())]
    titles = " and ".join(f"{one.title} ({', '.join(one.dates)})" if one.dates else one.title for one in sources)
    choices = []
    for name, option in _OPTIONS.items():
        values = sorted(rows[name].dropna().unique())
        if len(values) > 1:
            choices.append(f"{option} {', '.join(str(int(value)) if name == 'threads' else str(value) for value in values)}")
    more = f" Each is the fastest published; choices: {'; '.join(choices)}." if choices else ""
    return f"{count:,} latencies are published by {titles}.{more}"
