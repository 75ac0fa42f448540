"""Reading and writing the tables: immutable part files in a folder a table.

A part is written whole under a temporary name, flushed to disk and renamed, under a name nobody else uses; so writers never
collide, and a reader sees a part completely or not at all. Object stores have atomic puts and need no renaming.
"""

from __future__ import annotations

import dataclasses
import itertools
import logging
import os
import uuid
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from zoo.cache.schema import DEFAULTS, KEY, SCHEMA_VERSION, SNAPSHOTS, TABLES, schema_version
from zoo.errors import CacheError
from zoo.records import Accuracy, Architecture, Weights

_log = logging.getLogger(__name__)
_SUFFIX = ".parquet"


class Store:
    """A cache at a folder or any fsspec address."""

    def __init__(self, address: str | os.PathLike[str]) -> None:
        self.address = str(address)
        try:
            self._fs, self._root = fsspec.core.url_to_fs(self.address)
        except (ImportError, ValueError) as error:
            raise CacheError(f"Cache '{address}' cannot be opened: {error}") from error

    def prepare(self) -> None:
        """Makes the folders, and fails early where nothing can be written.

        Raises:
            CacheError: if the cache is not a folder that can be written to.
        """
        try:
            for table in TABLES:
                self._fs.makedirs(f"{self._root}/{table}", exist_ok=True)
            if isinstance(self._fs, LocalFileSystem):
                probe = Path(self._root) / f".write-{uuid.uuid4().hex}"
                probe.write_bytes(b"")
                probe.unlink()
        except OSError as error:
            raise CacheError(
                f"Cache '{self.address}' cannot be written: {error.strerror or error}. Choose another folder with 'cache:'."
            ) from error

    def append(self, name: str, table: pa.Table) -> None:
        """Adds a part to a table; when this returns, the rows are on disk.

        Raises:
            CacheError: if the part cannot be written; nothing is left of it then.
        """
        if len(table):
            self._write(name, table)

    def _write(self, name: str, table: pa.Table) -> None:
        data = pa.BufferOutputStream()
        pq.write_table(table, data, compression="zstd", write_page_checksum=True)
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
        path = f"{self._root}/{name}/part-{stamp}-{uuid.uuid4().hex[:12]}{_SUFFIX}"
        try:
            self._put(path, data.getvalue())
        except OSError as error:
            raise CacheError(
                f"Cache '{self.address}' cannot be written: {error.strerror or error}. What was committed before is intact; "
                "free some space or choose another folder with 'cache:', then run again."
            ) from error

    def replace(self, name: str, table: pa.Table, zoos: set[str]) -> None:
        """Makes `table` all that a snapshot table holds for these zoos. Writes nothing if it does already."""
        assert name in SNAPSHOTS
        old_parts = self._parts(name)
        old = self.read(name)
        others = old.filter(pa.compute.invert(pa.compute.is_in(old["zoo"], pa.array(sorted(zoos), pa.string()))))
        new = pa.concat_tables([others, table.select(others.column_names)]).sort_by("zoo")  # stable: same rows, same table
        if new.equals(old) and len(old_parts) <= 1:
            return
        self._write(name, new)
        for path in old_parts:
            self._fs.rm_file(path)

    def read(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """All rows of a table. A part that cannot be read is left out with a warning that names it.

        Of a snapshot only the newest part counts: older ones are those that a replacement had no time to remove.
        """
        schema = TABLES[name] if columns is None else pa.schema([TABLES[name].field(c) for c in columns])
        parts = (part for path in reversed(self._parts(name)) if (part := self._read_part(path, schema)) is not None)
        kept = list(itertools.islice(parts, 1) if name in SNAPSHOTS else parts)
        return pa.concat_tables(reversed(kept)) if kept else schema.empty_table()

    def costs(self) -> pd.DataFrame:
        """The newest row of each key, with whole numbers as `Int64`."""
        frame = to_pandas(self.read("costs"))
        return frame.sort_values("counted_at", kind="stable").drop_duplicates(list(KEY), keep="last").reset_index(drop=True)

    def architectures(self) -> list[Architecture]:
        """What exists as of the last refresh: every architecture with its weights, without importing any zoo."""
        weights: dict[tuple[str, str], list[Weights]] = defaultdict(list)
        names = [field.name for field in dataclasses.fields(Weights)]
        for row in self.read("weights", names).to_pylist():
            weights[row["zoo"], row["arch"]].append(Weights(**row))
        return [
            Architecture(
                row["zoo"], row["arch"], row["task"], row["family"], row["input"], row["classes"],
                tuple(weights[row["zoo"], row["arch"]]), note=row["note"], fingerprint=row["fingerprint"],
            )
            for row in self.read("architectures").to_pylist()
        ]  # fmt: skip

    def accuracy(self) -> list[Accuracy]:
        """All published results kept."""
        names = [field.name for field in dataclasses.fields(Accuracy)]
        return [Accuracy(**row) for row in self.read("accuracy", names).to_pylist()]

    def _parts(self, name: str) -> list[str]:
        folder = f"{self._root}/{name}"
        if not self._fs.isdir(folder):
            return []
        return sorted(path for path in self._fs.ls(folder, detail=False) if path.endswith(_SUFFIX))

    def _read_part(self, path: str, schema: pa.Schema) -> pa.Table | None:
        try:
            with self._fs.open(path, "rb") as file:
                parquet = pq.ParquetFile(file, page_checksum_verification=True)
                version = schema_version(parquet.schema_arrow)
                if version is None or version > SCHEMA_VERSION:
                    _log.warning("%s is not a part this version can read; its rows will be counted again", path)
                    return None
                table = parquet.read()
            columns = {
                field.name: table[field.name].cast(field.type)
                if field.name in table.column_names
                else pa.repeat(pa.scalar(DEFAULTS.get(field.name), field.type), len(table))
                for field in schema
            }
            return pa.table(columns).cast(schema) if len(table) else schema.empty_table()
        except (OSError, ValueError, pa.ArrowException) as error:
            why = next(iter(str(error).splitlines()), type(error).__name__)
            _log.warning("%s is damaged (%s); its rows will be counted again", path, why)
            return None

    def _put(self, path: str, data: pa.Buffer) -> None:
        if not isinstance(self._fs, LocalFileSystem):
            self._fs.pipe_file(path, data.to_pybytes())
            return
        temporary = Path(path).with_name(f".{Path(path).name}.tmp")
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:  # Ctrl-C as well
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(temporary.parent)


def _sync_folder(folder: Path) -> None:
    """Makes a rename survive a power cut, where the system lets folders be flushed."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
