"""The example files of `configs/`. A wheel contains them in this package; a checkout only in that folder."""

from __future__ import annotations

from importlib import resources
from pathlib import Path


def shipped_text(name: str) -> str:
    """The text of a file of `configs/`, such as `default.yaml` or `schedule/zoometer-nightly.cron`."""
    package = resources.files("reports.cli")
    packed = package.joinpath("examples", *name.split("/"))
    if packed.is_file():
        return packed.read_text(encoding="utf-8")
    return (Path(str(package)).parents[1] / "configs" / name).read_text(encoding="utf-8")
