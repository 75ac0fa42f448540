"""Tables with only a few columns, whose parts are decoded once: checks of the protocol of parts take many steps."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

import pyarrow as pa
import pytest

from zoo.cache import health, table_store
from zoo.cache.schema.tables import DETAILS, KEY, OWNERS, TABLES
from zoo.cache.storage import parts
from zoo.cache.storage.parts import LoadedPart

COLUMNS = {
    "costs": (*KEY, "status", "operations", "counted_at"),
    "ops": (*KEY, "position", "calls", "counted_at"),
    "weights": ("zoo", "arch", "tag", "classes", "is_default"),
}
"""What the tables have here: which columns there are makes no difference to the protocol, but to the time that a step takes."""


class Only(dict[str, Any]):
    """All tables by name, of which a compaction goes over a few."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__(TABLES)
        self._names = tuple(names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)


@functools.lru_cache(2**14)
def _decode(file: str, data: bytes, name: str, columns: Any, where: Any, is_whole: bool) -> LoadedPart:
    return parts.decode(file, data, name, columns, dict(where), is_whole=is_whole)


def decode(file: str, data: bytes, name: str, columns: Any = None, where: Any = None, *, is_whole: bool = True) -> LoadedPart:
    """What the store's function gives, remembered: a part never changes."""
    values = tuple((column, tuple(values)) for column, values in (where or {}).items())
    return _decode(file, data, name, None if columns is None else tuple(columns), values, is_whole)


def reduce_tables(patch: pytest.MonkeyPatch) -> None:
    """Leaves only a few columns, and neither traces nor their workloads."""
    for module in (table_store, health):
        patch.setattr(module, "decode", decode)
    own: Mapping[str, Any]
    for own, name in ((OWNERS, "traces"), (DETAILS, "workloads")):
        patch.delitem(cast("dict[str, Any]", own), name)
    for name, columns in COLUMNS.items():
        schema = pa.schema([TABLES[name].field(column) for column in columns], TABLES[name].metadata)
        patch.setitem(cast("dict[str, Any]", TABLES), name, schema)
