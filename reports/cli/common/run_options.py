"""From the options that say how models run to the device and the run configuration, for the verbs that give latencies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zoo.errors import ConfigError

if TYPE_CHECKING:
    from reports.models.model_latency import DeviceRun

_STATED = ("dtype", "batch", "layout", "compiled", "runtime", "processor", "threads")


def read_device_run(arguments: Mapping[str, Any], cache: str) -> DeviceRun | None:
    """The device and the way of running that a verb's arguments name; None without a device.

    Args:
        arguments: the verb's, among them `device`, `devices` and any of `dtype`, `batch`, `layout`, `compiled`, `runtime`, `processor`
            and `threads`.
        cache: whose speeds may name a device of their own.

    Raises:
        ConfigError: if a way of running is stated without a device.
        InputError: if an option is wrong.
        UnknownNameError: if there is no such device.
    """
    stated = {name: arguments[name] for name in _STATED if arguments.get(name) is not None}
    name, file = arguments["device"], arguments.get("devices")
    if name is None:
        _refuse_without_device([*stated, *(["devices"] if file else [])])
        return None
    from reports.models.model_latency import find_device_run

    return find_device_run(name, file, stated, cache)


def _refuse_without_device(stated: list[str]) -> None:
    if stated:
        option = "--compiled" if stated[0] == "compiled" else f"--{stated[0]}"
        raise ConfigError(f"{option} is of no use without a device: --device NAME says on which models run (zoometer devices).")
