"""Run configurations on a device for which a platform has constants, measured or predicted."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from zoo.devices.data_sheets import shipped_devices
from zoo.devices.device import Device
from zoo.estimation.arrays import Array
from zoo.estimation.platforms.constants import Fitted, Spread, fitted_platforms
from zoo.estimation.platforms.platform import SETTING
from zoo.estimation.platforms.relatives import (
    ComparisonKey,
    PredictedConstants,
    Relatives,
    comparison_key,
    traits_of,
)
from zoo.published.published import FLOAT
from zoo.run_config import RunConfig

_PUBLISHED_DTYPES = {"float32": (FLOAT,), "float16": (FLOAT,)}
"""Published dtypes by requested dtype, where the two differ."""


def accepts(run: RunConfig, setting: Mapping[Any, Any]) -> bool:
    """Whether a setting matches a run configuration; fields that the configuration leaves open match any value."""
    dtype = run.precision.dtype
    if setting["dtype"] not in _PUBLISHED_DTYPES.get(dtype, (dtype,)) or setting["batch"] != run.batch or run.compiled:
        return False
    if run.processor is not None and setting["processor"] != run.processor:
        return False
    if run.runtime is not None and not str(setting["runtime"]).lower().startswith(run.runtime.lower()):
        return False
    return run.threads is None or (not pd.isna(setting["threads"]) and setting["threads"] == run.threads)


@dataclass(frozen=True)
class CalibratedConstants:
    """Uncertainty of constants that were fitted to the user's own measurements."""

    covariance: Array  # of the log constants
    measurements: int


@dataclass(frozen=True)
class PlatformRun:
    """A run configuration on a device, with the constants of its platform."""

    fitted: Fitted
    setting: Mapping[Any, Any]  # by `SETTING`
    log_constants: Array
    predicted: PredictedConstants | None  # None: the constants were fitted to measurements in this setting
    calibrated: CalibratedConstants | None = None

    @property
    def spread(self) -> Spread:
        """Errors of estimates in its dtype."""
        return self.fitted.spread[self.setting["dtype"]]

    def describe(self) -> str:
        """`CPU, 4 threads, ncnn, float`."""
        threads = self.setting["threads"]
        words = [str(self.setting["processor"]).upper()]
        if not pd.isna(threads):
            words.append(f"{int(threads)} thread{'s' if threads != 1 else ''}")
        if self.setting["cores"] in ("big", "little"):
            words.append(f"{self.setting['cores']} cores")
        return ", ".join([*words, str(self.setting["runtime"]), str(self.setting["dtype"])])


def has_platform_runs(device: Device, run: RunConfig) -> bool:
    """Whether the shipped constants cover a run configuration on a device."""
    return bool(platform_runs_on(device, run, fitted_platforms()))


def other_batches(device: Device, run: RunConfig) -> list[int]:
    """The batches at which the shipped constants cover a run configuration on a device, besides its own."""
    batches = {int(setting["batch"]) for one in fitted_platforms().values() for setting in one.setting_records}
    return [batch for batch in sorted(batches - {run.batch}) if has_platform_runs(device, replace(run, batch=batch))]


def platform_runs_on(
    device: Device, run: RunConfig, fitted: Mapping[str, Fitted], calibrated: Sequence[PlatformRun] = ()
) -> list[PlatformRun]:
    """The measured settings of a device that match a run configuration; for platforms without one there, predicted settings.

    Args:
        device: on which models run.
        run: the requested configuration.
        fitted: the constants of platforms.
        calibrated: calibrated by the user; if one matches, only calibrated ones are returned.
    """
    if own := [one for one in calibrated if one.setting["device"] == device.id and accepts(run, one.setting)]:
        return own
    runs: list[PlatformRun] = []
    for one in fitted.values():
        measured = [(row, setting) for row, setting in enumerate(one.setting_records) if setting["device"] == device.id]
        accepted = [(row, setting) for row, setting in measured if accepts(run, setting)]
        if measured and not accepted and run.threads is None:
            continue
        runs += [PlatformRun(one, setting, one.log_constants[row], None) for row, setting in accepted]
        if not accepted and one.platform.runs_on(device):
            predicted = list(_predicted_runs(device, run, one))
            # Predictions from a data sheet alone are less certain than those from related devices.
            runs += [one for one in predicted if one.predicted is not None and one.predicted.nearest] or predicted
    return runs


def _predicted_runs(device: Device, run: RunConfig, fitted: Fitted) -> Iterator[PlatformRun]:
    for key, relatives in _relatives(fitted).items():
        for threads, cores in _thread_counts(device, run) if key.processor == "cpu" else [(None, None)]:
            setting: dict[Any, Any] = {**key._asdict(), "device": device.id, "threads": threads, "cores": cores}
            if not accepts(run, setting):
                continue
            predicted = relatives.predict(traits_of(device, setting))
            if predicted is not None:
                yield PlatformRun(fitted, {name: setting[name] for name in SETTING}, predicted.log_constants, predicted)


@functools.lru_cache(maxsize=16)
def _relatives(fitted: Fitted) -> Mapping[ComparisonKey, Relatives]:
    """The measured settings, by what makes settings comparable."""
    devices = shipped_devices()
    rows: dict[ComparisonKey, list[int]] = {}
    for row, setting in enumerate(fitted.setting_records):
        if setting["device"] in devices:
            rows.setdefault(comparison_key(setting), []).append(row)
    relatives = {}
    for key, own_rows in rows.items():
        settings = [fitted.setting_records[row] for row in own_rows]
        known = [traits_of(devices[setting["device"]], setting) for setting in settings]
        relatives[key] = Relatives(known, fitted.log_constants[own_rows], fitted.platform.relatives)
    return relatives


def _thread_counts(device: Device, run: RunConfig) -> list[tuple[int | None, str | None]]:
    """Numbers of threads to predict for, with their cores: one thread, and one for each of the fastest cores."""
    if device.clusters:
        count, cores = device.clusters[0].cores, "big" if len(device.clusters) > 1 else "all"
    else:
        count, cores = int(device.cores.value) if device.cores else 1, "all"
    return [(threads, cores) for threads in sorted({1, count} if run.threads is None else {run.threads})]
