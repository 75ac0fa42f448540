"""Zoos that a test makes known as an installed package would: through an entry point that every process finds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from paths import REPOSITORY, SUPPORT

from zoo.adapters import registry


def write_distribution(folder: Path, **zoos: str) -> None:
    """The metadata of an installed package that provides these zoos, each given as `module:Class`."""
    info = folder / "zoos_of_tests-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: zoos-of-tests\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        f"[{registry.GROUP}]\n" + "".join(f"{name} = {where}\n" for name, where in zoos.items())
    )


@contextmanager
def installed(folder: Path, **zoos: str) -> Iterator[None]:
    """Makes zoos known to this process and to the workers it starts, which get its `sys.path`."""
    write_distribution(folder, **zoos)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(SUPPORT))
        patch.syspath_prepend(str(folder))
        registry._entry_points.cache_clear()
        yield
    registry._entry_points.cache_clear()


def environment(folder: Path) -> dict[str, str]:
    """An environment in which a new interpreter finds what was written into `folder`, and no way to any network."""
    nowhere = "http://127.0.0.1:9"  # the discard port: nothing listens there
    proxies = {name: nowhere for base in ("http_proxy", "https_proxy", "all_proxy") for name in (base, base.upper())}
    paths = [str(folder), str(SUPPORT), str(REPOSITORY)]
    return {**os.environ, **proxies, "no_proxy": "", "NO_PROXY": "", "PYTHONPATH": os.pathsep.join(paths)}
