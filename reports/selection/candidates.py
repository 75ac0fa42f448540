"""The leaderboard for one run configuration: memory at a dtype and batch, the mAP of each task, and speed on a device.

Costs are counted at batch 1 in float32 unless the cache has the batch of the run configuration. Other figures are derived from them;
a note for each column states the assumptions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from reports.columns.budget_columns import COCO_MAP, COCO_MAP_BY_TASK, LATENCY, MEMORY, PEAK, THROUGHPUT, WEIGHTS, WORKING
from reports.columns.column import Column
from reports.columns.leaderboard_columns import LEADERBOARD_BY_KEY
from reports.selection.speeds.candidate_speeds import SpeedSources, add_speeds
from zoo.errors import InputError
from zoo.inputs import parse_input
from zoo.run_config import Precision, RunConfig

_IDENTITY = ["zoo", "arch", "tag", "input", "classes", "variant"]
_WORK = ("macs", "flops", "activations")


@dataclass(frozen=True)
class Candidates:
    """The leaderboard with the columns of `reports.columns.budget_columns.RUN_COLUMNS`, and notes on them by column key."""

    table: pd.DataFrame
    notes: dict[str, str] = field(default_factory=dict)

    def notes_on(self, columns: Sequence[Column]) -> list[str]:
        """The notes on these columns, each one once."""
        return list(dict.fromkeys(self.notes[column.key] for column in columns if self.notes.get(column.key)))


def build_candidates(leaderboard: pd.DataFrame, run: RunConfig, sources: SpeedSources | None = None) -> Candidates:
    """The leaderboard with the figures of models in a run configuration.

    Measurements that may differ in layout or execution are those of the configuration that was measured for most candidates; where
    they may differ in batch, throughput is that of the fastest.
    """
    table, is_counted = _at_batch(leaderboard, run.batch)
    element_bytes = run.precision.element_bytes
    inputs = table["input"].map({text: _input_elements(text) for text in table["input"].unique()}).astype("Float64")
    table[PEAK.key] = table["peak_activation_bytes"] * (element_bytes / Precision.FP32.element_bytes)
    table[WEIGHTS.key] = _weights_in(run.precision, table["weight_bytes"].astype("Float64"), table["params"].astype("Float64"))
    table[WORKING.key] = table[PEAK.key] + inputs * element_bytes * run.batch
    table[MEMORY.key] = table[WORKING.key] + table[WEIGHTS.key]
    table[COCO_MAP.key], map_note = _coco_map(table)
    table, speed_note = add_speeds(table, run, sources)
    memory_note = " ".join(filter(None, [precision_note(run.precision), "" if is_counted.all() else _batch_note(run.batch)]))
    notes = {COCO_MAP.key: map_note, WEIGHTS.key: precision_note(run.precision)}
    notes |= dict.fromkeys((PEAK.key, WORKING.key, MEMORY.key), memory_note) | dict.fromkeys(
        (LATENCY.key, THROUGHPUT.key), speed_note
    )
    return Candidates(table, notes)


def _at_batch(leaderboard: pd.DataFrame, images: int) -> tuple[pd.DataFrame, pd.Series[bool]]:
    """One row for each model and input, with the work of one image and the peak memory of the batch; and where that was counted.

    Where it was not, the peak is that of a smaller batch times the ratio of the two.
    """
    leaderboard = leaderboard.reset_index(drop=True)
    if "batch" not in leaderboard:
        leaderboard["batch"] = 1
    order = leaderboard.assign(is_other=leaderboard["batch"] != 1, is_not_at_batch=leaderboard["batch"] != images)
    order = order.sort_values(["is_other", "is_not_at_batch", "batch"], kind="stable").drop_duplicates(_IDENTITY)
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


def _weights_in(precision: Precision, stored: pd.Series[float], params: pd.Series[float]) -> pd.Series[float]:
    """Bytes of weights in a precision, from those stored: in proportion, but weights that are stored in fewer bytes stay as they are."""
    in_proportion = stored * (precision.weight_bytes / Precision.FP32.weight_bytes)
    least = params * precision.weight_bytes
    return in_proportion.where(in_proportion >= least, least.where(least <= stored, stored))


def _input_elements(text: str) -> int | None:
    try:
        return math.prod(parse_input(text))
    except InputError:
        return None  # several tensors, whose dtypes differ


def _coco_map(table: pd.DataFrame) -> tuple[pd.Series[float], str]:
    """The mAP of each model's task: the first metric that any model of the task has; and a note on it."""
    values = pd.Series(pd.NA, index=table.index, dtype="Float64")
    tasks: dict[str, list[str]] = {}  # by metric
    metrics = [name for name in COCO_MAP_BY_TASK if name in table]
    known = table[table[metrics].notna().any(axis=1)]
    for task, rows in known.groupby("task", sort=False) if len(known) else ():
        metric = next(name for name in metrics if rows[name].notna().any())
        values[rows.index] = rows[metric]
        title = LEADERBOARD_BY_KEY[metric].title
        tasks.setdefault(title[0].lower() + title[1:], []).append(str(task))
    if not tasks:
        return values, ""
    metrics_of_tasks = "; ".join(f"{title} for {' and '.join(sorted(of))}" for title, of in tasks.items())
    more = " Figures of different tasks are not comparable: --task chooses one." if len(tasks) > 1 else ""
    return values, f"mAP is {metrics_of_tasks}.{more}"


def _batch_note(batch: int) -> str:
    return (
        f"Where the cache has no count at batch {batch}, activations are those of a smaller batch in proportion: "
        "an upper bound, because what does not depend on the batch is multiplied too."
    )


def precision_note(precision: Precision) -> str:
    """The assumption about memory in a precision; empty for float32."""
    if precision is Precision.FP32:
        return ""
    if precision.is_autocast:
        return "Memory under autocast is that of float32: an upper bound, because many activations are float16."
    more = (
        "zoometer count --dtype counts a model in it."
        if precision in (Precision.FP16, Precision.BF16)
        else "Accuracies are those of the float weights."
    )
    return (
        f"Memory in {precision.dtype} is that of float32 times {precision.memory_share}: it assumes that every tensor has "
        f"that dtype, and is too low where some are wider. {more}"
    )
