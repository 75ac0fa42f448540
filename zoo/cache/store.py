"""Reading and writing the tables: immutable part files in a folder a table.

Writers never collide, because no two parts have one name; a reader sees a part completely or not at all. A part may say that it
replaces others: these no longer count from the moment it is there, whether or not somebody has removed them yet. What is no
part, or no longer as it was written, is set aside by the next writer and left out by readers; its rows are counted again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from zoo.addresses import Address
from zoo.cache.identity import details_of, newest_of_each, numbered, those_of
from zoo.cache.runs import Run, runs_of
from zoo.cache.schema.tables import DETAILS, NESTED, OWNERS, SNAPSHOTS, TABLES
from zoo.cache.schema.trace_rows import from_table
from zoo.cache.schema.upgrades import FORMER_FOLDERS
from zoo.cache.storage.files import open_files
from zoo.cache.storage.parts import (
    Notes,
    Part,
    UnreadableError,
    Where,
    by_age,
    decode,
    encode,
    is_replacing,
    new_name,
    pick_pages,
)
from zoo.errors import CacheError, UnknownNameError
from zoo.records import SPEED_KEY, Accuracy, Architecture, Status, TraceKey, Weights
from zoo.traces import Trace

if TYPE_CHECKING:
    from zoo.cache.storage.remote_files import Read

_log = logging.getLogger(__name__)
_READS = 100
DAMAGED, NEWER = "damaged", "newer"
"""Folders for what was set aside; files of a newer version are taken back once they can be read."""


@dataclass
class Found:
    """What a table consists of at one moment."""

    parts: dict[str, Part] = field(default_factory=dict)  # by file name, the oldest first
    replaced: set[str] = field(default_factory=set)  # files whose rows others have

    def table(self, schema: pa.Schema) -> pa.Table:
        """All rows together."""
        tables = [part.table for part in self.parts.values() if len(part.table)]
        return pa.concat_tables(tables) if tables else schema.empty_table()


class Store:
    """A cache at a folder or any fsspec address."""

    def __init__(self, address: str | os.PathLike[str]) -> None:
        self.address = Address.of(os.fspath(address))
        self.files = open_files(self.address)
        self._is_writer = False
        self._warned: set[tuple[str, str]] = set()
        self._surveyed: dict[tuple[str, str], Part] = {}  # parts without their rows; they never change

    def exists(self) -> bool:
        """Whether there is a cache at the address."""
        return self.files.has_folder("costs")

    def prepare(self) -> None:
        """Makes the folders, and fails early where nothing can be written. From here on, what is no part is set aside.

        Raises:
            CacheError: if the cache is not a folder that can be written to.
        """
        self.files.prepare(list(TABLES))
        self._is_writer = True
        for name, former in FORMER_FOLDERS.items():
            for file in self.files.names(former):
                self.files.move(file, former, name)
        self._take_back()

    def append(self, name: str, table: pa.Table, *, replaces: Collection[str] = ()) -> str | None:
        """Adds a part to a table, in place of those it replaces, and gives its name; when this returns, the rows are on disk.

        Raises:
            CacheError: if the part cannot be written; nothing is left of it then.
        """
        if not len(table):
            return None
        file = self._write(name, table, {"replaces": sorted(replaces)} if replaces else {}, is_replacing=bool(replaces))
        for old in replaces:
            self.files.remove(name, old)
        return file

    def _write(self, name: str, table: pa.Table, notes: Notes, *, is_replacing: bool = False) -> str:
        data = encode(name, table, notes)
        file = new_name(data, is_replacing=is_replacing)
        self.files.write(name, file, data)
        return file

    def replace(self, name: str, table: pa.Table, zoos: set[str], notes: Mapping[str, Notes] | None = None) -> None:
        """Makes `table` all that a snapshot table holds for these zoos; `notes` say more about some of them.

        Each zoo has a part of its own, so that refreshes of different zoos take nothing from each other. What is so already is
        not written again.
        """
        assert name in SNAPSHOTS
        found = self.load(name)
        for zoo in sorted(zoos):
            new = table.filter(pc.equal(table["zoo"], zoo))
            own = {**(notes or {}).get(zoo, {}), "zoos": [zoo]}
            old = [part for part in found.parts.values() if zoo in _zoos_of(part)]
            if len(old) == 1 and old[0].notes == own and old[0].table.equals(new):
                continue
            self._write(name, new, own)
        for file in self.load(name).replaced:
            self.files.remove(name, file)

    def read(self, name: str, columns: Iterable[str] | None = None, where: Where | None = None) -> pa.Table:
        """All rows of a table, or those whose columns have the given values. Of a snapshot, the newest state of each zoo.

        A file that is no part, or no longer as it was written, is left out with a warning that names it.
        """
        columns = list(TABLES[name].names if columns is None else columns)
        return self.load(name, columns, where).table(pa.schema([TABLES[name].field(column) for column in columns]))

    def load(self, name: str, columns: Iterable[str] | None = None, where: Where | None = None) -> Found:
        """The parts of a table that count, and the files that no longer do.

        Raises:
            CacheError: if parts vanish faster than they can be read.
        """
        for _ in range(_READS):
            try:
                return self._load(name, columns, where)
            except FileNotFoundError:  # merged or replaced since the folder was listed
                continue
        raise CacheError(f"Table '{name}' of cache '{self.address}' keeps changing while it is read. Try again.")

    def _load(self, name: str, columns: Iterable[str] | None, where: Where | None) -> Found:
        files = self.files.names(self._folder(name))
        newest_first = list(reversed(by_age(files)))
        found, covered = Found(), set[str]()
        columns_read = None if name in SNAPSHOTS else columns
        is_survey = columns == () and name not in SNAPSHOTS
        for is_needed in (is_replacing, lambda file: not is_replacing(file)):
            group = list(filter(is_needed, newest_first))
            parts = self._parts(name, group, found.replaced, columns_read, where)
            for file, part in self._survey(name, group, found.replaced) if is_survey else parts:
                found.replaced.update(part.notes.get("replaces", ()))
                if name not in SNAPSHOTS:
                    found.parts[file] = part
                elif _zoos_of(left := _uncovered(part, covered)):
                    covered.update(_zoos_of(left))
                    selected = left.table.select(list(TABLES[name].names if columns is None else columns))
                    found.parts[file] = Part(selected, left.notes, left.version)
                else:
                    found.replaced.add(file)
        # Names say when a part was written, by clocks that may differ: one can be met before the part that replaces it.
        found.parts = {file: found.parts[file] for file in by_age(found.parts) if file not in found.replaced}
        found.replaced &= files
        return found

    def rows(self, name: str, files: Iterable[str], columns: Iterable[str] | None = None) -> Iterator[tuple[str, pa.Table]]:
        """All rows of each of these parts but those that are gone, or have been set aside since their table was loaded."""
        for file, read in self._reads(name, files, columns, None):
            with contextlib.suppress(FileNotFoundError):
                if part := self._read_part(name, file, columns, None, read):
                    yield file, part.table

    def by_part(self, name: str, columns: Iterable[str] | None = None) -> Iterator[pa.Table]:
        """All rows of a table that only grows, those of one part after the other's."""
        columns = list(TABLES[name].names if columns is None else columns)
        for _, rows in self.rows(name, self.load(name, ()).parts, columns):
            yield rows

    def _survey(self, name: str, files: Sequence[str], replaced: AbstractSet[str]) -> Iterator[tuple[str, Part]]:
        """What parts say of themselves, and how many rows they have; read once, since a long run asks for it again and again."""
        new = [file for file in files if (name, file) not in self._surveyed]
        yield from ((file, part) for file in files if (part := self._surveyed.get((name, file))) and file not in replaced)
        for file, part in self._parts(name, new, replaced, (), None):
            self._surveyed[name, file] = part
            yield file, part

    def check(self, name: str) -> None:
        """Holds every part of a table against its checksum; a writer sets aside what is not as it was written."""
        for file, read in self.files.reads(name, sorted(self.files.names(name))):
            with contextlib.suppress(FileNotFoundError):  # merged meanwhile
                self._read_part(name, file, (), None, read)

    def costs(
        self,
        *,
        zoo: str | None = None,
        arch: str | None = None,
        as_of: datetime | None = None,
        columns: Iterable[str] | None = None,
    ) -> pd.DataFrame:
        """The newest row of each key (as of a moment, of one zoo or architecture), with whole numbers as `Int64`."""
        return to_pandas(self.in_force("costs", columns, where=_equal(zoo=zoo, arch=arch), as_of=as_of))

    def traces(
        self,
        *,
        zoo: str | None = None,
        arch: str | None = None,
        precision: str | None = None,
        layout: str | None = None,
        as_of: datetime | None = None,
        columns: Iterable[str] | None = None,
    ) -> pd.DataFrame:
        """The newest row of each trace without the calls themselves, which `trace` gives one at a time."""
        where = _equal(zoo=zoo, arch=arch, precision=precision, layout=layout)
        known = [name for name in TABLES["traces"].names if name not in NESTED]
        return to_pandas(self.in_force("traces", columns or known, where=where, as_of=as_of))

    def workloads(
        self,
        *,
        zoo: str | None = None,
        arch: str | None = None,
        precision: str | None = None,
        layout: str | None = None,
        columns: Iterable[str] | None = None,
    ) -> pd.DataFrame:
        """The distinct calls of the newest traces, in no order between models; amounts are for one image."""
        rows = self._details("workloads", _equal(zoo=zoo, arch=arch, precision=precision, layout=layout), columns)
        figures = [field.name for field in rows.schema if not (field.nullable or pa.types.is_string(field.type))]
        others = to_pandas(rows.drop_columns(figures))
        both: pd.DataFrame = pd.concat([others, rows.select(figures).to_pandas()], axis=1)  # such as numpy calculates with
        return both.reindex(columns=rows.column_names)

    def workloads_by_model(
        self, precision: str, layout: str, *, key: Sequence[str], columns: Sequence[str]
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """The same of all models for calculating at once: which models there are, and their rows.

        Args:
            precision: of the traces.
            layout: likewise.
            key: columns that name a model.
            columns: those of the rows that are wanted; texts come as categories.

        Returns:
            The models by `key`, and the wanted columns with `model`, the row's place among the models.
        """
        rows = self._details("workloads", _equal(precision=precision, layout=layout), [*key, *columns])
        models, model = numbered(rows, key)
        rows = rows.select(columns)
        for place, field_ in enumerate(rows.schema):
            if pa.types.is_string(field_.type):
                rows = rows.set_column(place, field_.name, rows[field_.name].combine_chunks().dictionary_encode())
        return to_pandas(models), rows.to_pandas(split_blocks=True).assign(model=model)

    def trace(self, key: TraceKey) -> Trace:
        """The newest trace of a key.

        Raises:
            UnknownNameError: if there is none, or it could not be made; with the reason.
        """
        rows = self.in_force("traces", ["status", "reason"], where={name: [value] for name, value in key._asdict().items()})
        if not len(rows):
            raise UnknownNameError(f"The cache has no trace of {key}. Make it with: zoometer run CONFIG --traces {key.mode}")
        if rows["status"][0].as_py() == Status.FAILED:
            raise UnknownNameError(f"There is no trace of {key}: {rows['reason'][0]}")
        return from_table(self.whole_traces(rows), 0)

    def whole_traces(self, rows: pa.Table) -> pa.Table:
        """All columns of these rows of `traces`, of which a key and `counted_at` are given; in another order."""
        where = {name: pc.unique(rows[name]).to_pylist() for name in ("arch", "counted_at")}
        columns = (*OWNERS["traces"], "counted_at")
        found = self.read("traces", where=where)
        return those_of(found, rows, columns)

    def details(self, name: str, *, zoo: str | None = None, arch: str | None = None) -> pd.DataFrame:
        """The rows of a detail table that belong to what is in force; what a killed run left without its owner is not among them."""
        return to_pandas(self._details(name, _equal(zoo=zoo, arch=arch)))

    def in_force(
        self, name: str, columns: Iterable[str] | None = None, *, where: Where | None = None, as_of: datetime | None = None
    ) -> pa.Table:
        """The newest row of each key of `costs` or `traces`, as of a moment: its key, the columns asked for, and when it was counted."""
        key = OWNERS[name]
        table = self.read(name, dict.fromkeys([*key, *columns, "counted_at"]) if columns else None, where)
        if as_of is not None:
            table = table.filter(pc.less_equal(table["counted_at"], pa.scalar(as_of, table.schema.field("counted_at").type)))
        return newest_of_each(table, key)

    def _details(self, name: str, where: Where, columns: Iterable[str] | None = None) -> pa.Table:
        key = OWNERS[DETAILS[name]]
        asked = list(TABLES[name].names if columns is None else columns)
        rows = self.read(name, dict.fromkeys([*asked, *key, "position", "counted_at"]), where)
        return details_of(rows, self.in_force(DETAILS[name], key, where=where), key).select(asked)

    def speeds(self, device: str | None = None, *, failed: bool = False) -> pd.DataFrame:
        """The newest measurement of each `SPEED_KEY`, on one device or all; with `failed`, the newest try, failed ones included."""
        table = self.read("speed", where={} if device is None else {"device": [device]})
        if not failed:
            table = table.filter(pc.equal(table["status"], "measured"))
        frame = to_pandas(table).sort_values(["measured_at", "added_at"], kind="stable", na_position="first")
        return frame.drop_duplicates(list(SPEED_KEY), keep="last").reset_index(drop=True)

    def runs(self) -> list[Run]:
        """All runs that were recorded, in the order they began."""
        return runs_of(self.read("runs").to_pylist())

    def architectures(self) -> list[Architecture]:
        """What exists as of the last refresh: every architecture with its weights, without importing any zoo."""
        weights: dict[tuple[str, str], list[Weights]] = defaultdict(list)
        names = [field.name for field in dataclasses.fields(Weights)]
        for row in self.read("weights", names).to_pylist():
            weights[row["zoo"], row["arch"]].append(Weights(**row))
        return [_architecture(row, tuple(weights[row["zoo"], row["arch"]])) for row in self.read("architectures").to_pylist()]

    def accuracy(self) -> list[Accuracy]:
        """All published results kept."""
        names = [field.name for field in dataclasses.fields(Accuracy)]
        return [Accuracy(**row) for row in self.read("accuracy", names).to_pylist()]

    def notes(self, name: str) -> dict[str, Notes]:
        """What was noted about each zoo of a snapshot."""
        return {zoo: part.notes for part in self.load(name).parts.values() for zoo in _zoos_of(part)}

    def _parts(
        self, name: str, files: Iterable[str], replaced: AbstractSet[str], columns: Iterable[str] | None, where: Where | None
    ) -> Iterator[tuple[str, Part]]:
        """Those of the files that are parts, and that none before them replaces: `replaced` may grow meanwhile."""
        for file, read in self._reads(name, (file for file in files if file not in replaced), columns, where):
            if file not in replaced and (part := self._read_part(name, file, columns, where, read)):
                yield file, part

    def _reads(
        self, name: str, files: Iterable[str], columns: Iterable[str] | None, where: Where | None
    ) -> Iterator[tuple[str, Read]]:
        """How to read each of the files; of large ones at an address no more than is asked for."""
        folder = self._folder(name)
        if not where and (columns is None or {*columns}.issuperset(TABLES[name].names)):
            return self.files.reads(folder, files)
        return self.files.reads(folder, files, lambda parquet: pick_pages(parquet, name, columns, where))

    def _folder(self, name: str) -> str:
        """Where the parts of a table are; a writer has moved those of a table that was renamed."""
        former = FORMER_FOLDERS.get(name)
        return former if former and not self._is_writer and not self.files.has_folder(name) else name

    def _read_part(self, name: str, file: str, columns: Iterable[str] | None, where: Where | None, read: Read) -> Part | None:
        folder = self._folder(name)
        try:
            data = read()
            return decode(file, data, name, columns, where, is_whole=isinstance(data, bytes))
        except UnreadableError as error:
            self._set_aside(folder, file, str(error), NEWER if error.is_newer else DAMAGED)
        except IsADirectoryError:
            self._set_aside(folder, file, "is no part of a cache", DAMAGED)
        except FileNotFoundError:
            if file not in self.files.names(folder):
                raise
            self._set_aside(folder, file, "is no part of a cache", DAMAGED)  # a link to nowhere
        except OSError as error:  # the disk or the network, not the file
            self._warn(folder, file, f"cannot be read: {error.strerror or error}. What it holds will be counted again.")
        return None

    def _set_aside(self, folder: str, file: str, why: str, kind: str) -> None:
        done = "It is left out"
        if self._is_writer and self.files.move(file, folder, f"{kind}/{folder}"):
            done = f"It was moved to {self.files.path(f'{kind}/{folder}', file)}"
        self._warn(folder, file, f"{why}. {done}; what it holds will be counted again.")

    def _warn(self, folder: str, file: str, message: str) -> None:
        if (folder, file) not in self._warned:
            self._warned.add((folder, file))
            _log.warning("%s %s", self.files.path(folder, file), message)

    def _take_back(self) -> None:
        """Moves what a newer version wrote, and this one can read after all, back to its table."""
        for folder in TABLES:
            for file in self.files.names(f"{NEWER}/{folder}"):
                try:
                    decode(file, self.files.read(f"{NEWER}/{folder}", file), folder)
                except (UnreadableError, OSError):
                    continue
                self.files.move(file, f"{NEWER}/{folder}", folder)


def _equal(**values: str | None) -> dict[str, list[str]]:
    """The filter for columns that are to have these values; those given as None may have any."""
    return {name: [value] for name, value in values.items() if value is not None}


def _architecture(row: Mapping[str, Any], weights: tuple[Weights, ...]) -> Architecture:
    """A row of the table as the record it was written from; lists come back as tuples, and unknown ones as their default."""
    names = {field.name for field in dataclasses.fields(Architecture)}
    known = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items() if value is not None}
    given: dict[str, Any] = {"classes": None, "family": None} | {name: value for name, value in known.items() if name in names}
    return Architecture(name=row["arch"], weights=weights, **given)


def _zoos_of(part: Part) -> list[str]:
    """The zoos a part of a snapshot speaks for: those of its rows, where it does not say."""
    return list(part.notes["zoos"] if "zoos" in part.notes else pc.unique(part.table["zoo"]).to_pylist())


def _uncovered(part: Part, covered: set[str]) -> Part:
    """A part of a snapshot without the zoos that newer parts speak for."""
    left = [zoo for zoo in _zoos_of(part) if zoo not in covered]
    rows = part.table.filter(pc.is_in(part.table["zoo"], pa.array(left, pa.string())))
    return Part(rows, {**part.notes, "zoos": left}, part.version)


_NULLABLE: dict[Any, Any] = {
    pa.int64(): pd.Int64Dtype(),
    pa.int32(): pd.Int64Dtype(),
    pa.float64(): pd.Float64Dtype(),
    pa.string(): pd.StringDtype(),
    pa.bool_(): pd.BooleanDtype(),
}


def to_pandas(table: pa.Table) -> pd.DataFrame:
    """A DataFrame in which whole numbers stay whole where some are missing."""
    frame: pd.DataFrame = table.to_pandas(types_mapper=_NULLABLE.get)
    return frame
