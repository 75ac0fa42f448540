"""Encodes rows and notes as the bytes of a part, a Parquet file, and decodes them if the file is exactly what was written.

The name of a part holds the time it was written, a random number, and the beginning of the SHA-256 of the whole file:
`part-20260102T030405123456-0f3a9c71-5d41402abc4b2a76.parquet`. A name that ends in `-replacing` belongs to a part whose notes
list the parts it replaces.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from zoo.cache.row_keys import factorize
from zoo.cache.schema.tables import MODE, ROWS_TOGETHER, SCHEMA_VERSION, TABLES, VERSION_NOTE, schema_version
from zoo.cache.schema.upgrades import OLDEST_VERSION, former_name, upgrade
from zoo.cache.storage.range_reads import Range, column_ranges

SUFFIX = ".parquet"

CALIBRATIONS = "calibrations"
"""The folder of calibrations, which are YAML and JSON files."""


def belongs(folder: str, name: str) -> bool:
    """Whether a file of a folder of the cache is read, by its name; other files are ignored."""
    return name.endswith((".yaml", ".json") if folder == CALIBRATIONS else SUFFIX)


_NAME = re.compile(
    r"part-(?P<stamp>[12]\d{7}T\d{12})-(?P<number>[0-9a-f]{8})-(?P<checksum>[0-9a-f]{16})(?P<replacing>-replacing)?\.parquet"
)
_STAMP = "%Y%m%dT%H%M%S%f"
_NOTES = "zoometer.notes"
Where = Mapping[str, Collection[Any]]
"""Allowed values by column; rows with other values are left out."""

Notes = Mapping[str, Any]
"""Metadata of a part, stored as JSON."""


class UnreadableError(Exception):
    """A file cannot be read as a part. The message is the end of a sentence that begins with the path."""

    def __init__(self, reason: str, *, is_newer: bool = False) -> None:
        super().__init__(reason)
        self.is_newer = is_newer


@dataclass(frozen=True, slots=True)
class LoadedPart:
    """The content of a part: the requested rows and columns, its notes and its size."""

    table: pa.Table
    notes: Notes = field(default_factory=dict)
    version: int = SCHEMA_VERSION  # of the format of the file
    rows: int = 0  # of the whole part

    @property
    def replaces(self) -> list[str]:
        """Names of the parts whose rows this part holds as well."""
        return list(self.notes.get("replaces", ()))

    @property
    def zoos(self) -> list[str]:
        """The zoos whose state a part of a snapshot table contains; without a note, the zoos of its rows."""
        return list(self.notes["zoos"] if "zoos" in self.notes else pc.unique(self.table["zoo"]).to_pylist())


def encode(table: pa.Table, notes: Notes | None = None) -> pa.Buffer:
    """Rows of a table as the bytes of a part. Rows of one mode are read without those of others: see `MODE`."""
    metadata = {VERSION_NOTE: str(SCHEMA_VERSION)} | ({_NOTES: json.dumps(notes, sort_keys=True)} if notes else {})
    table = table.replace_schema_metadata(metadata)
    data = pa.BufferOutputStream()
    with pq.ParquetWriter(data, table.schema, compression="zstd", write_page_checksum=True) as writer:
        for rows in _by_mode(table):
            writer.write_table(rows, row_group_size=ROWS_TOGETHER)
    return data.getvalue()


def _by_mode(table: pa.Table) -> list[pa.Table]:
    """The rows of each precision and layout, in their order; a table without these columns whole."""
    if not len(table) or not {*MODE}.issubset(table.column_names):
        return [table]
    modes, mode = factorize(table, MODE)
    return [table.take(pa.array(np.flatnonzero(mode == one))) for one in range(len(modes))] if len(modes) > 1 else [table]


def new_name(data: pa.Buffer, *, after: Iterable[str] = (), is_replacing: bool = False) -> str:
    """A unique name for these bytes, later than the names `after` even where the clock was set back."""
    stamp = max([datetime.now(UTC), *(written_at(name) + timedelta(microseconds=1) for name in after)])
    number = uuid.uuid4().hex[:8]
    return f"part-{stamp.strftime(_STAMP)}-{number}-{checksum(data)}{'-replacing' if is_replacing else ''}{SUFFIX}"


def checksum(data: pa.Buffer | bytes) -> str:
    """The beginning of the SHA-256 of a whole file."""
    return hashlib.sha256(data).hexdigest()[:16]


def _parse_name(file: str) -> re.Match[str] | None:
    """The fields of the name of a part; None if it is not such a name or its time is invalid."""
    if match := _NAME.fullmatch(file):
        with contextlib.suppress(ValueError):
            datetime.strptime(match["stamp"], _STAMP).replace(tzinfo=UTC)
            return match
    return None


def is_replacing(file: str) -> bool:
    """Whether a part replaces others, by its name."""
    match = _parse_name(file)
    return bool(match and match["replacing"])


def written_at(file: str) -> datetime:
    """When a part was written, according to its name; the earliest time for a file without such a name."""
    match = _parse_name(file)
    if match is None:
        return datetime.min.replace(tzinfo=UTC)
    return datetime.strptime(match["stamp"], _STAMP).replace(tzinfo=UTC)


def by_age(files: Iterable[str]) -> list[str]:
    """Names of parts, the oldest first."""
    return sorted(files, key=lambda file: (written_at(file), file))


def decode(
    file: str,
    data: bytes | pa.Buffer,
    name: str,
    columns: Iterable[str] | None = None,
    where: Where | None = None,
    *,
    is_whole: bool = True,
) -> LoadedPart:
    """The part of table `name` in a file, upgraded to the present schema.

    Args:
        file: name of the file.
        data: its content.
        name: of the table.
        columns: to read; None: all.
        where: rows to read; None: all.
        is_whole: whether the content is complete, so that its checksum can be compared with the one in the name.

    Raises:
        UnreadableError: if the file is not a part of this table, or differs from what was written.
    """
    match = _parse_name(file)
    if is_whole and match and match["checksum"] != checksum(data):
        raise UnreadableError("is damaged: it is not as it was written")
    try:
        parquet = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
        schema = parquet.schema_arrow
        version = _supported_version(schema, is_named=match is not None)
        if missing := [column.name for column in TABLES[name] if not column.nullable and column.name not in schema.names]:
            raise ValueError(f"it lacks {', '.join(missing)}")
        if unfilled := _unfilled(parquet, schema, name):
            raise ValueError(f"{unfilled[0]} is missing in some of its rows")
        table = _read_rows(parquet, name, version, list(TABLES[name].names if columns is None else columns), where or {})
        return LoadedPart(table, _read_notes(schema), version, parquet.metadata.num_rows)
    except (OSError, ValueError, OverflowError, MemoryError, pa.ArrowException) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise UnreadableError(f"is damaged: {reason}" if match else "is no part of a cache") from error


def _read_notes(schema: pa.Schema) -> Notes:
    notes = json.loads((schema.metadata or {}).get(_NOTES.encode(), b"{}"))
    lists = [notes.get(key, []) for key in ("replaces", "zoos")] if isinstance(notes, dict) else [notes]
    if not all(isinstance(names, list) and all(isinstance(one, str) for one in names) for names in lists):
        raise ValueError("its notes are invalid")
    return dict(notes)


def _unfilled(parquet: pq.ParquetFile, schema: pa.Schema, name: str) -> list[str]:
    """Required columns that are null in some rows, by the statistics of a file that zoometer did not write."""
    lax = [field.name for field in TABLES[name] if not field.nullable and schema.field(field.name).nullable]
    groups = range(parquet.num_row_groups) if lax else range(0)
    return [column for column in lax if any(known is None or known.null_count for known in _statistics(parquet, column, groups))]


def ranges_to_read(parquet: pq.ParquetFile, name: str, columns: Iterable[str] | None, where: Where | None) -> Iterator[Range]:
    """The byte ranges that `decode` reads of a part of table `name`."""
    is_old = schema_version(parquet.schema_arrow) != SCHEMA_VERSION
    needed = [*(TABLES[name].names if columns is None else columns), *(where or {})]
    groups = _matching_groups(parquet, {} if is_old else where or {})
    return column_ranges(parquet, map(former_name, needed) if is_old else needed, groups)


def _supported_version(schema: pa.Schema, *, is_named: bool) -> int:
    version = schema_version(schema)
    if version is not None and version > SCHEMA_VERSION:
        raise UnreadableError(
            f"was written by a newer zoometer, in format {version}; this one reads formats up to {SCHEMA_VERSION}", is_newer=True
        )
    if version is None or version < OLDEST_VERSION or not is_named:
        raise UnreadableError("is no part of a cache")
    return version


def _read_rows(parquet: pq.ParquetFile, name: str, version: int, columns: list[str], where: Where) -> pa.Table:
    """These columns of the matching rows, in the present schema."""
    is_old = version != SCHEMA_VERSION  # statistics are of the values before the upgrade
    groups = _matching_groups(parquet, {} if is_old else where)
    unsettled = {c: values for c, values in where.items() if is_old or not _all_match(parquet, groups, c, values)}
    in_file = set(parquet.schema_arrow.names)
    stored = [former_name(column) if is_old else column for column in dict.fromkeys([*columns, *unsettled])]
    is_large = parquet.num_row_groups > 1  # threads cost more than they save in a small part
    table = parquet.read_row_groups(groups, columns=[c for c in stored if c in in_file], use_threads=is_large)
    table = upgrade(table, name) if is_old else table
    schema = TABLES[name]
    for column, values in unsettled.items():
        table = table.filter(pc.is_in(table[column], pa.array(list(values), schema.field(column).type)))
    fields = pa.schema([schema.field(column) for column in columns])
    if table.schema.equals(fields):
        return table.replace_schema_metadata(None)
    arrays = [table[f.name].cast(f.type) if f.name in table.column_names else pa.nulls(len(table), f.type) for f in fields]
    return pa.Table.from_arrays(arrays, schema=fields)


def _matching_groups(parquet: pq.ParquetFile, where: Where) -> list[int]:
    """The row groups that may contain matching rows, by their statistics."""
    groups = range(parquet.num_row_groups)
    statistics = {column: _statistics(parquet, column, groups) for column in where}
    return [group for group in groups if all(_may_match(statistics[column][group], where[column]) for column in where)]


def _all_match(parquet: pq.ParquetFile, groups: list[int], column: str, values: Collection[Any]) -> bool:
    """Whether the statistics show that each of these row groups has a single value, which is one of `values`."""
    return all(
        known is not None
        and known.has_min_max
        and known.has_null_count
        and known.null_count == 0
        and known.min == known.max
        and known.min in values
        for known in _statistics(parquet, column, groups)
    )


def _may_match(known: Any, values: Collection[Any]) -> bool:
    if known is None or not known.has_min_max:
        return True
    return any(value is None or known.min <= value <= known.max for value in values)


def _statistics(parquet: pq.ParquetFile, column: str, groups: Iterable[int]) -> list[Any]:
    """The statistics of a column in each row group; None where there are none."""
    leaves = {parquet.schema.column(i).path: i for i in range(len(parquet.schema))}  # a nested column has several
    if column not in leaves:
        return [None for _ in groups]
    return [parquet.metadata.row_group(group).column(leaves[column]).statistics for group in groups]
