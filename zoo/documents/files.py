"""Reads files that users name. The result is the content, or an error with a sentence for the user.

Only regular files and pipes are read: a device may have no end. A pipe, such as the shell's `<(…)`, may send nothing for `SILENCE_S`.
"""

from __future__ import annotations

import io
import os
import select
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from zoo.errors import ZooError

SILENCE_S = 4
"""Time limit for data from a pipe."""

_CHUNK = 2**16


@dataclass(frozen=True, slots=True)
class DocumentKind:
    """A kind of file that users name."""

    name: str  # as in "is a folder, not a {name}"
    error: type[ZooError]
    most_bytes: int
    missing: str = "Name one that exists."  # what to do where there is no such file; may hold {path}


def read_bytes(path: str | Path, kind: DocumentKind) -> bytes:
    """The content of a file.

    Raises:
        ZooError: the error of the kind, if there is no such file, or it cannot be read or is too large.
    """
    try:
        mode = Path(path).stat().st_mode
        if stat.S_ISDIR(mode):
            raise kind.error(f"'{path}' is a folder, not a {kind.name}.")
        if not stat.S_ISREG(mode) and not stat.S_ISFIFO(mode):
            raise kind.error(f"'{path}' is a device, not a {kind.name}.")
        # Without O_NONBLOCK, opening a pipe without a writer would never return.
        with io.FileIO(os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))) as file:
            content = _read_limited(file, kind.most_bytes, is_pipe=stat.S_ISFIFO(mode))
    except (OSError, ValueError) as error:
        _raise_unreadable(path, kind, error)
    if len(content) > kind.most_bytes:
        raise kind.error(f"'{path}' is too large: a {kind.name} has at most {kind.most_bytes / 1e6:g} MB.")
    return content


def read_text(path: str | Path, kind: DocumentKind) -> str:
    """The content of a text file in UTF-8, without a byte order mark.

    Raises:
        ZooError: the error of the kind, as for `read_bytes`, or if it is no such text.
    """
    return decode_text(read_bytes(path, kind), path, kind)


def decode_text(content: bytes, path: str | Path, kind: DocumentKind) -> str:
    """The text of a file's content.

    Raises:
        ZooError: the error of the kind, if it is no text in UTF-8.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise kind.error(f"'{path}' is not a text file in UTF-8: line {line} has other bytes. Save it as UTF-8.") from None
    if (at := text.find("\0")) >= 0:
        line = text.count("\n", 0, at) + 1
        raise kind.error(f"'{path}' is not a text file: line {line} has a NUL. Save it as text in UTF-8.")
    return text


def _read_limited(file: io.FileIO, most: int, *, is_pipe: bool) -> bytes:
    """The content; if there are more than `most` bytes, a longer beginning."""
    content = bytearray()
    while len(content) <= most:
        chunk = _read_pipe(file) if is_pipe else file.read(_CHUNK)
        if not chunk:
            break
        content += chunk
    return bytes(content)


def _read_pipe(file: io.FileIO) -> bytes | None:
    poll = select.poll()
    poll.register(file, select.POLLIN)
    if not poll.poll(SILENCE_S * 1000):
        raise TimeoutError(None, f"nothing came out of it for {SILENCE_S} s")
    return file.read(_CHUNK)


def _raise_unreadable(path: str | Path, kind: DocumentKind, error: Exception) -> NoReturn:
    if isinstance(error, FileNotFoundError):
        raise kind.error(f"There is no file '{path}'. {kind.missing.format(path=path)}") from None
    reason = getattr(error, "strerror", None) or str(error)
    raise kind.error(f"'{path}' cannot be read: {reason}. Name another {kind.name}.") from None
