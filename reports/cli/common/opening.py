"""Which configuration, cache and device a command is about. What is named comes before what the configuration says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from reports.cli.common.output import detail
from zoo.errors import CacheError, ConfigError
from zoo.settings import DEFAULT_CACHE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reports.config.config import Config
    from reports.models.model_latency import DeviceRun
    from zoo.cache.store import Store
    from zoo.settings import ZooSettings


def read_config(path: Path, cache: str | None = None, out: Path | None = None) -> Config:
    """A configuration file, with the cache and the folder of reports that the command line or the environment names.

    Raises:
        ConfigError: if the file cannot be read or has mistakes.
    """
    from reports.config.config_file import load_config  # slow to import

    config = load_config(path, cache=cache, out=out)
    detail(f"Configuration: {path}. Cache: {config.cache}")
    return config


def cache_address(cache: str | None, config: Path | None) -> str:
    """The cache that is named, else that of the configuration, else `cache/`."""
    return read_config(config, cache).cache if config else cache or DEFAULT_CACHE


def open_cache(cache: str | None, config: Path | None) -> Store:
    """The cache, to be read.

    Raises:
        CacheError: if there is none.
    """
    from zoo.cache.store import Store

    store = Store(cache_address(cache, config))
    if not store.exists():
        raise CacheError(f"There is no cache '{store.address}'. Name one with --cache, or make one with: zoometer refresh CONFIG")
    return store


def cache_and_zoos(cache: str | None, config: Path | None) -> tuple[str, Mapping[str, ZooSettings]]:
    """Where facts are, and the settings of the zoos that a configuration declares."""
    if config is None:
        return cache or DEFAULT_CACHE, {}
    settings = read_config(config, cache).refresh_settings()
    return settings.cache, {name: zoo for name, zoo in settings.zoos.items() if zoo.models}


def read_device_run(shared: Mapping[str, Any], devices: Path | None, cache: str) -> DeviceRun | None:
    """The device and the way of running that the options of `DEVICE_RUN` name; None without a device.

    Args:
        shared: the options.
        devices: a file with devices of a user's own.
        cache: whose speeds may name a device of their own.

    Raises:
        ConfigError: if a way of running is stated without a device.
        InputError: if an option is wrong.
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
