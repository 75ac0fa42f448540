"""What can have happened to a part of a table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from zoo.cache.schema.tables import SCHEMA_VERSION, VERSION_NOTE
from zoo.cache.storage.parts import new_name

NOTE = {VERSION_NOTE: str(SCHEMA_VERSION)}


def truncate(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[:-20])
    return path


def flip_a_bit(path: Path) -> Path:
    data = bytearray(path.read_bytes())
    data[200] ^= 1  # in the data, not in the footer
    path.write_bytes(data)
    return path


def flip_a_bit_of_the_footer(path: Path) -> Path:
    data = bytearray(path.read_bytes())
    data[-400] ^= 1
    path.write_bytes(data)
    return path


def empty(path: Path) -> Path:
    path.write_bytes(b"")
    return path


def replace_by_text(path: Path) -> Path:
    path.write_text("not a table")
    return path


def rename_a_text(path: Path) -> Path:
    path.unlink()
    text = path.with_name("notes.parquet")
    text.write_text("not a table")
    return text


def replace_by_foreign_table(path: Path) -> Path:
    return _write(path, pa.table({"zoo": ["timm"], "arch": ["small"]}), {})


def replace_by_folder(path: Path) -> Path:
    path.unlink()
    path.mkdir()
    return path


def replace_by_link_to_nowhere(path: Path) -> Path:
    path.unlink()
    path.symlink_to(path.with_name("nowhere"))
    return path


def rename(path: Path) -> Path:
    return path.rename(path.with_name("copy of a part.parquet"))


def make_newer(path: Path) -> Path:
    return _write(path, pq.read_table(path), {VERSION_NOTE: str(SCHEMA_VERSION + 1)})


def change_a_type(path: Path) -> Path:
    table = pq.read_table(path)
    column = table.column_names.index("macs")
    return _write(path, table.set_column(column, "macs", pa.array(["many"])), NOTE)


def lose_a_required_column(path: Path) -> Path:
    return _write(path, pq.read_table(path).drop_columns(["status"]), NOTE)


def _write(path: Path, table: pa.Table, metadata: dict[str, str]) -> Path:
    """A file with a right name, in the part's place."""
    data = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(metadata), data)
    path.unlink()
    written = path.with_name(new_name(data.getvalue()))
    written.write_bytes(data.getvalue())
    return written


DAMAGES: tuple[Callable[[Path], Path], ...] = (
    truncate,
    flip_a_bit,
    flip_a_bit_of_the_footer,
    empty,
    replace_by_text,
    rename_a_text,
    replace_by_foreign_table,
    replace_by_folder,
    replace_by_link_to_nowhere,
    rename,
    change_a_type,
    lose_a_required_column,
)
"""Each gives the path of what is left in the part's place."""
