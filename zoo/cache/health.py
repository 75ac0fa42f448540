"""What a cache consists of, and whether all of it is as it was written. Nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from zoo.cache.identity import identities
from zoo.cache.schema.tables import DETAILS, KEY, OWNERS, SNAPSHOTS, TABLES
from zoo.cache.storage.parts import UnreadableError, decode
from zoo.cache.store import DAMAGED, NEWER, Store


@dataclass(frozen=True, slots=True)
class TableInfo:
    """The size of one table."""

    table: str
    files: int
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Info:
    """What a cache consists of."""

    address: str
    tables: tuple[TableInfo, ...]
    keys: int  # costs that are in force
    oldest: datetime | None  # when the oldest and the newest cost were counted
    newest: datetime | None
    set_aside: tuple[str, ...]  # files that were found damaged, foreign or of a newer format


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a cache that is not as it should be."""

    what: str
    is_harmful: bool  # rows are missing until they are counted again; otherwise compaction tidies it up


def inspect(store: Store) -> Info:
    """The tables with their sizes, and the time they span."""
    costs = store.costs(columns=KEY)
    history = store.read("costs", ["counted_at"])["counted_at"]
    span = pc.min_max(history).as_py() if len(history) else {"min": None, "max": None}
    aside = [
        store.files.path(f"{kind}/{name}", file)
        for kind in (DAMAGED, NEWER)
        for name in TABLES
        for file in sorted(store.files.names(f"{kind}/{name}"))
    ]
    tables = tuple(_table_info(store, name) for name in TABLES)
    return Info(store.address, tables, len(costs), span["min"], span["max"], tuple(aside))


def _table_info(store: Store, name: str) -> TableInfo:
    files = store.files.names(name)
    found = store.load(name) if name in SNAPSHOTS else store.load(name, ())
    rows = sum(len(part.table) if name in SNAPSHOTS else part.rows for part in found.parts.values())
    return TableInfo(name, len(files), rows, sum(store.files.size(name, file) for file in files))


def verify(store: Store) -> Iterator[Finding]:
    """Reads every file in full and holds the tables against each other."""
    for name in TABLES:
        yield from _verify_files(store, name)
        if leftovers := len(store.load(name, ()).replaced):
            yield Finding(f"{name}: {leftovers} files were replaced and not yet removed", is_harmful=False)
    for owner, key in OWNERS.items():
        names = identities(store.read(owner, own := [*key, "counted_at"]), own)
        if twice := len(names) - len(pc.unique(names)):
            yield Finding(f"{owner}: {twice} rows are there twice", is_harmful=False)
    for name, owner in DETAILS.items():
        columns = [*OWNERS[owner], "counted_at"]
        owned = _owned(store, name, columns)
        owners = identities(store.read(owner, columns), columns).combine_chunks()
        if orphans := len(owned.filter(pc.invert(pc.is_in(owned, owners)))):
            yield Finding(f"{name}: details of {orphans} counts that were never committed", is_harmful=False)
        if lacking := len(lacking_details(store, name)):
            what = f"{lacking} {owner} lack their {'operations' if name == 'ops' else name}"
            yield Finding(f"{name}: {what}; zoometer refresh counts them again", is_harmful=True)


def lacking_details(store: Store, name: str) -> set[tuple[object, ...]]:
    """Keys of the owners in force that say they have operations, while there are no details: a part of them was lost."""
    key = OWNERS[DETAILS[name]]
    owners = store.in_force(DETAILS[name], ["operations"])
    owners = owners.filter(pc.greater(pc.fill_null(owners["operations"], 0), 0))
    columns = [*key, "counted_at"]
    has_some = pc.is_in(identities(owners, columns), _owned(store, name, columns))
    lacking = owners.filter(pc.invert(has_some)).select(list(key)).to_pylist()
    return {tuple(row.values()) for row in lacking}


def _owned(store: Store, name: str, columns: list[str]) -> pa.Array:
    """The owners that details name. Read a part at a time: details may be more than the memory holds."""
    found = [pc.unique(identities(rows, columns)) for rows in store.by_part(name, columns)]
    return pc.unique(pa.chunked_array(found, pa.string()))


def _verify_files(store: Store, name: str) -> Iterator[Finding]:
    for file in sorted(store.files.names(name)):
        try:
            decode(file, store.files.read(name, file), name)
        except UnreadableError as error:
            yield Finding(f"{store.files.path(name, file)} {error}", is_harmful=True)
        except FileNotFoundError:  # merged meanwhile
            continue
        except OSError as error:
            why = (
                "is no part of a cache" if isinstance(error, IsADirectoryError) else f"cannot be read: {error.strerror or error}"
            )
            yield Finding(f"{store.files.path(name, file)} {why}", is_harmful=True)
