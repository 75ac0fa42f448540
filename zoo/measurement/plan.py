"""Plans measurements: models in run configurations, without those that the table `speed` has from the same environment."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from zoo.errors import InputError
from zoo.inputs import resize_input
from zoo.measurement.repetition import TimingTarget, halving
from zoo.measurement.settings import MeasureSettings
from zoo.records import SPEED_KEY, Architecture, CostKey, Variant
from zoo.refresh.plan import DEFAULT, NATIVE, requested_input
from zoo.run_config import RunConfig
from zoo.settings import ZooSettings

MEASURED, FAILED = "measured", "failed"
"""Values of the column `status` of the table `speed`."""

TOO_LARGE = "memory:"
"""Prefix of the reason where a batch did not fit into memory."""

_PASSING = ("timeout:", "worker:")
"""Prefixes of failures that are retried."""


@dataclass(frozen=True, slots=True)
class MeasureJob:
    """A model and its run configuration, sent to a worker process."""

    key: CostKey  # of a batch of one
    run: RunConfig  # device as torch names it
    target: TimingTarget
    memory_gb: float | None
    architecture: Architecture


def measure_jobs(settings: MeasureSettings, chosen: Mapping[str, Sequence[Architecture]]) -> list[MeasureJob]:
    """Each chosen architecture at its configured inputs and variants, in every run configuration.

    Inputs that an architecture does not support are left out: counting reports them.
    """
    return [
        MeasureJob(key, run, settings.target, settings.memory_gb, architecture)
        for run in settings.runs
        for name, architectures in chosen.items()
        for architecture in architectures
        if not architecture.uncountable
        for key in _cost_keys(architecture, settings.zoos[name])
    ]


def _cost_keys(architecture: Architecture, settings: ZooSettings) -> Iterator[CostKey]:
    inputs: dict[str, None] = {}
    for size in settings.inputs_of(architecture.name):
        with contextlib.suppress(InputError):
            inputs[architecture.input if size in (DEFAULT, NATIVE) else resize_input(size, architecture.input)] = None
    for input in inputs:
        for variant in settings.variants:
            if variant in architecture.variants:
                head = 0 if variant == Variant.FEATURES else architecture.classes
                yield CostKey(architecture.zoo, architecture.name, requested_input(input, settings), head, variant)


def speed_key(row: Mapping[Any, Any], environment: str) -> tuple[Any, ...]:
    """Identifies a measurement in exactly one environment."""
    return (*(row[name] for name in SPEED_KEY), environment)


def index_speeds(table: pd.DataFrame) -> dict[tuple[Any, ...], dict[Any, Any]]:
    """The rows of the table `speed` that are not measured again, by `speed_key`."""
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    is_final = [row["status"] == MEASURED or not str(row["reason"]).startswith(_PASSING) for row in rows]
    return {speed_key(row, row["environment"]): row for row, keep in zip(rows, is_final, strict=True) if keep}


def is_too_large(row: Mapping[Any, Any]) -> bool:
    """Whether the batch of a row did not fit into memory."""
    return row["status"] == FAILED and str(row["reason"]).startswith(TOO_LARGE)


def missing_batches(batches: Iterable[int], max_batch: int | None, recall: Callable[[int], dict[Any, Any] | None]) -> list[int]:
    """The batches of one job that have to be measured, and the next one of the search for the largest that fits."""
    absent = [batch for batch in batches if recall(batch) is None]
    if max_batch is None:
        return absent
    *_, (batch, row) = halving(max_batch, recall, lambda row: row is not None and is_too_large(row))
    return absent if row is not None or batch in absent else [*absent, batch]
