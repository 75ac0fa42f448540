"""Measured models, and the traces that estimates of them rest on."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from zoo.cache.store import Store
from zoo.measurement.speed_imports import known_architectures
from zoo.records import Architecture, TraceKey, Variant
from zoo.refresh.fill_missing import fill_missing
from zoo.run_config import RunConfig
from zoo.settings import Execution, Listener

CALIBRATION_FOLDS = 10
"""Folds of models in the cross-validation of a calibration."""

TRACED_MODEL = ["zoo", "arch", "input", "classes", "variant"]
"""Columns that together name a traced model."""


def with_architectures(rows: pd.DataFrame, architectures: Iterable[Architecture]) -> pd.DataFrame:
    """Rows of measurements with the columns classes, of the head that was measured, and family; those of known architectures."""
    columns = ("zoo", "arch", "classes", "family")
    known = pd.DataFrame([(a.zoo, a.name, a.classes, a.family or a.name) for a in architectures], columns=columns)
    joined = rows.merge(known.astype({"classes": "Int64"}), on=["zoo", "arch"])
    joined["classes"] = joined["classes"].mask(joined["variant"] == Variant.FEATURES, 0)
    return joined


def measured_trace_keys(rows: pd.DataFrame, run: RunConfig) -> list[TraceKey]:
    """The traces of measured models, for estimates of `run`."""
    keys = rows[TRACED_MODEL].drop_duplicates().itertuples(index=False)
    return [
        TraceKey(
            zoo, arch, input, None if pd.isna(classes) else int(classes), variant, precision=run.precision, layout=run.layout
        )
        for zoo, arch, input, classes, variant in keys
    ]


def workloads_of(
    store: Store, rows: pd.DataFrame, run: RunConfig, execution: Execution = Execution(), listener: Listener | None = None
) -> pd.DataFrame:
    """The workloads of measured models, for estimates of `run`; what the cache lacks is traced into it."""
    models = with_architectures(rows, known_architectures(store))
    fill_missing(measured_trace_keys(models, run), store.address, execution, listener)
    workloads = store.workloads(precision=run.precision, layout=run.layout)
    return workloads.merge(models[TRACED_MODEL].drop_duplicates(), on=TRACED_MODEL)
