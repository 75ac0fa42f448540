"""What the zoos have, without asking them where nothing can have changed: listing timm and torchvision imports torch first.

A zoo's list is kept in the cache together with what it depends on: the adapter's source and the versions of the libraries it
names. As long as these are the same, the list is. A zoo is asked by every refresh if its adapter names no libraries, if one of
them is an editable installation or is found elsewhere than its metadata say, and if the configuration declares it.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from zoo.adapters.fingerprint import fingerprint
from zoo.adapters.registry import adapter_modules, open_zoo
from zoo.cache.schema.tables import table_of
from zoo.cache.storage.parts import Notes
from zoo.cache.store import Store
from zoo.counting.version import COUNTER_VERSION
from zoo.errors import UnknownNameError
from zoo.records import Architecture, Versions
from zoo.settings import Execution, RefreshSettings, ZooSettings

_NOTE = "catalogue"


@dataclass(frozen=True, slots=True)
class ZooListing:
    """What one zoo has."""

    architectures: list[Architecture]
    library_version: str
    depends_on: Notes | None  # None: it is asked every time
    is_new: bool

    @property
    def versions(self) -> Versions:
        """What a count of this zoo depends on now."""
        return Versions(self.library_version, torch_version(), COUNTER_VERSION)


def list_zoos(settings: RefreshSettings, store: Store) -> dict[str, ZooListing]:
    """Every zoo's architectures, from the cache where they are still what the zoo would say.

    Raises:
        UnknownNameError: if a zoo is not installed.
        ZooError: if one cannot be imported.
    """
    notes = store.notes("architectures")
    kept = store.architectures() if notes else []
    listings = {name: _kept_listing(name, notes.get(name, {}), kept) for name, zoo in settings.zoos.items() if not zoo.models}
    if None in listings.values():
        preload(settings.execution, settings.zoos)  # what is new to the cache has to be counted as well
    return {name: listings.get(name) or _new_listing(name, zoo) for name, zoo in settings.zoos.items()}


def preload(execution: Execution, zoos: Iterable[str]) -> None:
    """Starts importing what workers need where they are children of this process; elsewhere they do so themselves."""
    if execution.uses_child_processes:
        from zoo.workers.local_pool import preload_workers

        preload_workers(adapter_modules(zoos))


def cached_architectures(name: str, store: Store) -> list[Architecture] | None:
    """What an installed zoo has, if the cache knows it as the zoo would say it now; None if the zoo has to be asked."""
    listing = _kept_listing(name, store.notes("architectures").get(name, {}), store.architectures())
    return listing.architectures if listing else None


def _kept_listing(name: str, notes: Notes, kept: Sequence[Architecture]) -> ZooListing | None:
    note = notes.get(_NOTE)
    if not note or dependencies(name, note["libraries"]) != note["depends_on"]:
        return None
    own = [architecture for architecture in kept if architecture.zoo == name]
    if _sizes(own) != note["sizes"]:  # lists and weights are two tables: one may be lost
        return None
    return ZooListing(own, note["version"], note["depends_on"], is_new=False)


def _new_listing(name: str, settings: ZooSettings) -> ZooListing:
    zoo = open_zoo(name, settings.models)
    libraries: Sequence[str] = () if settings.models else getattr(zoo, "libraries", ())
    return ZooListing(list(zoo.architectures()), zoo.version(), dependencies(name, libraries), is_new=True)


def save_listings(store: Store, listings: Mapping[str, ZooListing]) -> None:
    """Commits what the zoos have. The weights come first: architectures carry the note that makes both count."""
    new = {name: listing for name, listing in listings.items() if listing.is_new}
    if not new:
        return
    architectures = [(a, listing.library_version) for listing in new.values() for a in listing.architectures]
    weights = [{**_row(w), "family": a.family, "library_version": version} for a, version in architectures for w in a.weights]
    store.replace("weights", table_of("weights", weights), set(new))
    rows = [{**_row(a), "arch": a.name, "library_version": version} for a, version in architectures]
    store.replace("architectures", table_of("architectures", rows), set(new), {n: _notes(listing) for n, listing in new.items()})


def _row(record: Architecture | Any) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}


def _notes(listing: ZooListing) -> Notes:
    if listing.depends_on is None:
        return {}
    return {
        _NOTE: {
            "version": listing.library_version,
            "libraries": sorted(listing.depends_on["libraries"]),
            "depends_on": listing.depends_on,
            "sizes": _sizes(listing.architectures),
        }
    }


def _sizes(architectures: Sequence[Architecture]) -> list[int]:
    return [len(architectures), sum(len(a.weights) for a in architectures)]


def dependencies(name: str, libraries: Sequence[str]) -> Notes | None:
    """What an installed zoo's list depends on; None where that cannot be told without asking the zoo."""
    modules = adapter_modules([name])
    versions = {library: _settled_version(library) for library in libraries}
    if not modules or not versions or None in versions.values():
        return None
    try:
        return {"adapter": fingerprint(modules, ""), "libraries": versions}
    except UnknownNameError:
        return None


def _settled_version(library: str) -> str | None:
    """A library's version, if its files are those of a finished installation."""
    try:
        distribution = metadata.distribution(library)
        spec = importlib.util.find_spec(library.replace("-", "_"))
    except (metadata.PackageNotFoundError, ImportError, ValueError):
        return None
    origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    if origin.get("dir_info", {}).get("editable") or spec is None or spec.origin is None:
        return None
    installed = Path(str(distribution.locate_file(library.replace("-", "_"))))
    return distribution.version if Path(spec.origin).parent.resolve() == installed.resolve() else None


def torch_version() -> str:
    """torch's version without its build (`2.14.1`, not `2.14.1+cu130`), read without importing it."""
    return metadata.version("torch").partition("+")[0]
