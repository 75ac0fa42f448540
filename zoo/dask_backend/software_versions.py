"""Versions of the software that counts depend on, which must be equal on all workers. Read from metadata: nothing is imported."""

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
    """Other versions are installed on a worker than in the process that commits its rows."""


def installed_software(libraries: Iterable[str] = ()) -> dict[str, str]:
    """Versions by name: Python (major and minor), the counter, the tracer, the dependencies of zoometer and these libraries.

    Local versions are left out (`2.14.1`, not `2.14.1+cu130`): they do not change a count.
    """
    return _own() | {name: _version(name) for name in (*_ALWAYS, *libraries)}


def check_software(expected: Mapping[str, str], where: str) -> None:
    """Compares the installed versions with the expected ones.

    Raises:
        VersionsDifferError: if any differ.
    """
    require_equal(expected, installed_software(expected.keys() - _own().keys()), where)


def require_equal(expected: Mapping[str, str], found: Mapping[str, str], where: str) -> None:
    """Compares two sets of versions.

    Raises:
        VersionsDifferError: if any differ.
    """
    differing = [f"{name} {found[name]} there, {expected[name]} here" for name in expected if found[name] != expected[name]]
    if differing:
        raise VersionsDifferError(
            f"Dask worker {where} has other software than this process: {'; '.join(differing)}. Install the same versions on both."
        )


def _own() -> dict[str, str]:
    python = ".".join(platform.python_version_tuple()[:2])
    return {"python": python, "counter": COUNTER_VERSION, "tracer": TRACER_VERSION}


@cache
def _version(name: str) -> str:
    try:
        return metadata.version(name).partition("+")[0]
    except metadata.PackageNotFoundError:
        return _MISSING
