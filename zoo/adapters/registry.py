"""Zoos by name. Any installed package can add one through the entry-point group `zoometer.zoos`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from zoo.adapters.base import Zoo
from zoo.adapters.declared import DeclaredZoo
from zoo.errors import MissingLibraryError, UnknownNameError, did_you_mean
from zoo.records import DeclaredModel

GROUP = "zoometer.zoos"
_OWN = "zoometer"


@cache
def _entry_points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def zoo_names() -> list[str]:
    """Names of all installed zoos. Imports none of them."""
    return sorted(_entry_points())


def adapter_modules(names: Iterable[str]) -> list[str]:
    """The modules of these zoos, if they are installed. Imports none of them."""
    return [_entry_points()[name].module for name in names if name in _entry_points()]


def open_zoo(name: str, models: Sequence[DeclaredModel] = ()) -> Zoo:
    """The zoo of these declared models; without any, the installed zoo.

    Raises:
        UnknownNameError: if no installed package provides it.
        MissingLibraryError: if the package that provides it cannot be imported.
    """
    if models:
        return DeclaredZoo(name, models)
    point = _entry_points().get(name)
    if point is None:
        raise UnknownNameError(f"There is no zoo '{name}'.{did_you_mean(name, zoo_names())}")
    try:
        zoo: Zoo = point.load()()
    except ImportError as error:
        extra = name if point.dist is not None and point.dist.name == _OWN else None  # zoometer's extras are named like its zoos
        command = f": pip install '{_OWN}[{extra}]'" if extra else ""
        message = (
            f"Zoo '{name}' needs a package that is missing: {error}. Install it{command}, or take the zoo out of the config."
        )
        raise MissingLibraryError(message, extra) from error
    return zoo
