"""Calibrations in the cache: a YAML file for each device and run configuration, and a JSON file for each device of a platform."""

from __future__ import annotations

import pyarrow as pa

from zoo.cache.storage.parts import CALIBRATIONS
from zoo.cache.store import Store
from zoo.errors import SpeedError
from zoo.estimation.calibration import Calibration, format_calibration, parse_calibration
from zoo.estimation.platforms.calibration import PlatformCalibration, format_platform_calibrations, parse_platform_calibrations
from zoo.estimation.platforms.constants import fitted_platforms
from zoo.estimation.platforms.settings import PlatformRun
from zoo.run_config import RunConfig


def save_calibration(store: Store, calibration: Calibration) -> str:
    """Saves a calibration in place of an older one; returns the path of its file.

    Raises:
        CacheError: if the cache cannot be written.
    """
    name = _name(calibration.run)
    store.files.prepare([CALIBRATIONS])
    store.files.write(CALIBRATIONS, name, pa.py_buffer(format_calibration(calibration).encode()))
    return store.files.path(CALIBRATIONS, name)


def load_calibration(store: Store, run: RunConfig) -> Calibration | None:
    """The calibration of a device and run configuration, at any batch, if there is one.

    Raises:
        SpeedError: if its file is no calibration.
    """
    name = _name(run)
    try:
        return parse_calibration(store.files.read(CALIBRATIONS, name).decode(errors="replace"))
    except FileNotFoundError:
        return None
    except SpeedError as error:
        raise SpeedError(f"{store.files.path(CALIBRATIONS, name)}: {error}") from None


def copy_calibrations(source: Store, target: Store) -> None:
    """Copies all calibrations of one cache into another."""
    names = source.files.names(CALIBRATIONS) if source.files.has_folder(CALIBRATIONS) else set()
    if names:
        target.files.prepare([CALIBRATIONS])
    for name in names:
        target.files.write(CALIBRATIONS, name, pa.py_buffer(source.files.read(CALIBRATIONS, name)))


def save_platform_calibration(store: Store, calibration: PlatformCalibration) -> str:
    """Saves a calibration of a platform in place of an older one; returns the path of the device's file.

    Raises:
        CacheError: if the cache cannot be written.
        SpeedError: if the device's file holds no calibrations.
    """
    device = str(calibration.setting["device"])
    others = [one for one in _platform_calibrations(store, device) if one.setting != calibration.setting]
    store.files.prepare([CALIBRATIONS])
    text = format_platform_calibrations([*others, calibration])
    store.files.write(CALIBRATIONS, _platform_file(device), pa.py_buffer(text.encode()))
    return store.files.path(CALIBRATIONS, _platform_file(device))


def load_platform_runs(store: Store, device: str) -> list[PlatformRun]:
    """The run configurations on a device that the user calibrated.

    Raises:
        SpeedError: if the device's file holds no calibrations, or one of older terms.
    """
    return [calibration.platform_run(fitted_platforms()) for calibration in _platform_calibrations(store, device)]


def _platform_calibrations(store: Store, device: str) -> list[PlatformCalibration]:
    try:
        return parse_platform_calibrations(store.files.read(CALIBRATIONS, _platform_file(device)).decode(errors="replace"))
    except FileNotFoundError:
        return []
    except SpeedError as error:
        raise SpeedError(f"{store.files.path(CALIBRATIONS, _platform_file(device))}: {error}") from None


def _platform_file(device: str) -> str:
    return f"{device}-ways.json"


def _name(run: RunConfig) -> str:
    return f"{run.device}-{run.precision}-{run.layout}-{run.execution}.yaml"
