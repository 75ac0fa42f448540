"""The software that a count rests on, which has to be the same wherever it is done. Read from metadata: nothing is imported."""

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
    """A worker on another machine has other software than the process that commits what it counts."""


def software(libraries: Iterable[str] = ()) -> dict[str, str]:
    """Versions by name: Python without its last number, the counter, the tracer, and what is installed of these libraries and our own.

    Builds are left out (`2.14.1`, not `2.14.1+cu130`): they do not change a count.
    """
    return _own() | {name: _version(name) for name in (*_ALWAYS, *libraries)}


def check_software(expected: Mapping[str, str], where: str) -> None:
    """Compares what is installed here with what is expected.

    Raises:
        VersionsDifferError: if anything differs; both versions are named.
    """
    found = software(expected.keys() - _own().keys())
    refuse_differences(expected, found, where)


def refuse_differences(expected: Mapping[str, str], found: Mapping[str, str], where: str) -> None:
    """Compares two sets of versions.

    Raises:
        VersionsDifferError: if anything differs; both versions are named.
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
