"""Ages on the command line: `12h`, `30d`, `8w`."""

from __future__ import annotations

import re
from datetime import timedelta

from zoo.errors import UnitError

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
    return timedelta(**{_UNITS[match[2]]: int(match[1])})
