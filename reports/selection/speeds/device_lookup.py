"""Devices by the names that people give them."""

from __future__ import annotations

from pathlib import Path

from zoo.cache.store import Store
from zoo.devices.data_sheets import read_devices, shipped_devices
from zoo.devices.device import Device
from zoo.devices.device_names import DeviceNames, find_device


def look_up_device(name: str | None, file: str | Path | None, store: Store | None = None) -> Device | None:
    """The device of this name: from a user's file, shipped with zoometer, or one that the cache has speeds of.

    Raises:
        DeviceError: if the file cannot be read.
        UnknownNameError: if there is no such device, or several may be meant.
    """
    own = read_devices(file) if file else {}
    if name is None:
        return None
    is_known = DeviceNames({**shipped_devices(), **own}.values()).exactly(name) is not None
    if store and not is_known and len(store.speeds(name)):
        return Device(name, name, "board")  # without a data sheet
    return find_device(name, own)
