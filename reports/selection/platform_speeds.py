"""Estimates on phones, accelerators, boards and CPUs: of the rows of a leaderboard, and of a single model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from zoo.devices.kinds import CPU_KINDS, GPU_KINDS
from zoo.run_config import STATED, TORCH, TRACED, Precision, RunConfig

if TYPE_CHECKING:
    from zoo.cache.store import Store
    from zoo.devices.device import Device
    from zoo.estimation.platforms.fleet import PlatformSums
    from zoo.estimation.platforms.settings import PlatformRun

_FIGURES = ["latency_ms", "latency_low_ms", "latency_high_ms"]
_MODEL = "model"


def kept_ways_on(device: Device, store: Store) -> list[PlatformRun]:
    """The run configurations on a device that the user calibrated."""
    from zoo.validation.calibration_store import load_platform_runs

    return load_platform_runs(store, device.id) if store.exists() else []


def platform_refusal(device: Device, run: RunConfig, refusal: str | None) -> str | None:
    """Why there is no estimate from published speeds; where torch runs models, what its estimates lack says more. None: there is one."""
    from zoo.estimation.platforms.fleet import why_not
    from zoo.estimation.platforms.settings import has_platform_runs

    if has_platform_runs(device, run):
        return None
    if device.kind in GPU_KINDS and refusal is None and not run.is_by_torch:
        return f"no estimate: on {device.id} models are estimated in {TORCH}, not in {run.runtime}"
    is_for_torch = device.kind in GPU_KINDS or (device.kind in CPU_KINDS and run.runtime is not None and run.is_by_torch)
    return refusal if refusal and is_for_torch else f"no estimate: {why_not(device, run)}"


def is_without_relatives(device: Device, run: RunConfig) -> bool:
    """Whether an estimate is missing because neither the device nor one like it has published speeds."""
    return device.kind not in GPU_KINDS and platform_refusal(device, run, None) is not None


def estimated_precisions(device: Device, run: RunConfig) -> list[Precision]:
    """The precisions in which models have estimates on a device, run as they are in the others."""
    from zoo.estimation.estimate import why_no_estimate

    runs = [replace(run, precision=precision) for precision in STATED]
    return [
        one.precision
        for one in runs
        if (one.precision in TRACED and not one.is_on_platform and why_no_estimate(device, one) is None)
        or platform_refusal(device, one, None) is None
    ]


def other_batches(device: Device, run: RunConfig) -> list[int]:
    """The batches at which models have estimates on a platform, run otherwise as they are."""
    from zoo.estimation.platforms.settings import other_batches as on_platforms

    return on_platforms(device, run)


def needed_trace(device: Device, run: RunConfig) -> RunConfig:
    """The mode of the traces that estimates are made from: on phones, boards and accelerators float32 whatever the precision."""
    from zoo.estimation.platforms.features import TRACED as ON_PLATFORMS

    is_traced_as_run = run.precision in TRACED and device.kind in (*GPU_KINDS, *CPU_KINDS) and not run.is_on_platform
    return run.for_trace() if is_traced_as_run else ON_PLATFORMS


class PlatformFeatures:
    """What the traced models of a cache ask of any platform; read when first used."""

    def __init__(self, store: Store, key: list[str], read: Callable[[], tuple[pd.DataFrame, pd.DataFrame]]) -> None:
        """Takes a cache, the columns that name a model, and what gives models and their calls, each with the number of its model."""
        self._store, self._key, self._read_calls = store, key, read
        self._features: pd.DataFrame | None = None

    def sums(self, rows: pd.DataFrame) -> tuple[pd.DataFrame, PlatformSums] | None:
        """The models of these rows that were traced, and what they ask of platforms; None where none was."""
        from zoo.estimation.platforms.fleet import PlatformSums

        found = self._of(rows)
        return (found[0], PlatformSums(found[1], found[0])) if found else None

    def estimate(self, device: Device, run: RunConfig, rows: pd.DataFrame) -> pd.DataFrame | None:
        """Figures and origin under the rows' index, NA for models that were not traced; None where none was."""
        from zoo.estimation.platforms.estimate import estimate_on_platforms

        if (found := self._of(rows)) is None:
            return None
        models, features = found
        calibrated = kept_ways_on(device, self._store)
        estimates = estimate_on_platforms(features, device, run, models=models, calibrated=calibrated)
        joined = rows[self._key].merge(models[self._key].join(estimates), on=self._key, how="left").set_axis(rows.index)
        return joined[[*_FIGURES, "latency_from"]]

    def _of(self, rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame] | None:
        """Of these rows' models that were traced: their key and family, and their features in the same order."""
        features = self._read()
        if features.empty:
            return None
        models = rows[[*self._key, *(["family"] if "family" in rows else [])]].drop_duplicates(self._key)
        place = features.index.get_indexer(pd.MultiIndex.from_frame(models[self._key]))
        return models[place >= 0].reset_index(drop=True), features.iloc[place[place >= 0]].reset_index(drop=True)

    def _read(self) -> pd.DataFrame:
        from zoo.estimation.platforms.features import features_of

        if self._features is None:
            models, rows = self._read_calls()
            features = features_of(rows, [_MODEL])
            names = models.iloc[features.index.to_numpy(int)][self._key]
            self._features = features.set_axis(pd.MultiIndex.from_frame(names))
        return self._features
