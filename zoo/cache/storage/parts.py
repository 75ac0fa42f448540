"""Part files as bytes: a table with notes is written to them, and read back only if nothing of it has changed since.

A part's name holds the time of writing, a number nobody else uses, and the beginning of the SHA-256 of the whole file:
`part-20260102T030405123456-0f3a9c71-5d41402abc4b2a76.parquet`. A name that ends in `-replacing` has the names of the parts it
replaces among its notes.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from zoo.cache.schema.tables import ROWS_TOGETHER, SCHEMA_VERSION, TABLES, VERSION_NOTE, schema_version
from zoo.cache.schema.upgrades import OLDEST_VERSION, former_name, has_other_values, upgrade
from zoo.cache.storage.range_reads import Range, pages_of

SUFFIX = ".parquet"
_NAME = re.compile(
    r"part-(?P<stamp>\d{8}T\d{12})-(?P<number>[0-9a-f]{8})-(?P<checksum>[0-9a-f]{16})(?P<replacing>-replacing)?\.parquet"
)
_STAMP = "%Y%m%dT%H%M%S%f"
_NOTES = "zoometer.notes"
Where = Mapping[str, Collection[Any]]
"""Values that columns may have; rows with others are left out."""

Notes = Mapping[str, Any]
"""What a part says about itself as a whole, as JSON."""


class UnreadableError(Exception):
    """Why a file is no part that can be read, as the end of a sentence about it."""

    def __init__(self, why: str, *, is_newer: bool = False) -> None:
        super().__init__(why)
        self.is_newer = is_newer


@dataclass(frozen=True, slots=True)
class Part:
    """What a part holds."""

    table: pa.Table
    notes: Notes = field(default_factory=dict)
    version: int = SCHEMA_VERSION  # of the format it was written in
    rows: int = 0  # of the whole part, however many were asked for


def encode(name: str, table: pa.Table, notes: Notes | None = None) -> pa.Buffer:
    """Rows of table `name` as the bytes of a part."""
    metadata = {VERSION_NOTE: str(SCHEMA_VERSION)} | ({_NOTES: json.dumps(notes, sort_keys=True)} if notes else {})
    data = pa.BufferOutputStream()
    pq.write_table(
        table.replace_schema_metadata(metadata),
        data,
        compression="zstd",
        write_page_checksum=True,
        row_group_size=ROWS_TOGETHER[name],
    )
    return data.getvalue()


def new_name(data: pa.Buffer, *, is_replacing: bool = False) -> str:
    """A name for these bytes that no other part has."""
    number = uuid.uuid4().hex[:8]
    return f"part-{datetime.now(UTC).strftime(_STAMP)}-{number}-{checksum(data)}{'-replacing' if is_replacing else ''}{SUFFIX}"


def checksum(data: pa.Buffer | bytes) -> str:
    """The beginning of the SHA-256 of a whole file."""
    return hashlib.sha256(data).hexdigest()[:16]


def is_replacing(name: str) -> bool:
    """Whether a part says of itself that it replaces others."""
    match = _NAME.fullmatch(name)
    return bool(match and match["replacing"])


def written_at(name: str) -> datetime:
    """When a part was written; files that are none count as the oldest."""
    match = _NAME.fullmatch(name)
    if match is None:
        return datetime.min.replace(tzinfo=UTC)
    return datetime.strptime(match["stamp"], _STAMP).replace(tzinfo=UTC)


def by_age(names: Iterable[str]) -> list[str]:
    """Names of parts, the oldest first."""
    return sorted(names, key=lambda name: (written_at(name), name))


def pick_pages(parquet: pq.ParquetFile, name: str, columns: Iterable[str] | None, where: Where | None) -> Iterator[Range]:
    """Where in a part of table `name` is what `decode` reads of these columns and rows."""
    known = [*(TABLES[name].names if columns is None else columns), *(where or {})]
    is_old = schema_version(parquet.schema_arrow) != SCHEMA_VERSION
    known = list(map(former_name, known)) if is_old else known
    return pages_of(parquet, known, _groups_with(parquet, _comparable(where or {}, is_old=is_old)))


def is_part_name(file: str) -> bool:
    """Whether a name is that of a part: it holds the checksum, by which its rows are where its footer says."""
    return bool(_NAME.fullmatch(file))


def decode(
    file: str,
    data: bytes | pa.Buffer,
    name: str,
    columns: Iterable[str] | None = None,
    where: Where | None = None,
    *,
    is_whole: bool = True,
) -> Part:
    """The part of table `name` that a file of this name and content is, in the present schema.

    Raises:
        UnreadableError: if it is none, or not as it was written; of data that are not whole, only what is read is looked at.
    """
    match = _NAME.fullmatch(file)
    if is_whole and match and match["checksum"] != checksum(data):
        raise UnreadableError("is damaged: it is not as it was written")
    try:
        parquet = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
        found = parquet.schema_arrow
        version = _version_of(found, is_named=match is not None)
        if lacking := [column.name for column in TABLES[name] if not column.nullable and column.name not in found.names]:
            raise ValueError(f"it lacks {', '.join(lacking)}")
        table = _read(parquet, found.names, name, version, list(TABLES[name].names if columns is None else columns), where or {})
        return Part(table, json.loads((found.metadata or {}).get(_NOTES.encode(), b"{}")), version, parquet.metadata.num_rows)
    except (OSError, ValueError, OverflowError, MemoryError, pa.ArrowException) as error:
        why = next(iter(str(error).splitlines()), type(error).__name__)
        raise UnreadableError(f"is damaged: {why}" if match else "is no part of a cache") from error


def _version_of(found: pa.Schema, *, is_named: bool) -> int:
    version = schema_version(found)
    if version is not None and version > SCHEMA_VERSION:
        raise UnreadableError(
            f"was written by a newer zoometer, in format {version}; this one reads formats up to {SCHEMA_VERSION}", is_newer=True
        )
    if version is None or version < OLDEST_VERSION or not is_named:
        raise UnreadableError("is no part of a cache")
    return version


def _read(parquet: pq.ParquetFile, names: list[str], name: str, version: int, columns: list[str], where: Where) -> pa.Table:
    """The wanted columns of the wanted rows, in the present schema."""
    schema = TABLES[name]
    is_old = version != SCHEMA_VERSION
    comparable = _comparable(where, is_old=is_old)
    groups = _groups_with(parquet, comparable)
    settled = comparable.keys() - _unsettled(parquet, groups, comparable).keys()
    where = {column: values for column, values in where.items() if column not in settled}
    stored = {former_name(column) if is_old else column: column for column in dict.fromkeys([*columns, *where])}
    is_large = parquet.num_row_groups > 1  # threads cost more than they save in a small part
    table = parquet.read_row_groups(groups, columns=[column for column in stored if column in names], use_threads=is_large)
    table = upgrade(table, name) if is_old else table
    for column, values in where.items():
        table = table.filter(pc.is_in(table[column], pa.array(list(values), schema.field(column).type)))
    wanted = pa.schema([schema.field(column) for column in columns])
    if table.schema.equals(wanted):
        return table.replace_schema_metadata(None)
    arrays = [table[f.name].cast(f.type) if f.name in table.column_names else pa.nulls(len(table), f.type) for f in wanted]
    return pa.Table.from_arrays(arrays, schema=wanted)


def _comparable(where: Where, *, is_old: bool) -> Where:
    """What can be looked for in a part's statistics."""
    return {column: values for column, values in where.items() if not has_other_values(column)} if is_old else where


def _groups_with(parquet: pq.ParquetFile, where: Where) -> list[int]:
    """The row groups whose statistics do not rule the wanted values out."""
    groups = range(parquet.num_row_groups)
    known = {column: _statistics(parquet, column, groups) for column in where}
    return [group for group in groups if all(_may_have(known[column][group], where[column]) for column in where)]


def _unsettled(parquet: pq.ParquetFile, groups: list[int], where: Where) -> Where:
    """What has still to be looked for in the rows of these row groups, whose statistics do not settle it."""
    return {
        column: wanted
        for column, wanted in where.items()
        if not all(_has_only(known, wanted) for known in _statistics(parquet, column, groups))
    }


def _statistics(parquet: pq.ParquetFile, column: str, groups: Iterable[int]) -> list[Any]:
    """Of a column in each row group; None where there are none."""
    leaves = {parquet.schema.column(i).path: i for i in range(len(parquet.schema))}  # a nested column has several
    if column not in leaves:
        return [None for _ in groups]
    return [parquet.metadata.row_group(group).column(leaves[column]).statistics for group in groups]


def _may_have(known: Any, wanted: Collection[Any]) -> bool:
    if known is None or not known.has_min_max:
        return True
    return any(value is None or known.min <= value <= known.max for value in wanted)


def _has_only(known: Any, wanted: Collection[Any]) -> bool:
    """Whether every row has the same value, and it is a wanted one."""
    is_one = known is not None and known.has_min_max and known.has_null_count and known.null_count == 0 and known.min == known.max
    return is_one and known.min in wanted
