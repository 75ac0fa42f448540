"""A zoo whose library can be brought to another version while a test runs; `fakes_installed` makes it known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn
from zoo_of_poison import CLASSES, FAMILY, INPUT, Model, _installed_in, _Zoo

from zoo.records import Architecture, Task

FIRST, SECOND = "1.0", "1.1"


def set_version(folder: Path, version: str) -> None:
    """The version of the library installed in this folder."""
    (folder / "version").write_text(version, encoding="ascii")


class VersionedZoo(_Zoo):
    """Version 1.1 widens `grows`, breaks `breaks`, has `arrives` and no longer `leaves`."""

    name = "versioned"

    def version(self) -> str:
        file = _installed_in() / "version"
        return file.read_text(encoding="ascii") if file.exists() else FIRST

    def architectures(self) -> Sequence[Architecture]:
        names = ["stays", "grows", "breaks", "leaves" if self.version() == FIRST else "arrives"]
        return [Architecture(self.name, name, Task.CLASSIFICATION, FAMILY, INPUT, CLASSES) for name in names]

    def build(self, arch: str, options: dict[str, Any]) -> nn.Module:
        is_second = self.version() == SECOND
        if arch == "breaks" and is_second:
            raise ValueError("odd")
        return Model(options["classes"] + (arch == "grows" and is_second), lambda: None)
