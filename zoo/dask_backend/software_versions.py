"""Versions of the software that counts depend on, which must be equal on all workers. They are read without importing anything."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata

from zoo.counting.version import COUNTER_VERSION, TRACER_VERSION
from zoo.errors import ZooError

_ALWAYS = ("zoometer", "torch", "torchvision", "timm")
_MISSING = "none"


class VersionsDifferError(ZooError):
    """A worker has other versions than the process that commits its rows."""


def installed_software(libraries: Iterable[str] = ()) -> dict[str, str]:
    """Versions by name: Python (major and minor), the counter, the tracer, the dependencies of zoometer and these libraries.

    Local versions are left out (`2.14.1`, not `2.14.1+cu130`): they do not change a count.
    """
    python = ".".join(platform.python_version_tuple()[:2])
    own = {"python": python, "counter": COUNTER_VERSION, "tracer": TRACER_VERSION}
    return own | {name: _version_of(name) for name in (*_ALWAYS, *libraries) if name not in own}


def require_equal(expected: Mapping[str, str], installed: Mapping[str, str], where: str) -> None:
    """Compares the versions on a worker with the expected ones.

    Raises:
        VersionsDifferError: if any differ.
    """
    differing = [
        f"{name} {installed[name]} there, {expected[name]} here" for name in expected if installed[name] != expected[name]
    ]
    if differing:
        raise VersionsDifferError(
            f"Dask worker {where} has other software than this process: {'; '.join(differing)}. Install the same versions on both."
        )


@cache
def _version_of(name: str) -> str:
    try:
        return metadata.version(name).partition("+")[0]
    except metadata.PackageNotFoundError:
        return _MISSING
