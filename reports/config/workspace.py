"""The cache that a command or a call works on, and its configuration if one is named."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.settings import DEFAULT_CACHE

if TYPE_CHECKING:
    from reports.config.config import Config
    from zoo.records import DeclaredModel
    from zoo.settings import ZooSettings


@dataclass(frozen=True)
class Workspace:
    """A cache, and a configuration or None."""

    cache: str
    config: Config | None = None

    @classmethod
    def open(cls, config: str | Path | None, cache: str | None) -> Workspace:
        """Reads the configuration, if there is one.

        Args:
            config: path of the configuration. None: there is none.
            cache: folder or address. None: the configuration's, or `cache/`.

        Raises:
            ConfigError: if the configuration cannot be read or has mistakes.
        """
        if config is None:
            return cls(cache or DEFAULT_CACHE)
        from reports.config.config_file import load_config  # slow to import

        loaded = load_config(config, cache=cache)
        return cls(loaded.cache, loaded)

    @property
    def declared_models(self) -> dict[str, tuple[DeclaredModel, ...]]:
        """The models of each zoo that the configuration declares."""
        return self.config.declared_models() if self.config else {}

    @property
    def declared_zoos(self) -> dict[str, ZooSettings]:
        """The settings of the zoos that the configuration declares."""
        zoos = self.config.refresh_settings().zoos if self.config else {}
        return {name: zoo for name, zoo in zoos.items() if zoo.models}

    def devices_file(self, named: str | Path | None) -> str | Path | None:
        """The user's file of devices: the named one, else that of the configuration."""
        return named or (self.config.devices if self.config else None)
