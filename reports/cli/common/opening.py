"""The configuration, the cache and the device that a command works on. The command line takes precedence over the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.cli.common.output import detail
from reports.config.workspace import Workspace
from zoo.errors import CacheError, ConfigError

if TYPE_CHECKING:
    from reports.config.config import Config
    from reports.models.model_latency import DeviceRun
    from zoo.cache.store import Store


def read_config(path: Path, cache: str | None = None, out: Path | None = None) -> Config:
    """A configuration file, with the cache and the folder of reports from the command line or the environment, if given.

    Raises:
        ConfigError: if the file cannot be read or has mistakes.
    """
    from reports.config.config_file import load_config  # slow to import

    config = load_config(path, cache=cache, out=out)
    detail(f"Configuration: {path}. Cache: {config.cache}")
    return config


def open_workspace(cache: str | None, config: Path | None) -> Workspace:
    """The cache and the configuration that the command line names; `--verbose` prints both.

    Raises:
        ConfigError: if the configuration cannot be read or has mistakes.
    """
    workspace = Workspace.open(config, cache)
    if config:
        detail(f"Configuration: {config}. Cache: {workspace.cache}")
    return workspace


def open_cache(cache: str | None, config: Path | None) -> Store:
    """The cache, to be read.

    Raises:
        CacheError: if it does not exist.
    """
    from zoo.cache.store import Store

    store = Store(open_workspace(cache, config).cache)
    if not store.exists():
        raise CacheError(f"There is no cache '{store.address}'. Name one with --cache, or make one with: zoometer refresh CONFIG")
    return store


def read_device_run(shared: Mapping[str, Any], devices: Path | None, cache: str) -> DeviceRun | None:
    """The device and how models run on it, from the options `DEVICE_RUN`; None without a device.

    Args:
        shared: the options.
        devices: a file with devices of the user's own.
        cache: a device without a data sheet is known if the cache has speeds of it.

    Raises:
        ConfigError: if an option needs a device and none is given.
        InputError: if the value of an option is wrong.
        UnknownNameError: if there is no such device.
    """
    stated = {name: value for name, value in shared.items() if value is not None}
    device = stated.pop("device", None)
    if device is None:
        if useless := [*stated, *(["devices"] if devices else [])]:
            raise ConfigError(
                f"--{useless[0]} is of no use without a device: --device NAME says on which models run (zoometer devices)."
            )
        return None
    from reports.models.model_latency import find_device_run

    return find_device_run(device, devices, stated, cache)
