"""Calibrations in the cache: a YAML file for each device and run configuration, and a JSON file for each device with platforms."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa

from zoo.cache.storage.parts import CALIBRATIONS
from zoo.cache.store import Store
from zoo.errors import SpeedError
from zoo.estimation.calibration import Calibration, format_calibration, parse_calibration
from zoo.run_config import RunConfig

if TYPE_CHECKING:
    from zoo.estimation.platforms.calibration import PlatformCalibration
    from zoo.estimation.platforms.settings import PlatformRun

T = TypeVar("T")


def save_calibration(store: Store, calibration: Calibration) -> str:
    """Saves a calibration in place of an older one; returns the path of its file.

    Raises:
        CacheError: if the cache cannot be written.
    """
    return _write_file(store, _sheet_file(calibration.run), format_calibration(calibration))


def load_calibration(store: Store, run: RunConfig) -> Calibration | None:
    """The calibration of a device and run configuration, at any batch, if there is one.

    Raises:
        SpeedError: if its file is not a calibration.
    """
    return _parse_file(store, _sheet_file(run), parse_calibration)


def save_platform_calibration(store: Store, calibration: PlatformCalibration) -> str:
    """Saves a calibration of a platform in place of an older one; returns the path of the device's file.

    Raises:
        CacheError: if the cache cannot be written.
        SpeedError: if the device's file does not contain calibrations.
    """
    from zoo.estimation.platforms.calibration import format_platform_calibrations, parse_platform_calibrations  # slow to import

    file = _platform_file(str(calibration.setting["device"]))
    saved = _parse_file(store, file, parse_platform_calibrations) or []
    others = [one for one in saved if one.setting != calibration.setting]
    return _write_file(store, file, format_platform_calibrations([*others, calibration]))


def load_platform_runs(store: Store, device: str) -> list[PlatformRun]:
    """The run configurations on a device that the user calibrated.

    Raises:
        SpeedError: if the device's file does not contain calibrations, or one was made with other terms than the present ones.
    """
    from zoo.estimation.platforms.calibration import parse_platform_calibrations
    from zoo.estimation.platforms.constants import fitted_platforms

    saved = _parse_file(store, _platform_file(device), parse_platform_calibrations) or []
    return [calibration.platform_run(fitted_platforms()) for calibration in saved]


def copy_calibrations(source: Store, target: Store) -> None:
    """Copies all calibrations of one cache into another."""
    if names := source.files.names(CALIBRATIONS):
        target.files.prepare([CALIBRATIONS])
    for name in names:
        target.files.write(CALIBRATIONS, name, pa.py_buffer(source.files.read(CALIBRATIONS, name)))


def _write_file(store: Store, name: str, text: str) -> str:
    store.files.prepare([CALIBRATIONS])
    store.files.write(CALIBRATIONS, name, pa.py_buffer(text.encode()))
    return store.files.path(CALIBRATIONS, name)


def _parse_file(store: Store, name: str, parse: Callable[[str], T]) -> T | None:
    """The parsed content of a file; None if there is no such file."""
    try:
        return parse(store.files.read(CALIBRATIONS, name).decode(errors="replace"))
    except FileNotFoundError:
        return None
    except SpeedError as error:
        raise SpeedError(f"{store.files.path(CALIBRATIONS, name)}: {error}") from None


def _sheet_file(run: RunConfig) -> str:
    return f"{run.device}-{run.precision}-{run.layout}-{run.execution}.yaml"


def _platform_file(device: str) -> str:
    return f"{device}-ways.json"
