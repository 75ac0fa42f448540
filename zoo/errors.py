"""Errors that users can cause. The command line prints their message; any other exception is a bug and keeps its traceback.

Messages name the cause, the choices and the next step.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ZooError(Exception):
    """Base class of errors that users can cause; the command line exits with 2."""


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


def did_you_mean(name: str, choices: Iterable[str], *, most: int = 3) -> str:
    """A sentence with the choices most similar to `name`, or with all if they are few; empty if there are none."""
    known = sorted(set(choices))
    near = difflib.get_close_matches(name, known, n=most, cutoff=0.6)
    if near:
        return f" Did you mean {' or '.join(near)}?"
    if known and len(known) <= 12:
        return f" Known: {', '.join(known)}."
    return ""
