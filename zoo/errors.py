"""Errors that users can cause. The command line prints their message; any other exception is a bug and keeps its traceback.

Messages name the cause, the choices and the next step.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_LONGEST_LINE = 600
_MOST_LINES = 25
_LONGEST_NAME = 80
"""Longest name for which similar names are suggested, in characters."""

_UNPRINTABLE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that would break a line, control a terminal or not be displayed."""


class ZooError(Exception):
    """Base class of errors that users can cause; the command line exits with 2.

    Messages stay readable whatever they quote: long lines are cut in the middle, long lists at the end.
    """

    def __init__(self, message: str) -> None:
        super().__init__(shorten(message))


class MissingLibraryError(ZooError):
    """A zoo whose library is not installed; `extra` is the extra of zoometer that installs it."""

    def __init__(self, message: str, extra: str | None = None) -> None:
        super().__init__(message)
        self.extra = extra


class ConfigError(ZooError):
    """The configuration cannot be read or is invalid."""


class UnknownNameError(ZooError):
    """A zoo, architecture, weights tag or column that does not exist."""


class InputError(ZooError):
    """An input that cannot be parsed, or that an architecture does not support."""


class UnitError(ZooError):
    """A quantity that cannot be parsed."""


class DeviceError(ZooError):
    """A device, or a file of devices, that cannot be read."""


class SpeedError(ZooError):
    """A table of measured speeds that cannot be read."""


class VariantError(ZooError):
    """A variant that an architecture does not have."""


class CacheError(ZooError):
    """The cache folder cannot be read or written."""


class BusyError(ZooError):
    """Another process holds a lock; the command line exits with 75."""


class AccuracyError(ZooError):
    """A table of published accuracy cannot be read or fetched."""


class AuditError(ZooError):
    """A published table cannot be audited: it cannot be read, or its columns are not declared."""


class OutputError(ZooError):
    """A report cannot be written."""


def message_of(error: BaseException) -> str:
    """An exception's message. Formatting exceptions of models may raise anything."""
    try:
        return str(error)
    except BaseException as second:  # noqa: BLE001  # its own __str__ may raise anything
        return f"its message cannot be read, {type(second).__name__}"


def shorten(message: str) -> str:
    """The message with its long lines shortened, and without the end of a long list."""
    lines = message.split("\n")
    more = [f"… and {len(lines) - _MOST_LINES:,} more lines."] if len(lines) > _MOST_LINES + 1 else []
    shown = lines[:_MOST_LINES] if more else lines
    return "\n".join([*map(shorten_line, shown), *more])


def shorten_line(text: str, most: int = _LONGEST_LINE) -> str:
    """The text on one line of at most this many characters: long texts lose their middle, unprintable characters are escaped."""
    if len(text) > most:
        text = f"{text[: most * 2 // 3]} […] {text[-(most // 4) :]}"
    return _UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """A sentence with the choices most similar to `name`, or with all choices if they are few; else empty."""
    if len(name) > _LONGEST_NAME:
        return ""
    known = sorted(choice for choice in set(choices) if len(choice) <= _LONGEST_NAME)
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.6)
    if near:
        return f" Did you mean {' or '.join(near)}?"
    if known and len(known) <= 12:
        return f" Known: {', '.join(known)}."
    return ""
