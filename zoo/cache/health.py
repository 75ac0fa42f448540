"""The size and the integrity of a cache. Nothing in it is changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from zoo.cache.row_keys import distinct_rows, is_among
from zoo.cache.schema.tables import DETAILS, KEY, OWNERS, TABLES
from zoo.cache.storage.parts import UnreadableError, decode
from zoo.cache.store import Store
from zoo.cache.table_store import DAMAGED, NEWER


@dataclass(frozen=True, slots=True)
class TableInfo:
    """The size of one table."""

    table: str
    files: int
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class CacheInfo:
    """Tables, costs and unreadable files of a cache."""

    address: str
    tables: tuple[TableInfo, ...]
    keys: int  # costs in force
    oldest: datetime | None  # when the oldest and the newest cost were counted
    newest: datetime | None
    set_aside: tuple[str, ...]  # damaged and foreign files, and those of a newer format


@dataclass(frozen=True, slots=True)
class CacheProblem:
    """An inconsistency in a cache."""

    what: str
    is_harmful: bool  # rows are missing until they are counted again; otherwise compaction corrects it


def inspect(store: Store) -> CacheInfo:
    """The tables with their sizes, and the time they span."""
    costs = store.costs(columns=KEY)
    history = store.read("costs", ["counted_at"])["counted_at"]
    span = pc.min_max(history).as_py() if len(history) else {"min": None, "max": None}
    set_aside = [
        store.files.path(f"{kind}/{name}", file)
        for kind in (DAMAGED, NEWER)
        for name in TABLES
        for file in sorted(store.files.names(f"{kind}/{name}"))
    ]
    tables = tuple(_table_info(store, name) for name in TABLES)
    return CacheInfo(store.address, tables, len(costs), span["min"], span["max"], tuple(set_aside))


def _table_info(store: Store, name: str) -> TableInfo:
    files = store.files.names(name)
    state = store.load(name, ())
    return TableInfo(name, len(files), state.rows, sum(store.files.size(name, file) for file in files))


def verify(store: Store) -> Iterator[CacheProblem]:
    """Reads every file completely and checks that the tables are consistent with each other."""
    for name in TABLES:
        yield from _verify_files(store, name)
        state = store.load(name, ())
        if state.replaced:
            yield CacheProblem(f"{name}: {len(state.replaced)} files were replaced and not yet removed", is_harmful=False)
        if state.merged_twice:
            yield CacheProblem(f"{name}: {len(state.merged_twice)} files were merged from the same ones", is_harmful=False)
    for owner, key in OWNERS.items():
        rows = store.read(owner, columns := [*key, "counted_at"])
        if repeated := len(rows) - len(distinct_rows(rows, columns)):
            yield CacheProblem(f"{owner}: {repeated} rows are repeated", is_harmful=False)
    for name, owner in DETAILS.items():
        columns = [*OWNERS[owner], "counted_at"]
        details_of = _owner_keys(store, name, columns)
        if orphans := pc.sum(pc.invert(is_among(details_of, store.read(owner, columns), columns))).as_py():
            yield CacheProblem(f"{name}: details of {orphans} counts that were never committed", is_harmful=False)
        if lacking := len(lacking_details(store, name)):
            what = f"{lacking} {owner} lack their {'operations' if name == 'ops' else name}"
            yield CacheProblem(f"{name}: {what}; zoometer refresh counts them again", is_harmful=True)


def lacking_details(store: Store, name: str) -> set[tuple[object, ...]]:
    """Keys of owners in force that have operations but no details, because a part of them was lost."""
    key = OWNERS[DETAILS[name]]
    owners = store.in_force(DETAILS[name], ["operations"])
    owners = owners.filter(pc.greater(pc.fill_null(owners["operations"], 0), 0))
    columns = [*key, "counted_at"]
    has_details = is_among(owners, _owner_keys(store, name, columns), columns)
    lacking = owners.filter(pc.invert(has_details)).select(list(key)).to_pylist()
    return {tuple(row.values()) for row in lacking}


def _owner_keys(store: Store, name: str, columns: list[str]) -> pa.Table:
    """Keys and times of the owners that details belong to. Details are read part by part: all of them may not fit into memory."""
    schema = pa.schema([TABLES[name].field(column) for column in columns])
    tables = [distinct_rows(rows, columns) for rows in store.iterate(name, columns)]
    return distinct_rows(pa.concat_tables([schema.empty_table(), *tables]), columns)


def _verify_files(store: Store, name: str) -> Iterator[CacheProblem]:
    for file in sorted(store.files.names(name)):
        try:
            decode(file, store.files.read(name, file), name)
        except UnreadableError as error:
            yield CacheProblem(f"{store.files.path(name, file)} {error}", is_harmful=True)
        except FileNotFoundError:  # merged meanwhile
            continue
        except OSError as error:
            reason = (
                "is no part of a cache" if isinstance(error, IsADirectoryError) else f"cannot be read: {error.strerror or error}"
            )
            yield CacheProblem(f"{store.files.path(name, file)} {reason}", is_harmful=True)
