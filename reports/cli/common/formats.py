"""The forms in which verbs print their answers."""

from __future__ import annotations

from enum import StrEnum


class TextFormat(StrEnum):
    """Text for a person, or everything for a program."""

    TEXT = "text"
    JSON = "json"


class TableFormat(StrEnum):
    """A table for a person, everything for a program, or one row per item."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
