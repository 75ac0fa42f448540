"""Calibrations of data sheets in the cache: a YAML file for each device and run configuration."""

from __future__ import annotations

import pyarrow as pa

from zoo.cache.storage.parts import CALIBRATIONS
from zoo.cache.store import Store
from zoo.errors import SpeedError
from zoo.estimation.calibration import Calibration, format_calibration, parse_calibration
from zoo.run_config import RunConfig


def save_calibration(store: Store, calibration: Calibration) -> str:
    """Saves a calibration in place of an older one; returns the path of its file.

    Raises:
        CacheError: if the cache cannot be written.
    """
    name = _file_name(calibration.run)
    store.files.prepare([CALIBRATIONS])
    store.files.write(CALIBRATIONS, name, pa.py_buffer(format_calibration(calibration).encode()))
    return store.files.path(CALIBRATIONS, name)


def load_calibration(store: Store, run: RunConfig) -> Calibration | None:
    """The calibration of a device and run configuration, at any batch, if there is one.

    Raises:
        SpeedError: if its file is no calibration.
    """
    name = _file_name(run)
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


def _file_name(run: RunConfig) -> str:
    return f"{run.device}-{run.precision}-{run.layout}-{run.execution}.yaml"
