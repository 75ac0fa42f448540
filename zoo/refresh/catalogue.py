"""Lists the architectures of zoos, from the cache if possible: importing timm and torchvision imports torch, which is slow.

A cached list is valid as long as the adapter's source and the versions of the libraries it names do not change. A zoo is listed anew
by every refresh if its adapter names no libraries, if one of them is an editable installation or is not imported from where its
metadata say, and if the configuration declares it.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from zoo.adapters.fingerprint import fingerprint
from zoo.adapters.registry import adapter_modules, open_zoo
from zoo.cache.schema.tables import table_of
from zoo.cache.storage.parts import Notes
from zoo.cache.store import Store
from zoo.counting.version import COUNTER_VERSION
from zoo.errors import MissingLibraryError, UnknownNameError
from zoo.records import Architecture, Versions, as_row
from zoo.settings import Execution, Listener, RefreshSettings, ZooSettings

_NOTE = "catalogue"


@dataclass(frozen=True, slots=True)
class ZooListing:
    """The architectures of one zoo."""

    architectures: list[Architecture]
    library_version: str
    depends_on: Notes | None  # None: it must be listed by every refresh
    is_new: bool  # not from the cache

    @property
    def versions(self) -> Versions:
        """The installed versions that counts of this zoo depend on."""
        return Versions(self.library_version, torch_version(), COUNTER_VERSION)


def list_zoos(
    settings: RefreshSettings, store: Store, listener: Listener | None = None, *, will_count: bool = False
) -> dict[str, ZooListing]:
    """The architectures of all zoos, without the optional ones whose library is missing.

    Args:
        settings: which zoos.
        store: the cache, whose lists are used where they are valid.
        listener: is told which zoos are left out.
        will_count: whether new architectures are counted next: what workers need is imported meanwhile.

    Raises:
        UnknownNameError: if a zoo is not installed.
        MissingLibraryError: if the library of one that is not optional cannot be imported.
    """
    cached = _cached_listings([name for name, zoo in settings.zoos.items() if not zoo.models], store)
    if will_count and None in cached.values():
        preload(settings.execution, settings.zoos)
    listings: dict[str, ZooListing] = {}
    for name, zoo in settings.zoos.items():
        try:
            listings[name] = cached.get(name) or _new_listing(name, zoo)
        except MissingLibraryError as error:
            if not zoo.is_optional:
                raise
            if listener is not None:
                listener.notify(f"Left out: {error}")
    return listings


def preload(execution: Execution, zoos: Iterable[str]) -> None:
    """Starts importing the modules that workers need, if workers are children of this process."""
    if execution.uses_child_processes:
        from zoo.workers.local_pool import preload_workers

        preload_workers(adapter_modules(zoos))


def cached_architectures(name: str, store: Store) -> list[Architecture] | None:
    """The architectures of an installed zoo; None if the cached list is not valid."""
    listing = _cached_listings([name], store)[name]
    return listing.architectures if listing else None


def _cached_listings(names: Iterable[str], store: Store) -> dict[str, ZooListing | None]:
    notes = {zoo: note[_NOTE] for zoo, note in store.notes("architectures").items() if _NOTE in note}
    cached = store.architectures() if notes else []
    listings: dict[str, ZooListing | None] = {}
    for name in names:
        note, own = notes.get(name), [architecture for architecture in cached if architecture.zoo == name]
        depends_on = dependencies(name, note["depends_on"]["libraries"]) if note else None
        is_valid = note and depends_on == note["depends_on"] and _sizes(own) == note["sizes"]
        listings[name] = ZooListing(own, note["version"], depends_on, is_new=False) if note and is_valid else None
    return listings


def _new_listing(name: str, settings: ZooSettings) -> ZooListing:
    zoo = open_zoo(name, settings.models)
    libraries: Sequence[str] = () if settings.models else zoo.libraries
    return ZooListing(list(zoo.architectures()), zoo.version(), dependencies(name, libraries), is_new=True)


def save_listings(store: Store, listings: Mapping[str, ZooListing]) -> None:
    """Commits new lists: first the weights, because the note that makes both valid is written with the architectures."""
    new = {name: listing for name, listing in listings.items() if listing.is_new}
    if not new:
        return
    architectures = [(a, listing.library_version) for listing in new.values() for a in listing.architectures]
    weights = [{**as_row(w), "family": a.family, "library_version": version} for a, version in architectures for w in a.weights]
    store.replace("weights", table_of("weights", weights), set(new))
    rows = [{**as_row(a), "arch": a.name, "library_version": version} for a, version in architectures]
    notes: dict[str, Notes] = {
        name: {_NOTE: {"version": one.library_version, "depends_on": one.depends_on, "sizes": _sizes(one.architectures)}}
        for name, one in new.items()
        if one.depends_on is not None
    }
    store.replace("architectures", table_of("architectures", rows), set(new), notes)


def _sizes(architectures: Sequence[Architecture]) -> list[int]:
    """Numbers of architectures and of weights. A cached list is only valid if both tables have all rows."""
    return [len(architectures), sum(len(a.weights) for a in architectures)]


def dependencies(name: str, libraries: Iterable[str]) -> Notes | None:
    """What the list of an installed zoo depends on; None if it is not known without importing the zoo."""
    modules = adapter_modules([name])
    versions = {library: _release_version(library) for library in libraries}
    if not modules or not versions or None in versions.values():
        return None
    try:
        return {"adapter": fingerprint(modules, ""), "libraries": versions}
    except UnknownNameError:
        return None


def _release_version(library: str) -> str | None:
    """A library's version, unless its source may change without a new version."""
    try:
        distribution = metadata.distribution(library)
        package = _package_of(distribution)
        spec = importlib.util.find_spec(package)
    except (metadata.PackageNotFoundError, ImportError, ValueError):
        return None
    origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    if origin.get("dir_info", {}).get("editable") or spec is None or spec.origin is None:
        return None
    installed = Path(str(distribution.locate_file(package)))
    return distribution.version if Path(spec.origin).parent.resolve() == installed.resolve() else None


def _package_of(distribution: metadata.Distribution) -> str:
    """The package that a distribution installs: usually of the same name, but `open_clip_torch` installs `open_clip`."""
    own_name = distribution.name.replace("-", "_")
    if importlib.util.find_spec(own_name) is not None:
        return own_name
    packages = (file.parts[0] for file in distribution.files or () if len(file.parts) == 2 and file.name == "__init__.py")
    return next(packages, own_name)


def torch_version() -> str:
    """torch's version without its local version (`2.14.1`, not `2.14.1+cu130`), read without importing it."""
    return metadata.version("torch").partition("+")[0]
