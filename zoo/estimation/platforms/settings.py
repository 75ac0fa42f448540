"""Which ways of running there are on a device, measured or foreseen, and what their constants are."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from zoo.devices.data_sheets import shipped_devices
from zoo.devices.device import Device
from zoo.estimation.arrays import Array
from zoo.estimation.platforms.constants import Fitted, Spread, fitted_platforms
from zoo.estimation.platforms.platform import SETTING
from zoo.estimation.platforms.relatives import Comparable, Described, Foreseen, comparable, describe, foresee
from zoo.published.published import FLOAT
from zoo.run_config import RunConfig

_PUBLISHED_DTYPES = {"float32": (FLOAT,), "float16": (FLOAT,)}
"""Dtypes of published measurements that stand for one that is asked for, where it is not that one alone."""


def accepts(run: RunConfig, setting: Mapping[Any, Any]) -> bool:
    """Whether a setting is one of the ways of running that are asked for. What a run configuration leaves open is any."""
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
    """Of constants that were fitted to measurements of the user's own."""

    covariance: Array  # of the log constants, as far as these measurements leave them open
    measurements: int


@dataclass(frozen=True)
class Way:
    """A way of running models on a device, and its constants."""

    fitted: Fitted
    setting: Mapping[Any, Any]  # by `SETTING`
    log_constants: Array
    foreseen: Foreseen | None  # None: some models were measured in it
    calibrated: CalibratedConstants | None = None

    @property
    def spread(self) -> Spread:
        """How far estimates in its dtype were off."""
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


def has_ways(device: Device, run: RunConfig) -> bool:
    """Whether there is any with the constants that come with zoometer."""
    return bool(ways_on(device, run, fitted_platforms()))


def ways_on(device: Device, run: RunConfig, fitted: Mapping[str, Fitted], calibrated: Sequence[Way] = ()) -> list[Way]:
    """Ways of running on a device that some models were measured in; of a platform that has none there, those that are foreseen.

    Args:
        device: on which models run.
        run: how they run there.
        fitted: the constants of platforms.
        calibrated: ways of running on this device that the user calibrated: where one is asked for, the others are left out.
    """
    if own := [way for way in calibrated if way.setting["device"] == device.id and accepts(run, way.setting)]:
        return own
    found: list[Way] = []
    for one in fitted.values():
        measured = [(row, setting) for row, setting in enumerate(one.setting_records) if setting["device"] == device.id]
        accepted = [(row, setting) for row, setting in measured if accepts(run, setting)]
        if measured and not accepted and run.threads is None:
            continue
        found += [Way(one, setting, one.log_constants[row], None) for row, setting in accepted]
        if not accepted and one.platform.runs_on(device):
            found += _nearest(list(_foreseen(device, run, one)))
    return found


def _nearest(ways: list[Way]) -> list[Way]:
    """Those foreseen from a relative, where there are any: what a data sheet alone says is less."""
    near = [way for way in ways if way.foreseen is not None and way.foreseen.nearest]
    return near or ways


def _foreseen(device: Device, run: RunConfig, fitted: Fitted) -> Iterator[Way]:
    for way, (known, log_constants) in _known(fitted).items():
        for threads, cores in _threads(device, run) if way.processor == "cpu" else [(None, None)]:
            setting: dict[Any, Any] = {**way._asdict(), "device": device.id, "threads": threads, "cores": cores}
            if not accepts(run, setting):
                continue
            found = foresee(describe(device, setting), known, log_constants, fitted.platform.relatives)
            if found is not None:
                yield Way(fitted, {name: setting[name] for name in SETTING}, found.log_constants, found)


@functools.lru_cache(maxsize=16)
def _known(fitted: Fitted) -> Mapping[Comparable, tuple[Sequence[Described], Array]]:
    """By what makes settings comparable: what is known of their devices, and their log constants."""
    devices = shipped_devices()
    rows: dict[Comparable, list[int]] = {}
    for row, setting in enumerate(fitted.setting_records):
        if setting["device"] in devices:
            rows.setdefault(comparable(setting), []).append(row)
    return {
        way: (
            [describe(devices[(one := fitted.setting_records[row])["device"]], one) for row in of_way],
            fitted.log_constants[of_way],
        )
        for way, of_way in rows.items()
    }


def _threads(device: Device, run: RunConfig) -> list[tuple[int | None, str | None]]:
    """How many threads to foresee, and on which cores: one, and one for each of the fastest cores."""
    if device.clusters:
        count, cores = device.clusters[0].cores, "big" if len(device.clusters) > 1 else "all"
    else:
        count, cores = int(device.cores.value) if device.cores else 1, "all"
    wanted = {1, count} if run.threads is None else {run.threads}
    return [(threads, cores) for threads in sorted(wanted)]
