"""What a report holds beside its leaderboard, ready to be shown: answers to budgets, changes since the last run, audits."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from reports.columns.columns import LEADERBOARD, Better, Column, Kind
from reports.config.budgets import BudgetSection
from reports.selection.selection import Selected
from zoo.devices.devices import Device
from zoo.run_config import RunConfig

_BY_KEY = {column.key: column for column in LEADERBOARD}
_RUNS = "computed from two runs of the cache"
_AUDIT = "computed by zoometer from the published table and its own counts"
_PUBLISHED = "the published table"


def _of_run(key: str, title: str, meaning: str, kind: Kind = Kind.TEXT, width: int = 12) -> Column:
    return Column(key, title, meaning, _RUNS, kind, width=width)


CHANGES: tuple[Column, ...] = (
    _BY_KEY["arch"],
    _of_run("kind", "What", "changed: another figure or status. failed, recovered: cannot be counted any more, or again. added, removed: newly asked for, or no longer. not compared: one of the runs did not get to it.", width=14),
    *(_BY_KEY[key] for key in ("zoo", "input", "classes", "variant", "batch")),
    _of_run("figure", "Figure", "Which figure has changed; status where a cost has become a bound or the reverse.", width=22),
    _of_run("old", "Old", "The figure as of the earlier run, in whole units.", Kind.INTEGER, 18),
    _of_run("new", "New", "The figure as of the later run, in whole units.", Kind.INTEGER, 18),
    Column("change", "Change", "Difference in percent of the old figure.", _RUNS, Kind.NUMBER, "%", 1, 2, width=11, export_unit="percent"),
    _of_run("old_status", "Was", "Status as of the earlier run.", width=9),
    _of_run("new_status", "Is", "Status as of the later run.", width=9),
    _of_run("cause", "Likely cause", "What differs in how the two values were made, or why there is only one.", width=70),
)  # fmt: skip
"""What one run changed: one row for each figure of a key, as `zoo.cache.changes.Changes` has them."""


def _counted_and_published(quantity: str) -> tuple[Column, Column]:
    usual = _BY_KEY[quantity]
    given = dataclasses.replace(
        usual, key=f"published_{quantity}", title=f"{usual.title}, published", meaning=f"{usual.title} as published; the middle of what the printed digits stand for.", origin=_PUBLISHED, kind=Kind.NUMBER, group="Audit", width=13,
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
    _BY_KEY["zoo"],
    _BY_KEY["arch"],
    dataclasses.replace(_BY_KEY["input"], meaning="Shape the row is held against, without the batch."),
    Column("line", "Line", "Line of the published table.", _PUBLISHED, Kind.INTEGER, width=8),
)  # fmt: skip
"""The rows of a published table, each with its verdict, as `reports.audit.wording.records` has them."""


_USE = "the configuration"
_SPEED = "measured, or estimated from the model's operations and the device's data sheet"


def _of_speed(key: str, title: str, meaning: str, kind: Kind = Kind.NUMBER, unit: str = "ms", digits: int = 2) -> Column:
    return Column(key, title, meaning, _SPEED, kind, unit, 1, digits, group="Speed", width=12)


SPEEDS: tuple[Column, ...] = (
    *(dataclasses.replace(_BY_KEY[key], shown=True) for key in ("arch", "zoo", "input", "classes", "variant")),
    Column("device", "Device", "Id of the device; zoometer devices lists them.", _USE, group="Speed", width=18),
    Column("dtype", "Dtype", "Type the model computes in; amp: torch's float16 autocast.", _USE, group="Speed", width=10),
    Column("layout", "Layout", "Memory layout of images: nchw, or nhwc (channels last).", _USE, group="Speed", width=9),
    Column("compiled", "Compiled", "Whether the model is compiled by torch.compile.", _USE, Kind.FLAG, group="Speed", width=10),
    dataclasses.replace(_BY_KEY["batch"], shown=True, meaning="Images in one step.", group="Speed"),
    dataclasses.replace(_of_speed("latency_ms", "Latency", "Time of one step of the whole batch."), better=Better.LOW),
    _of_speed("latency_low_ms", "At least", "Low end of the interval that holds the truth nine times in ten, of an estimate."),
    _of_speed("latency_high_ms", "At most", "High end of that interval."),
    dataclasses.replace(_of_speed("samples_per_s", "Throughput", "Images a second.", unit="/s", digits=0), better=Better.HIGH, export_unit=""),
    dataclasses.replace(_of_speed("latency_from", "How known", "Measured or estimated, calibrated or not, or why there is no figure.", Kind.TEXT, ""), width=60),
)  # fmt: skip
"""How fast each architecture is in each run configuration that was asked for."""


@dataclass(frozen=True)
class DeviceSpeed:
    """How fast models are on a device in one run configuration. The leaderboard has the column `latency` beside its own ones."""

    device: Device
    run: RunConfig
    latency: Column
    rows: pd.DataFrame  # SPEEDS
    note: str  # what is assumed


@dataclass(frozen=True)
class WhatChanged:
    """What the last run of a configuration changed since the one before it."""

    heading: str  # which runs
    counts: Mapping[str, int]  # keys of each kind that there are, and `unchanged`
    rows: pd.DataFrame  # CHANGES


@dataclass(frozen=True)
class BudgetAnswer:
    """A configured budget and which models keep it. Rows are positions in `selected.table`; sentences are for people."""

    name: str
    budget: BudgetSection
    selected: Selected
    columns: tuple[Column, ...]  # what the answer speaks of: objectives, then limits
    limits: tuple[str, ...]  # `Params ≤ 6.00 M`, one for each of `selected.limits`
    reasons: tuple[str, ...]  # why the pick was picked, or that nothing fits
    relaxations: tuple[str, ...]  # what a limit that gives way would buy
    notes: tuple[str, ...]  # what is assumed, and what is not known


@dataclass(frozen=True)
class PublishedAudit:
    """A published cost table held against our counts."""

    title: str
    zoo: str
    counts_as: str  # how the table counts, in words
    verdicts: Mapping[str, int]  # rows of each verdict that there are
    causes: tuple[tuple[str, int], ...]  # each set of causes and how many rows it explains, the most frequent first
    rows: pd.DataFrame  # AUDIT


KINDS = ("changed", "failed", "recovered", "removed", "added", "not compared")
"""Kinds of changes, what a reader has to look at first."""

VERDICTS = ("unexplained", "explained", "unknown", "agrees")
"""Verdicts of an audit, likewise."""


def changes_line(changes: WhatChanged) -> str:
    """`3 changed, 1 failed, 2,260 unchanged`; only what there is, what a reader has to look at first."""
    known = [kind for kind in KINDS if kind in changes.counts]
    others = [kind for kind in changes.counts if kind not in KINDS]
    return ", ".join(f"{changes.counts[kind]:,} {kind}" for kind in (*known, *others)) or "nothing was compared"


def verdicts_line(audit: PublishedAudit) -> str:
    """`161 agrees, 5 explained`; only what there is."""
    return ", ".join(f"{audit.verdicts[verdict]:,} {verdict}" for verdict in VERDICTS[::-1] if verdict in audit.verdicts)
