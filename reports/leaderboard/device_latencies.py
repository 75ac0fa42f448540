"""The speeds that a configuration asks for: of every row of the leaderboard, in each use of a device."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from reports.columns.columns import Column
from reports.columns.limits import LATENCY
from reports.config.uses import Use
from reports.leaderboard.leaderboard import typed
from reports.leaderboard.report_parts import SPEEDS, DeviceSpeed
from reports.selection.candidates import Conditions, Estimator, candidates
from zoo.records import Variant

_KEY = ["zoo", "arch", "input", "classes", "variant"]


def device_speeds(
    leaderboard: pd.DataFrame, uses: Sequence[Use], measured: pd.DataFrame | None, estimators: Sequence[Estimator | None]
) -> tuple[DeviceSpeed, ...]:
    """The speeds of the leaderboard's models in each use.

    Args:
        leaderboard: has the columns of `reports.columns.columns.LEADERBOARD`.
        uses: of devices.
        measured: speeds, with the columns of the `speed` table.
        estimators: one for each use; None where nothing is estimated.
    """
    models = leaderboard.drop_duplicates(_KEY, ignore_index=True)
    models = models[models["variant"] != Variant.FEATURES.value].reset_index(drop=True)
    titles = [_title(use, uses) for use in uses]
    return tuple(
        _speed(models, use, title, measured, estimate) for use, title, estimate in zip(uses, titles, estimators, strict=True)
    )


def with_latencies(leaderboard: pd.DataFrame, speeds: Sequence[DeviceSpeed]) -> pd.DataFrame:
    """The leaderboard with a column of latencies for each use."""
    for speed in speeds:
        latencies = speed.rows[[*_KEY, "latency_ms"]].rename(columns={"latency_ms": speed.latency.key})
        leaderboard = leaderboard.merge(latencies, on=_KEY, how="left", validate="many_to_one")
    return leaderboard


def _speed(models: pd.DataFrame, use: Use, title: str, measured: pd.DataFrame | None, estimate: Estimator | None) -> DeviceSpeed:
    conditions = Conditions(use.dtype, use.batch, use.device, measured, estimate, use.layout, use.compiled)
    found = candidates(models, conditions)
    rows = found.table.assign(device=use.device.id, dtype=use.dtype, layout=use.layout, compiled=use.compiled, batch=use.batch)
    return DeviceSpeed(use, _column(use, title), typed(rows, SPEEDS), found.notes[LATENCY.key])


def _column(use: Use, title: str) -> Column:
    words = [use.device.id, use.dtype, use.layout, *(["compiled"] if use.compiled else []), f"batch{use.batch}"]
    return replace(
        LATENCY,
        key=f"latency_{re.sub(r'[^0-9a-z]+', '_', '_'.join(words).lower())}_ms",
        title=title,
        meaning=f"Time of one step on {use.device.name} ({use.way}). How each figure is known stands beside the model.",
        width=14,
    )


def _title(use: Use, uses: Sequence[Use]) -> str:
    """`Latency rtx-4090`, with how models run on it where it is there more than once."""
    is_alone = sum(other.device.id == use.device.id for other in uses) == 1
    return f"Latency {use.device.id}" if is_alone else f"Latency {use.device.id}, {use.way}"
