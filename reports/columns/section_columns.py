"""The columns of a report's sections beside the leaderboard: changes since the last run, audits, speeds on devices."""

from __future__ import annotations

import dataclasses

from reports.columns.column import Better, Column, ColumnKind
from reports.columns.leaderboard_columns import LEADERBOARD_BY_KEY

_RUNS = "computed from two runs of the cache"
_AUDIT = "computed by zoometer from the published table and its own counts"
_PUBLISHED = "the published table"


def _of_run(key: str, title: str, meaning: str, kind: ColumnKind = ColumnKind.TEXT, width: int = 12) -> Column:
    return Column(key, title, meaning, _RUNS, kind, width=width)


CHANGES: tuple[Column, ...] = (
    LEADERBOARD_BY_KEY["arch"],
    _of_run("kind", "What", "changed: another figure or status. failed, recovered: cannot be counted any more, or again. added, removed: newly asked for, or no longer. not compared: one of the runs did not get to it.", width=14),
    *(LEADERBOARD_BY_KEY[key] for key in ("zoo", "input", "classes", "variant", "batch")),
    _of_run("figure", "Figure", "Which figure has changed; status where a cost has become a bound or the reverse.", width=22),
    _of_run("old", "Old", "The figure as of the earlier run, in whole units.", ColumnKind.INTEGER, 18),
    _of_run("new", "New", "The figure as of the later run, in whole units.", ColumnKind.INTEGER, 18),
    Column("change", "Change", "Difference in percent of the old figure.", _RUNS, ColumnKind.NUMBER, "%", 1, 2, width=11, export_unit="percent"),
    _of_run("old_status", "Was", "Status as of the earlier run.", width=9),
    _of_run("new_status", "Is", "Status as of the later run.", width=9),
    _of_run("cause", "Likely cause", "What differs in how the two values were made, or why there is only one.", width=70),
)  # fmt: skip
"""What one run changed: one row for each figure of a key, as `zoo.cache.changes.Changes` has them."""


def _counted_and_published(quantity: str) -> tuple[Column, Column]:
    usual = LEADERBOARD_BY_KEY[quantity]
    given = dataclasses.replace(
        usual, key=f"published_{quantity}", title=f"{usual.title}, published", meaning=f"{usual.title} as published; the middle of what the printed digits stand for.", origin=_PUBLISHED, kind=ColumnKind.NUMBER, group="Audit", width=13,
    )  # fmt: skip
    ours = dataclasses.replace(
        usual, key=f"counted_{quantity}", title=f"{usual.title}, counted", meaning=f"{usual.title} of the model, counted the way the table counts.", origin=_AUDIT, group="Audit", width=13,
    )  # fmt: skip
    return given, ours


AUDIT: tuple[Column, ...] = (
    Column("model", "Model", "Name in the published table.", _PUBLISHED, width=44),
    Column("verdict", "Verdict", "agrees: to the last printed digit. explained: reproduced by the causes named. unexplained: by nothing considered. unknown: no such model, or not counted.", _AUDIT, width=13),
    Column("why", "Why", "The fewest causes that reproduce the row, the nearest candidates, or why nothing can be said.", _AUDIT, width=95),
    *(column for quantity in ("params", "macs", "activations") for column in _counted_and_published(quantity)),
    LEADERBOARD_BY_KEY["zoo"],
    LEADERBOARD_BY_KEY["arch"],
    dataclasses.replace(LEADERBOARD_BY_KEY["input"], meaning="Shape the row is held against, without the batch."),
    Column("line", "Line", "Line of the published table.", _PUBLISHED, ColumnKind.INTEGER, width=8),
)  # fmt: skip
"""The rows of a published table, each with its verdict, as `reports.audit.records.row_records` has them."""


_USE = "the configuration"
_SPEED = "measured, published, or estimated from the model's operations and the device's data sheet"


def _of_speed(
    key: str, title: str, meaning: str, kind: ColumnKind = ColumnKind.NUMBER, unit: str = "ms", digits: int = 2
) -> Column:
    return Column(key, title, meaning, _SPEED, kind, unit, 1, digits, group="Speed", width=12)


SPEEDS: tuple[Column, ...] = (
    *(dataclasses.replace(LEADERBOARD_BY_KEY[key], shown=True) for key in ("arch", "zoo", "input", "classes", "variant")),
    Column("device", "Device", "Id of the device; zoometer devices lists them.", _USE, group="Speed", width=18),
    Column("dtype", "Dtype", "Type the model computes in; amp: torch's float16 autocast.", _USE, group="Speed", width=10),
    Column("layout", "Layout", "Memory layout of images: nchw, or nhwc (channels last).", _USE, group="Speed", width=9),
    Column("compiled", "Compiled", "Whether the model is compiled by torch.compile.", _USE, ColumnKind.FLAG, group="Speed", width=10),
    dataclasses.replace(LEADERBOARD_BY_KEY["batch"], shown=True, meaning="Images in one step.", group="Speed"),
    dataclasses.replace(_of_speed("latency_ms", "Latency", "Time of one step of the whole batch."), better=Better.LOW),
    _of_speed("latency_low_ms", "At least", "Low end of the interval that holds the truth nine times in ten, of an estimate."),
    _of_speed("latency_high_ms", "At most", "High end of that interval."),
    dataclasses.replace(_of_speed("samples_per_s", "Throughput", "Images a second.", unit="/s", digits=0), better=Better.HIGH, export_unit=""),
    dataclasses.replace(_of_speed("latency_from", "How known", "Measured, published by whom and how it ran, or estimated, calibrated or not; or why there is no figure.", ColumnKind.TEXT, ""), width=60),
)  # fmt: skip
"""How fast each architecture is in each configured run configuration."""


def _published(key: str, title: str, meaning: str, width: int = 12) -> Column:
    return Column(key, title, meaning, _OTHERS, group="Speed", width=width)


_OTHERS = "published by others; zoo/published names the sources"
_PER_STEP = {column.key: dataclasses.replace(column, origin=_OTHERS) for column in SPEEDS}

PUBLISHED_SPEEDS: tuple[Column, ...] = (
    *(dataclasses.replace(LEADERBOARD_BY_KEY[key], shown=True) for key in ("arch", "zoo", "input", "variant")),
    dataclasses.replace(_PER_STEP["device"], width=26),
    _published("processor", "Processor", "What of the device the model ran on: npu, gpu or cpu."),
    _published("runtime", "Runtime", "Software that ran the model.", 16),
    Column("threads", "Threads", "Of a CPU.", _OTHERS, ColumnKind.INTEGER, group="Speed", width=9),
    _published("dtype", "Dtype", "float: a float32 model, run in float16 or float32 as the runtime chooses; int8: weights and activations of 8 bits."),
    _PER_STEP["batch"],
    dataclasses.replace(_PER_STEP["latency_ms"], meaning="Time of one step of the whole batch; of a published rate, batch by rate."),
    _PER_STEP["samples_per_s"],
    dataclasses.replace(_PER_STEP["latency_from"], title="Conditions", meaning="How the model ran, and who published it.", width=80),
)  # fmt: skip
"""Speeds that others published of the architectures of a report, one row for each way of running."""
