"""Which cache a command is about: one that is named, or that of a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from zoo.addresses import Address
from zoo.errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo.cache.store import Store
    from zoo.settings import ZooSettings

CacheOption = Annotated[
    str,
    typer.Option("--cache", metavar="CACHE", help="Folder or address of the cache.", callback=lambda text: Address.of(text)),  # noqa: PLW0108 - typer reads its signature
]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", metavar="CONFIG", help="Take the cache of this configuration.", show_default=False)
]

ModelConfig = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="CONFIG", help="Take the cache, and declared zoos, of this configuration.", show_default=False
    ),
]
"""As `ConfigOption`, for verbs that look a model up."""


def open_cache(cache: str, config: Path | None) -> Store:
    """The cache, to be read.

    Raises:
        CacheError: if there is none.
    """
    from reports.config.config_file import load_config
    from zoo.cache.store import Store

    store = Store(load_config(config).cache if config else cache)
    if not store.exists():
        raise CacheError(f"There is no cache '{store.address}'. Name one with --cache, or make one with: zoometer refresh CONFIG")
    return store


def cache_and_zoos(cache: str, config: Path | None) -> tuple[str, Mapping[str, ZooSettings]]:
    """Where facts are, and the settings of the zoos that a configuration declares."""
    if config is None:
        return cache, {}
    from reports.config.config_file import load_config

    settings = load_config(config).refresh_settings()
    return settings.cache, {name: zoo for name, zoo in settings.zoos.items() if zoo.models}
