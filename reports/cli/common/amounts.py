"""Amounts as the command line writes them: ages such as `12h` and `30d`, and billions of MACs."""

from __future__ import annotations

import re
from datetime import timedelta

from zoo.errors import UnitError

_OLDEST = timedelta(days=36_500)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_age(text: str | None) -> timedelta | None:
    """The length of time written so; nothing stays nothing.

    Raises:
        UnitError: if it is written otherwise.
    """
    if text is None:
        return None
    match = re.fullmatch(r"\s*(\d{1,6})\s*([mhdw])\s*", text)
    if match is None:
        raise UnitError(f"'{text}' is no age. Write a whole number with a unit: 90m, 12h, 30d or 8w.")
    age = timedelta(**{_UNITS[match[2]]: int(match[1])})
    if age > _OLDEST:
        raise UnitError(f"'{text}' is more than a hundred years. Write a shorter age, such as 30d.")
    return age


def in_giga(text: str | None) -> str | None:
    """`--max-gmacs 0.6` is in the unit of its name."""
    return f"{text}GMACs" if text and text.replace(".", "", 1).isdecimal() else text
