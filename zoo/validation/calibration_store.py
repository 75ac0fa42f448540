"""Calibrations kept in the cache: a small file for each device and run configuration, and one for a device's ways of running."""

from __future__ import annotations

import pyarrow as pa

from zoo.cache.storage.parts import CALIBRATIONS
from zoo.cache.store import Store
from zoo.errors import SpeedError
from zoo.estimation.calibration import Calibration, format_calibration, parse_calibration
from zoo.estimation.platforms.calibration import WayCalibration, format_way_calibrations, parse_way_calibrations
from zoo.estimation.platforms.constants import fitted_platforms
from zoo.estimation.platforms.settings import Way
from zoo.run_config import RunConfig


def keep_calibration(store: Store, calibration: Calibration) -> str:
    """Puts a calibration in the place of an older one, and gives the path of its file.

    Raises:
        CacheError: if the cache cannot be written.
    """
    name = _name(calibration.run)
    store.files.prepare([CALIBRATIONS])
    store.files.write(CALIBRATIONS, name, pa.py_buffer(format_calibration(calibration).encode()))
    return store.files.path(CALIBRATIONS, name)


def kept_calibration(store: Store, run: RunConfig) -> Calibration | None:
    """The calibration of the device that `run` names, run like this at any batch, if there is one.

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


def keep_way_calibration(store: Store, calibration: WayCalibration) -> str:
    """Puts the calibration of a way of running in the place of an older one, and gives the path of the device's file.

    Raises:
        CacheError: if the cache cannot be written.
        SpeedError: if the device's file holds no calibrations.
    """
    device = str(calibration.setting["device"])
    others = [one for one in _way_calibrations(store, device) if one.setting != calibration.setting]
    store.files.prepare([CALIBRATIONS])
    text = format_way_calibrations([*others, calibration])
    store.files.write(CALIBRATIONS, _ways_name(device), pa.py_buffer(text.encode()))
    return store.files.path(CALIBRATIONS, _ways_name(device))


def kept_ways(store: Store, device: str) -> list[Way]:
    """The calibrated ways of running on a device.

    Raises:
        SpeedError: if the device's file holds no calibrations, or one of older terms.
    """
    return [calibration.way(fitted_platforms()) for calibration in _way_calibrations(store, device)]


def _way_calibrations(store: Store, device: str) -> list[WayCalibration]:
    try:
        return parse_way_calibrations(store.files.read(CALIBRATIONS, _ways_name(device)).decode(errors="replace"))
    except FileNotFoundError:
        return []
    except SpeedError as error:
        raise SpeedError(f"{store.files.path(CALIBRATIONS, _ways_name(device))}: {error}") from None


def _ways_name(device: str) -> str:
    return f"{device}-ways.json"


def _name(run: RunConfig) -> str:
    return f"{run.device}-{run.precision}-{run.layout}-{run.execution}.yaml"
