"""Devices by their id."""

from __future__ import annotations

from pathlib import Path

from zoo.cache.store import Store
from zoo.devices.devices import Device, find_device, read_devices, shipped_devices


def look_up_device(name: str | None, file: str | Path | None, store: Store | None = None) -> Device | None:
    """The device of this id: from a user's file, shipped with zoometer, or one that the cache has speeds of.

    Raises:
        DeviceError: if the file cannot be read.
        UnknownNameError: if there is no such device.
    """
    own = read_devices(file) if file else {}
    if name and store and name not in own and name not in shipped_devices() and len(store.speeds(name)):
        return Device(name, name, "board")  # without a data sheet
    return find_device(name, own) if name else None
