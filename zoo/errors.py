"""Errors a user can cause, and the only ones that end as a single line in the terminal.

Anything else that escapes is a bug of ours and keeps its traceback. Messages name the culprit, the choices and the next step.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ZooError(Exception):
    """Base of every error a user can cause; the command line prints its message and exits with 2."""


class ConfigError(ZooError):
    """The configuration cannot be read, or says something that is not possible."""


class UnknownNameError(ZooError):
    """A zoo, architecture, weights tag or column that does not exist."""


class InputError(ZooError):
    """An input size that cannot be read, or that an architecture cannot take."""


class UnitError(ZooError):
    """A quantity whose number or unit cannot be read."""


class DeviceError(ZooError):
    """A device, or a file of devices, that cannot be read."""


class SpeedError(ZooError):
    """A table of measured speeds that cannot be read."""


class VariantError(ZooError):
    """A form of the network that an architecture does not have."""


class CacheError(ZooError):
    """The cache folder cannot be read or written."""


class BusyError(ZooError):
    """Another process does what may only be done once at a time; the command line exits with 75."""


class AccuracyError(ZooError):
    """A table of published results cannot be read or fetched."""


class AuditError(ZooError):
    """A published table cannot be audited: it cannot be read, or nothing says what its columns are."""


class OutputError(ZooError):
    """A report cannot be written."""


def did_you_mean(name: str, choices: Iterable[str], *, most: int = 3) -> str:
    """A closing sentence with the choices nearest to `name`, or with all of them where they are few; empty if there are none."""
    known = sorted(set(choices))
    near = difflib.get_close_matches(name, known, n=most, cutoff=0.6)
    if near:
        return f" Did you mean {' or '.join(near)}?"
    if known and len(known) <= 12:
        return f" Known: {', '.join(known)}."
    return ""
