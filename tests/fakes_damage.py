"""What can have happened to a part of a table."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from zoo.cache.schema import SCHEMA_VERSION


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[200] ^= 1  # in the data, not in the footer
    path.write_bytes(data)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def replace_by_text(path: Path) -> None:
    path.write_text("not a table")


def replace_by_foreign_table(path: Path) -> None:
    pq.write_table(pa.table({"zoo": ["timm"], "arch": ["small"]}), path)


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def make_newer(path: Path) -> None:
    metadata = {b"zoometer.schema": str(SCHEMA_VERSION + 1).encode()}
    pq.write_table(pq.read_table(path).replace_schema_metadata(metadata), path)


def change_a_type(path: Path) -> None:
    table = pq.read_table(path)
    column = table.column_names.index("macs")
    pq.write_table(table.set_column(column, "macs", pa.array(["many"])), path)


def lose_a_required_column(path: Path) -> None:
    pq.write_table(pq.read_table(path).drop_columns(["status"]), path)


DAMAGES = (
    truncate,
    flip_a_bit,
    empty,
    replace_by_text,
    replace_by_foreign_table,
    replace_by_folder,
    make_newer,
    change_a_type,
    lose_a_required_column,
)
