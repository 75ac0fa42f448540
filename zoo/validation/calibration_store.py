"""Calibrations kept in the cache: one small YAML file for each device and run configuration."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa

from zoo.cache.store import Store
from zoo.estimation.calibration import Calibration, read_calibration, write_calibration
from zoo.run_config import RunConfig

FOLDER = "calibrations"


def keep_calibration(store: Store, calibration: Calibration) -> str:
    """Puts a calibration in the place of an older one, and gives the path of its file.

    Raises:
        CacheError: if the cache cannot be written.
    """
    name = _name(calibration.run)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write_calibration(calibration, path)
        data = pa.py_buffer(path.read_bytes())
    store.files.prepare([FOLDER])
    store.files.write(FOLDER, name, data)
    return store.files.path(FOLDER, name)


def kept_calibration(store: Store, run: RunConfig) -> Calibration | None:
    """The calibration of the device that `run` names, run like this at any batch, if there is one.

    Raises:
        SpeedError: if its file is no calibration.
    """
    name = _name(run)
    try:
        data = store.files.read(FOLDER, name)
    except FileNotFoundError:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        return read_calibration(path)


def _name(run: RunConfig) -> str:
    return f"{run.device}-{run.precision}-{run.layout}-{run.execution}.yaml"
