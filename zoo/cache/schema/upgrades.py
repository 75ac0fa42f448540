"""Reads parts of format 2 as parts of format 3. Files stay as they are until compaction rewrites them.

Some names changed: the table `unjoined` became `unmatched`, the columns `macs_matmul` and `unfit` became `macs_bmm`
and `unsupported`, and the variant `train` became `base`.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from zoo.cache.schema.tables import TABLES
from zoo.records import FORMER_VARIANTS

OLDEST_VERSION = 2
"""The oldest format that is read."""

FORMER_FOLDERS: Mapping[str, str] = {"unmatched": "unjoined"}
"""Folders of tables that had another name in format 2."""

_FORMER_COLUMNS: Mapping[str, str] = {"macs_bmm": "macs_matmul", "unsupported": "unfit"}
_VARIANT_COLUMNS = ("variant", "variants")


def former_name(column: str) -> str:
    """The name of a column in format 2."""
    return _FORMER_COLUMNS.get(column, column)


def upgrade(table: pa.Table, name: str) -> pa.Table:
    """Columns of a part of format 2 as in format 3."""
    present = {former_name(column): column for column in TABLES[name].names}
    table = table.rename_columns([present[column] for column in table.column_names])
    for place, column in enumerate(table.column_names):
        if column in _VARIANT_COLUMNS:
            table = table.set_column(place, column, _with_present_variants(table[column]))
    return table


def _with_present_variants(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_list(column.type):
        lists = [names and [FORMER_VARIANTS.get(name, name) for name in names] for names in column.to_pylist()]
        return pa.chunked_array([lists], column.type)
    for former, name in FORMER_VARIANTS.items():
        column = pc.if_else(pc.equal(column, former), name, column)
    return column
