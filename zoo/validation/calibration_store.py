"""Calibrations kept in the cache: one small YAML file for each device and run configuration."""

from __future__ import annotations

import pyarrow as pa

from zoo.cache.store import Store
from zoo.errors import SpeedError
from zoo.estimation.calibration import Calibration, format_calibration, parse_calibration
from zoo.run_config import RunConfig

FOLDER = "calibrations"


def keep_calibration(store: Store, calibration: Calibration) -> str:
    """Puts a calibration in the place of an older one, and gives the path of its file.

    Raises:
        CacheError: if the cache cannot be written.
    """
    name = _name(calibration.run)
    store.files.prepare([FOLDER])
    store.files.write(FOLDER, name, pa.py_buffer(format_calibration(calibration).encode()))
    return store.files.path(FOLDER, name)


def kept_calibration(store: Store, run: RunConfig) -> Calibration | None:
    """The calibration of the device that `run` names, run like this at any batch, if there is one.

    Raises:
        SpeedError: if its file is no calibration.
    """
    name = _name(run)
    try:
        return parse_calibration(store.files.read(FOLDER, name).decode(errors="replace"))
    except FileNotFoundError:
        return None
    except SpeedError as error:
        raise SpeedError(f"{store.files.path(FOLDER, name)}: {error}") from None


def copy_calibrations(source: Store, target: Store) -> None:
    """Copies all calibrations of one cache into another."""
    names = source.files.names(FOLDER) if source.files.has_folder(FOLDER) else set()
    if names:
        target.files.prepare([FOLDER])
    for name in names:
        target.files.write(FOLDER, name, pa.py_buffer(source.files.read(FOLDER, name)))


def _name(run: RunConfig) -> str:
    return f"{run.device}-{run.precision}-{run.layout}-{run.execution}.yaml"
