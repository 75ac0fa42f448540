"""Limits on the models of a selection."""

from __future__ import annotations

from dataclasses import dataclass

from reports.columns.column import Better, Column


@dataclass(frozen=True, slots=True)
class Limit:
    """A most of a cost, or a least of a quality, in the exact values of the column."""

    column: Column
    bound: float
    name: str | None = None  # where it is another one than the column's

    @property
    def is_least(self) -> bool:
        """Whether the figure has to reach the bound rather than stay under it."""
        return self.column.better is Better.HIGH

    @property
    def title(self) -> str:
        """Name of the limit."""
        return self.name or self.column.title


@dataclass(frozen=True, slots=True)
class Allowed:
    """Texts that are allowed: shell globs, upper and lower case alike."""

    column: Column
    patterns: tuple[str, ...]

    @property
    def title(self) -> str:
        """Name of the limit."""
        return self.column.title


AnyLimit = Limit | Allowed
