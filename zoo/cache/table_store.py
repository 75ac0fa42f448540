"""Tables as folders of immutable part files, which any number of processes append to, merge and read at the same time.

The protocol:

1. A part is written whole, under a name that no other part has, and never changes.
2. A part that holds the rows of other parts lists them: it *replaces* them. Replaced parts do not count wherever the new part is
   seen. They are removed once it is durable, and replaced in turn once removals of before are.
3. A merge also lists what its sources replaced, as long as one of those files may still be seen: for an hour, or until it is gone.
4. Two parts that replace the same part come from merges that ran at the same time. Rows that both hold count once.
5. A reader that misses a file which was listed starts again.

Hence each row is read exactly once, whatever the order in which files appear, are removed, or are lost in a crash. Of a snapshot
table, in contrast, the newest part of each zoo counts: parts are named in the order in which they were written, whatever the clock says.

A file that is damaged, foreign or of a newer format is left out with a warning, and moved aside by the next writer.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from zoo.addresses import Address
from zoo.cache.row_keys import distinct_rows
from zoo.cache.schema.tables import SNAPSHOTS, TABLES
from zoo.cache.schema.upgrades import FORMER_FOLDERS
from zoo.cache.storage.files import open_files
from zoo.cache.storage.parts import (
    LoadedPart,
    Notes,
    UnreadableError,
    Where,
    by_age,
    decode,
    encode,
    is_replacing,
    new_name,
    ranges_to_read,
    written_at,
)
from zoo.cache.storage.table_state import TableState
from zoo.errors import CacheError

if TYPE_CHECKING:
    from zoo.cache.storage.remote_files import Read

_log = logging.getLogger(__name__)

_ATTEMPTS = 100
_LONGEST_PAUSE_S = 0.2
"""Readings of a table that keeps changing, and the longest pause between two of them."""

_REPLACEMENT_AGE = timedelta(hours=1)
"""Time for which a replaced part may still be listed somewhere: a removal that a power cut undid, a listing that lags behind."""

DAMAGED, NEWER = "damaged", "newer"
"""Folders for files that were set aside; those of a newer format are moved back once they can be read."""


class TableStore:
    """The tables at a folder or any fsspec address."""

    def __init__(self, address: str | os.PathLike[str]) -> None:
        self.address = Address.of(os.fspath(address))
        self.files = open_files(self.address)
        self._is_writer = False
        self._warned: set[tuple[str, str]] = set()
        self._surveyed: dict[tuple[str, str], LoadedPart] = {}  # notes and sizes of parts, which never change

    def exists(self) -> bool:
        """Whether there is a cache at the address."""
        return self.files.has_folder("costs")

    def prepare(self) -> None:
        """Prepares for writing: makes folders, and moves files that this version can read to the folder of their table.

        Raises:
            CacheError: if the cache cannot be written.
        """
        self.files.prepare(list(TABLES))
        self._is_writer = True
        folders = {f"{NEWER}/{name}": name for name in TABLES} | {former: name for name, former in FORMER_FOLDERS.items()}
        for folder, name in folders.items():
            for file in self.files.names(folder):
                with contextlib.suppress(UnreadableError, OSError):
                    decode(file, self.files.read(folder, file), name)
                    self.files.move(file, folder, name)

    def append(self, name: str, table: pa.Table, *, replaces: Collection[str] = ()) -> str | None:
        """Adds a part to a table and returns its name. When this returns, it is durable and the parts it replaces are removed.

        Raises:
            CacheError: if the part cannot be written.
        """
        if not len(table):
            return None
        listed = set[str]()
        if replaces:
            listed = self.files.names(name)
            self.files.flush(name)  # what is not listed must not come back: removals of others need not be durable yet
        gone = {*replaces, *self._replaced_before(name, replaces, listed)}
        file = self._write_part(name, table, {"replaces": sorted(gone)} if gone else {}, after=gone, is_replacing=bool(gone))
        for old in {*replaces, *(gone & listed)}:
            self.files.remove(name, old)
        return file

    def _replaced_before(self, name: str, files: Iterable[str], listed: AbstractSet[str]) -> Iterator[str]:
        """What these files replaced, as far as it may still be seen."""
        for file in files:
            is_recent = written_at(file) > datetime.now(UTC) - _REPLACEMENT_AGE
            if is_replacing(file) and (part := self._surveyed.get((name, file))):
                yield from (old for old in part.replaces if is_recent or old in listed)

    def replace(self, name: str, table: pa.Table, zoos: set[str], notes: Mapping[str, Notes] | None = None) -> None:
        """Makes `table` the state of these zoos in a snapshot table; `notes` by zoo.

        Each zoo has a part of its own, so that refreshes of different zoos do not affect each other. An unchanged state is not
        written again.
        """
        assert name in SNAPSHOTS
        state = self.load(name)
        for zoo in sorted(zoos):
            rows = table.filter(pc.equal(table["zoo"], zoo))
            own_notes = {**(notes or {}).get(zoo, {}), "zoos": [zoo]}
            before = [part for part in state.parts.values() if zoo in part.zoos]
            if len(before) != 1 or before[0].notes != own_notes or not before[0].table.equals(rows):
                self._write_part(name, rows, own_notes, after=self.files.names(name))
        self.remove_replaced(name, self.load(name).replaced)

    def remove_replaced(self, name: str, files: Collection[str]) -> None:
        """Removes parts that others replace, or whose rows are superseded, once these are durable.

        Their writers may have failed before they could tell.

        Raises:
            CacheError: if they cannot be made durable.
        """
        if files:
            self.files.flush(name)
        for file in files:
            self.files.remove(name, file)

    def _write_part(self, name: str, table: pa.Table, notes: Notes, *, after: Iterable[str], is_replacing: bool = False) -> str:
        data = encode(table, notes)
        file = new_name(data, after=after, is_replacing=is_replacing)
        self.files.write(name, file, data)
        return file

    def read(self, name: str, columns: Iterable[str] | None = None, where: Where | None = None) -> pa.Table:
        """All rows of a table, or those that match `where`; of a snapshot table, the newest state of each zoo."""
        columns = list(TABLES[name].names if columns is None else columns)
        schema = pa.schema([TABLES[name].field(column) for column in columns])
        state = self.load(name, columns, where)
        if not state.merged_twice:
            return state.table(schema)
        names = TABLES[name].names
        return distinct_rows(self.load(name, names, where).table(TABLES[name]), names).select(columns)

    def load(self, name: str, columns: Iterable[str] | None = None, where: Where | None = None) -> TableState:
        """The state of a table, with the rows of each part. With no columns, only notes and sizes are read, and remembered.

        Raises:
            CacheError: if the table cannot be read, or changes faster than it can be read.
        """
        load = self._load_snapshot if name in SNAPSHOTS else self._load_parts
        for attempt in range(_ATTEMPTS):
            try:
                return load(name, columns, where)
            except FileNotFoundError:  # merged or replaced after it was listed
                time.sleep(min(0.01 * attempt, _LONGEST_PAUSE_S))
        raise CacheError(f"Table '{name}' of cache '{self.address}' keeps changing while it is read. Try again.")

    def _load_parts(self, name: str, columns: Iterable[str] | None, where: Where | None) -> TableState:
        listed = self.files.names(self._folder(name))
        newest_first = by_age(listed)[::-1]
        parts: dict[str, LoadedPart] = {}
        replaced: set[str] = set()
        # Parts that replace others come first, so that most of the replaced ones need not be read.
        for files in (filter(is_replacing, newest_first), [file for file in newest_first if not is_replacing(file)]):
            for file, part in self._read_parts(name, list(files), replaced, columns, where):
                parts[file] = part
                replaced.update(part.replaces)
        counting = {file: parts[file] for file in by_age(parts) if file not in replaced}
        return TableState(counting, replaced & listed, listed - parts.keys() - replaced)

    def _load_snapshot(self, name: str, columns: Iterable[str] | None, where: Where | None) -> TableState:
        listed = self.files.names(self._folder(name))
        columns = list(TABLES[name].names if columns is None else columns)
        state, known_zoos = TableState(), set[str]()
        for file, part in self._read_parts(name, by_age(listed)[::-1], frozenset(), None, where):
            if zoos := [zoo for zoo in part.zoos if zoo not in known_zoos]:
                known_zoos.update(zoos)
                rows = part.table.filter(pc.is_in(part.table["zoo"], pa.array(zoos, pa.string())))
                notes = {**part.notes, "zoos": zoos}
                state.parts[file] = replace(part, table=rows.select(columns), notes=notes, rows=len(rows))
            else:
                state.replaced.add(file)
        state.parts = {file: state.parts[file] for file in by_age(state.parts)}
        state.unreadable = listed - state.parts.keys() - state.replaced
        return state

    def rows(self, name: str, files: Iterable[str], columns: Iterable[str] | None = None) -> Iterator[tuple[str, pa.Table]]:
        """All rows of each of these parts; parts that are gone or unreadable are left out."""
        for file, read in self._reads(name, files, columns, None):
            with contextlib.suppress(FileNotFoundError):
                if part := self._decode(name, file, columns, None, read):
                    yield file, part.table

    def iterate(self, name: str, columns: Iterable[str]) -> Iterator[pa.Table]:
        """All rows of a table, one part after the other. Where parts are merged meanwhile, rows may come twice."""
        columns = list(columns)
        known: set[str] = set()
        while new := [file for file in self.load(name, ()).parts if file not in known]:
            known.update(new)
            for _, rows in self.rows(name, new, columns):
                yield rows

    def check(self, name: str) -> None:
        """Compares every part of a table with its checksum; a writer sets aside those that differ."""
        for _ in self.rows(name, sorted(self.files.names(name)), ()):
            pass

    def notes(self, name: str) -> dict[str, Notes]:
        """The notes of each zoo of a snapshot table."""
        return {zoo: part.notes for part in self.load(name).parts.values() for zoo in part.zoos}

    def _folder(self, name: str) -> str:
        """Where the parts of a table are; those of a renamed table are moved by the first writer."""
        former = FORMER_FOLDERS.get(name)
        return former if former and not self._is_writer and not self.files.has_folder(name) else name

    def _read_parts(
        self, name: str, files: Sequence[str], replaced: AbstractSet[str], columns: Iterable[str] | None, where: Where | None
    ) -> Iterator[tuple[str, LoadedPart]]:
        """Those of the files that are parts, without those that are `replaced`, which may grow meanwhile."""
        is_survey = columns == ()
        known = {file: part for file in files if is_survey and (part := self._surveyed.get((name, file)))}
        yield from ((file, part) for file, part in known.items() if file not in replaced)
        unread = (file for file in files if file not in known and file not in replaced)
        for file, read in self._reads(name, unread, columns, where):
            if file not in replaced and (part := self._decode(name, file, columns, where, read)):
                if is_survey:
                    self._surveyed[name, file] = part
                yield file, part

    def _reads(
        self, name: str, files: Iterable[str], columns: Iterable[str] | None, where: Where | None
    ) -> Iterator[tuple[str, Read]]:
        """Each file with a function that reads it; of a large remote file only what is asked for."""
        folder = self._folder(name)
        if not where and (columns is None or {*columns}.issuperset(TABLES[name].names)):
            return self.files.reads(folder, files)
        return self.files.reads(folder, files, lambda parquet: ranges_to_read(parquet, name, columns, where))

    def _decode(self, name: str, file: str, columns: Iterable[str] | None, where: Where | None, read: Read) -> LoadedPart | None:
        """The part in a file; None, with a warning, if it is not one or cannot be read."""
        folder = self._folder(name)
        try:
            data = read()
            return decode(file, data, name, columns, where, is_whole=isinstance(data, bytes))
        except UnreadableError as error:
            self._set_aside(folder, file, str(error), NEWER if error.is_newer else DAMAGED)
        except IsADirectoryError:
            self._set_aside(folder, file, "is no part of a cache", DAMAGED)
        except FileNotFoundError:
            if not self.files.is_local or file not in self.files.names(folder):
                raise
            self._set_aside(folder, file, "is no part of a cache", DAMAGED)  # a link to nowhere
        except OSError as error:
            if not self.files.is_local:  # the storage does not answer; one file on a disk may be beyond help
                raise CacheError(
                    f"{self.files.path(folder, file)} cannot be read: {error.strerror or error}. Try again."
                ) from None
            self._warn(folder, file, f"cannot be read: {error.strerror or error}. Its rows will be counted again.")
        return None

    def _set_aside(self, folder: str, file: str, reason: str, kind: str) -> None:
        action = "It is left out"
        if self._is_writer and self.files.move(file, folder, f"{kind}/{folder}"):
            action = f"It was moved to {self.files.path(f'{kind}/{folder}', file)}"
        self._warn(folder, file, f"{reason}. {action}; its rows will be counted again.")

    def _warn(self, folder: str, file: str, message: str) -> None:
        if (folder, file) not in self._warned:
            self._warned.add((folder, file))
            _log.warning("%s %s", self.files.path(folder, file), message)
