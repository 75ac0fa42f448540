"""The runtime of an answer where the request names none: latencies of different runtimes are not compared.

It depends on the device, the run configuration and the cache, and not on the models, so that every output has the same:

1. the runtime of most measurements there;
2. torch, where it has estimates: GPUs, and CPUs with a calibration;
3. of those in which speeds were published of the device or of devices like it, the one that is the fastest for most models.

A measurement that names no runtime stands in any.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from reports.selection.speeds.estimate_basis import data_sheet_refusal
from zoo.cache.store import Store
from zoo.devices.device import Device
from zoo.run_config import TORCH, Precision, RunConfig
from zoo.validation.calibration_store import load_platform_runs

if TYPE_CHECKING:
    from collections.abc import Collection


def with_runtime(
    run: RunConfig, device: Device, store: Store, measured: pd.DataFrame | None = None, free: Collection[str] = ()
) -> RunConfig:
    """The run configuration with the runtime of its answers; as it is where it names one, or where nothing is known.

    Args:
        run: the run configuration.
        device: on which models run.
        store: a cache that may have calibrations.
        measured: all measurements on the device, with the columns of the table `speed`. None: they are of no account.
        free: fields of the run configuration in which measurements may differ.
    """
    if run.runtime is not None:
        return run
    own = None if measured is None or measured.empty else _of_measurements(measured_in(measured, run, free))
    return replace(run, runtime=own or _of_estimates(run, device, store))


def measured_in(measured: pd.DataFrame, run: RunConfig, free: Collection[str]) -> pd.DataFrame:
    """The measurements in a run configuration, whatever their processor, runtime and threads."""
    dtypes = [run.precision.dtype, *([Precision.AMP.dtype] if run.precision is Precision.FP16 else [])]
    measured = measured[measured["dtype"].isin(dtypes)]
    for name in {"batch", "layout", "compiled"} - set(free):
        measured = measured[measured[name] == getattr(run, name)]
    return measured


def _of_measurements(measured: pd.DataFrame) -> str | None:
    """The runtime of most, without its version: `torch` of `torch-2.9.1`."""
    names = measured["runtime"].dropna().astype("string").str.lower().str.split("-").str[0]
    return str(names.value_counts().sort_index().idxmax()) if len(names) else None  # of equals the first by name


def _of_estimates(run: RunConfig, device: Device, store: Store) -> str | None:
    from zoo.estimation.platforms.fastest_runtime import fastest_runtime

    if not run.is_on_platform and data_sheet_refusal(device, run, store) is None:
        return TORCH
    return fastest_runtime(device, run, load_platform_runs(store, device.id))
