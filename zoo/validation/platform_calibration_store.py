"""Calibrations of platforms in the cache: a JSON file for each device."""

from __future__ import annotations

import pyarrow as pa

from zoo.cache.storage.parts import CALIBRATIONS
from zoo.cache.store import Store
from zoo.errors import SpeedError
from zoo.estimation.platforms.calibration import PlatformCalibration, format_platform_calibrations, parse_platform_calibrations
from zoo.estimation.platforms.constants import fitted_platforms
from zoo.estimation.platforms.settings import PlatformRun


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
