"""Measured models, and the traces that their estimates are computed from."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import pandas as pd

from zoo.cache.store import Store, key_tuples
from zoo.measurement.speed_imports import known_architectures
from zoo.records import Architecture, TraceKey, Variant
from zoo.refresh.fill_missing import fill_missing
from zoo.run_config import RunConfig
from zoo.settings import Execution, Listener

CALIBRATION_FOLDS = 10
"""Number of folds in the cross-validation of a calibration."""

TRACED_MODEL = ["zoo", "arch", "input", "classes", "variant"]
"""Columns that together name a traced model."""


def with_architectures(rows: pd.DataFrame, architectures: Iterable[Architecture]) -> pd.DataFrame:
    """Measurements of known architectures, with the columns classes (of the measured head) and family."""
    columns = ("zoo", "arch", "classes", "family")
    known = pd.DataFrame([(a.zoo, a.name, a.classes, a.family or a.name) for a in architectures], columns=columns)
    joined = rows.merge(known.astype({"classes": "Int64"}), on=["zoo", "arch"])
    joined["classes"] = joined["classes"].mask(joined["variant"] == Variant.FEATURES, 0)
    return joined


def measured_trace_keys(rows: pd.DataFrame, run: RunConfig) -> list[TraceKey]:
    """The traces of measured models, for estimates of `run`."""
    keys = key_tuples(rows.drop_duplicates(TRACED_MODEL), TRACED_MODEL)
    return [TraceKey(*key)._replace(precision=run.precision, layout=run.layout) for key in keys]


@dataclass(frozen=True)
class TraceSource:
    """A cache with workloads. Models that it lacks are traced into it."""

    cache: str
    execution: Execution = Execution()
    listener: Listener | None = None

    @functools.cached_property
    def store(self) -> Store:
        """The cache, for reading and writing."""
        return Store(self.cache)

    def trace(self, keys: Collection[TraceKey]) -> None:
        """Traces what the cache lacks.

        Raises:
            ZooError: if a zoo is not installed, or the cache cannot be written.
        """
        fill_missing(keys, self.cache, self.execution, self.listener)

    def workloads(self, rows: pd.DataFrame, run: RunConfig) -> pd.DataFrame:
        """The workloads of measured models, for estimates of `run`."""
        models = with_architectures(rows, known_architectures(self.store))
        self.trace(measured_trace_keys(models, run))
        workloads = self.store.workloads(precision=run.precision, layout=run.layout)
        return workloads.merge(models[TRACED_MODEL].drop_duplicates(), on=TRACED_MODEL)
