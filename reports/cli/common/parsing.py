"""Values of options: ages such as `12h` and `30d`, billions of MACs, kinds of changes."""

from __future__ import annotations

import re
from datetime import timedelta

from zoo.errors import ConfigError, UnitError, did_you_mean

FAIL_ON = {"added": "added", "removed": "removed", "changed": "changed", "failed": "broken", "recovered": "recovered"}
"""What `--fail-on` may name, and the figure of a run's summary that counts it."""

_OLDEST = timedelta(days=36_500)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_age(text: str | None) -> timedelta | None:
    """The length of time; None stays None.

    Raises:
        UnitError: if the text is not a whole number with a unit.
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
    """The text with the unit GMACs, if it is a number only: `0.6` of `--max-gmacs 0.6`."""
    return f"{text}GMACs" if text and text.replace(".", "", 1).isdecimal() else text


def parse_fail_on(text: str | None) -> list[str]:
    """The kinds of changes that `--fail-on` names, separated by commas.

    Raises:
        ConfigError: if there is no such kind.
    """
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    for name in names:
        if name not in FAIL_ON:
            raise ConfigError(f"--fail-on knows no '{name}'.{did_you_mean(name, FAIL_ON)}")
    return names
