"""Limits on the models of a selection."""

from __future__ import annotations

from dataclasses import dataclass

from reports.columns.column import Better, Column


@dataclass(frozen=True, slots=True)
class Limit:
    """An upper bound on a cost or a lower bound on a quality, in the exact values of the column."""

    column: Column
    bound: float
    name: str | None = None  # None: that of the column

    @property
    def is_least(self) -> bool:
        """Whether the bound is a lower one."""
        return self.column.better is Better.HIGH

    @property
    def title(self) -> str:
        """Name of the limit."""
        return self.name or self.column.title


@dataclass(frozen=True, slots=True)
class Allowed:
    """Allowed texts: shell globs, case-insensitive."""

    column: Column
    patterns: tuple[str, ...]

    @property
    def title(self) -> str:
        """Name of the limit."""
        return self.column.title


AnyLimit = Limit | Allowed
