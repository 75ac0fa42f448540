"""The parts of a table that are in force at one moment, and the files that are not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import pyarrow as pa

from zoo.cache.storage.parts import LoadedPart


@dataclass
class TableState:
    """The parts of a table at one moment."""

    parts: dict[str, LoadedPart] = field(default_factory=dict)  # in force, by file name, the oldest first
    replaced: set[str] = field(default_factory=set)  # files that are not in force and can be removed
    unreadable: set[str] = field(default_factory=set)  # other files, whose rows are missing

    @property
    def merged_twice(self) -> set[str]:
        """Parts that may share rows with another part, because both replace the same part."""
        claims = Counter(old for part in self.parts.values() for old in part.replaces)
        return {file for file, part in self.parts.items() if any(claims[old] > 1 for old in part.replaces)}

    @property
    def rows(self) -> int:
        """Number of rows of the parts in force."""
        return sum(part.rows for part in self.parts.values())

    def table(self, schema: pa.Schema) -> pa.Table:
        """All rows together."""
        tables = [part.table for part in self.parts.values() if len(part.table)]
        return pa.concat_tables(tables) if tables else schema.empty_table()
