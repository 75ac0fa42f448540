"""The files of a cache in a folder: written whole or not at all, read, listed, set aside.

A file is written under a temporary name, flushed to disk, read back, and renamed. Caches at other addresses are in `remote_files`.
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from zoo.addresses import Address
from zoo.cache.storage.parts import SUFFIX, checksum
from zoo.errors import CacheError

if TYPE_CHECKING:
    from zoo.cache.storage.remote_files import Pick, Read, RemoteFiles

_LEFTOVER_AGE_S = 3600
"""A temporary file this old was left by a process that is gone."""

_LISTINGS = 100


_LOCAL = ("file://", "local://")


def open_files(address: Address) -> Files | RemoteFiles:
    """The files at an address; what has no scheme is a folder.

    Raises:
        CacheError: if the address is not one that can be opened.
    """
    for scheme in _LOCAL:
        if address.startswith(scheme):
            return Files(Address.of(address.removeprefix(scheme)))
    if "://" not in address:
        return Files(address)
    from zoo.cache.storage.remote_files import RemoteFiles  # fsspec is slow to import

    return RemoteFiles(address)


class Files:
    """The files in one folder, by `folder/name`."""

    is_local = True

    def __init__(self, address: Address) -> None:
        self.address = address
        self.root = os.path.abspath(address)  # noqa: PTH100 - a link stays a link

    def path(self, folder: str, name: str) -> str:
        """The whole path of a file."""
        return f"{self.root}/{folder}/{name}"

    def prepare(self, folders: list[str]) -> None:
        """Makes folders, tries to write, and removes temporary files that were left behind.

        Raises:
            CacheError: if the address is not a folder that can be written to.
        """
        try:
            for folder in folders:
                Path(self.root, folder).mkdir(parents=True, exist_ok=True)
            probe = Path(self.root) / f".write-{uuid.uuid4().hex}"
            probe.write_bytes(b"")
            probe.unlink()
            for folder in folders:
                _remove_leftovers(Path(self.root, folder))
        except OSError as error:
            raise CacheError(
                f"Cache '{self.address}' cannot be written: {error.strerror or error}. Choose another folder with 'cache:'."
            ) from error

    def has_folder(self, folder: str) -> bool:
        """Whether there is such a folder."""
        return Path(self.root, folder).is_dir()

    def names(self, folder: str) -> set[str]:
        """Names of the parts in a folder, such as they all were there at one moment.

        A listing made while parts are merged may miss both a part and what replaces it, but two in a row do not miss the same.
        """
        before = self._list(folder)
        for _ in range(_LISTINGS):
            now = self._list(folder)
            if now == before:
                break
            before = now
        return before

    def _list(self, folder: str) -> set[str]:
        try:
            return {name for name in os.listdir(Path(self.root, folder)) if name.endswith(SUFFIX)}  # noqa: PTH208 - names only
        except (FileNotFoundError, NotADirectoryError):
            return set()

    def forget_listing(self) -> None:
        """Does nothing: a folder is looked at anew for every question."""

    def read(self, folder: str, name: str) -> bytes:
        """The content of a file.

        Raises:
            FileNotFoundError: if it is gone.
            OSError: if it cannot be read at all.
        """
        return Path(self.path(folder, name)).read_bytes()

    def reads(self, folder: str, names: Iterable[str], _: Pick | None = None) -> Iterator[tuple[str, Read]]:
        """Each of the files with what reads it whole, as `read` does."""
        return ((name, partial(self.read, folder, name)) for name in names)

    def size(self, folder: str, name: str) -> int:
        """Bytes of a file; 0 if it is gone."""
        try:
            return Path(self.path(folder, name)).stat().st_size
        except FileNotFoundError:
            return 0

    def write(self, folder: str, name: str, data: pa.Buffer) -> None:
        """Writes a new file; when this returns, it is on disk, whole.

        Raises:
            CacheError: if it cannot be; nothing is left of it then, and everything before it is intact.
        """
        try:
            _write_durably(Path(self.path(folder, name)), data)
        except OSError as error:
            raise CacheError(
                f"Cache '{self.address}' cannot be written: {error.strerror or error}. What was committed before is intact; "
                "free some space or choose another folder with 'cache:', then run again."
            ) from error

    def remove(self, folder: str, name: str) -> None:
        """Removes a file that another has replaced; one that is gone, or must stay, does no harm."""
        with contextlib.suppress(OSError):
            Path(self.path(folder, name)).unlink()

    def move(self, name: str, source: str, target: str) -> bool:
        """Moves a file between two folders, and says whether that could be done."""
        try:
            Path(self.root, target).mkdir(parents=True, exist_ok=True)
            Path(self.path(source, name)).rename(self.path(target, name))
        except OSError:
            return False
        return True


def _write_durably(path: Path, data: pa.Buffer) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("w+b") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            _forget_cached(file.fileno())
            file.seek(0)
            if checksum(file.read()) != checksum(data):
                raise OSError(None, "the disk gives back other bytes than were written")
        temporary.replace(path)
    except BaseException:  # Ctrl-C as well
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _forget_cached(descriptor: int) -> None:
    """Asks the system to drop its copy of a file, so that it is read back from the disk."""
    if hasattr(os, "posix_fadvise"):
        with contextlib.suppress(OSError):
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def _sync_folder(folder: Path) -> None:
    """Makes a rename survive a power cut, where the system lets folders be flushed."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_leftovers(folder: Path) -> None:
    for path in folder.glob(".*.tmp"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > _LEFTOVER_AGE_S:
                path.unlink()
