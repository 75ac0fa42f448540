"""The files of a cache in a local folder: atomic writes, listings, reads, removals and moves.

A file is written under a temporary name, flushed to disk, read back, and renamed. `remote_files` has the same interface for
caches at other addresses.
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
from zoo.cache.storage.parts import belongs, checksum
from zoo.errors import CacheError

if TYPE_CHECKING:
    from zoo.cache.storage.remote_files import PickRanges, Read, RemoteFiles

_LEFTOVER_AGE_S = 3600
"""Age at which a temporary file is removed, because its writer must have died."""

_LISTINGS = 100
"""Number of attempts to list a folder without a change meanwhile."""

_LOCAL = ("file://", "local://")


def open_files(address: Address) -> Files | RemoteFiles:
    """The files at an address; an address without a scheme is a folder.

    Raises:
        CacheError: if the address cannot be opened.
    """
    for scheme in _LOCAL:
        if address.startswith(scheme):
            return Files(Address.of(address.removeprefix(scheme)))
    if "://" not in address:
        return Files(address)
    from zoo.cache.storage.remote_files import RemoteFiles  # fsspec is slow to import

    return RemoteFiles(address)


class Files:
    """The files under one folder, each addressed by subfolder and name."""

    is_local = True

    def __init__(self, address: Address) -> None:
        self.address = address
        self.root = os.path.abspath(address)  # noqa: PTH100 - a link stays a link

    def path(self, folder: str, name: str) -> str:
        """The whole path of a file."""
        return f"{self.root}/{folder}/{name}"

    def prepare(self, folders: list[str]) -> None:
        """Makes folders, checks that the cache can be written, and removes the temporary files of dead writers.

        Raises:
            CacheError: if the address is not a folder that can be written.
        """
        try:
            if missing := [folder for folder in folders if not self.has_folder(folder)]:
                for folder in missing:
                    Path(self.root, folder).mkdir(parents=True, exist_ok=True)
                _sync_folder(Path(self.root))
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
        """Whether a folder exists."""
        return Path(self.root, folder).is_dir()

    def names(self, folder: str) -> set[str]:
        """Names of the parts in a folder at one moment.

        A listing during which parts are merged may miss both a part and the one that replaces it. It is repeated until neither the
        folder's time of change nor the names differ.
        """
        before = self._list_once(folder)
        for _ in range(_LISTINGS):
            now = self._list_once(folder)
            if now == before:
                break
            before = now
        return set(before[1])

    def _list_once(self, folder: str) -> tuple[int, frozenset[str]]:
        """When a folder was last changed, and the parts that are listed after that."""
        path = Path(self.root, folder)
        try:
            changed_at = path.stat().st_mtime_ns
            return changed_at, frozenset(name for name in os.listdir(path) if belongs(folder, name))  # noqa: PTH208 - names only
        except (FileNotFoundError, NotADirectoryError):
            return 0, frozenset()
        except OSError as error:
            raise CacheError(f"Cache '{self.address}' cannot be read: {error.strerror or error}.") from error

    def forget_listing(self) -> None:
        """Does nothing: a folder is listed each time."""

    def read(self, folder: str, name: str) -> bytes:
        """The content of a file.

        Raises:
            FileNotFoundError: if it is gone.
            OSError: if it cannot be read.
        """
        return Path(self.path(folder, name)).read_bytes()

    def reads(self, folder: str, names: Iterable[str], _: PickRanges | None = None) -> Iterator[tuple[str, Read]]:
        """Each file with a function that reads all of it, as `read` does."""
        return ((name, partial(self.read, folder, name)) for name in names)

    def size(self, folder: str, name: str) -> int:
        """Bytes of a file; 0 if it is gone."""
        try:
            return Path(self.path(folder, name)).stat().st_size
        except FileNotFoundError:
            return 0

    def write(self, folder: str, name: str, data: pa.Buffer) -> None:
        """Writes a new file; it is durable when this returns.

        Raises:
            CacheError: if it cannot be written; everything written before is intact.
        """
        try:
            _write_durably(Path(self.path(folder, name)), data)
        except OSError as error:
            raise CacheError(
                f"Cache '{self.address}' cannot be written: {error.strerror or error}. What was committed before is intact; "
                "free some space or choose another folder with 'cache:', then run again."
            ) from error

    def remove(self, folder: str, name: str) -> None:
        """Removes a file that another one has replaced. If that fails, the file is still not read."""
        with contextlib.suppress(OSError):
            Path(self.path(folder, name)).unlink()

    def flush(self, folder: str) -> None:
        """Makes all changes of a folder durable, including those of other processes.

        Raises:
            CacheError: if the disk reports an error.
        """
        try:
            _sync_folder(Path(self.root, folder))
        except OSError as error:
            raise CacheError(f"Cache '{self.address}' cannot be written: {error.strerror or error}.") from error

    def move(self, name: str, source: str, target: str) -> bool:
        """Moves a file to another folder and tells whether that succeeded."""
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
            _drop_from_page_cache(file.fileno())
            file.seek(0)
            if checksum(file.read()) != checksum(data):
                raise OSError(None, "the disk gives back other bytes than were written")
        temporary.replace(path)
    except BaseException:  # Ctrl-C as well
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _drop_from_page_cache(descriptor: int) -> None:
    """Drops a file from the page cache, so that the next read comes from the disk, on systems that support it."""
    if hasattr(os, "posix_fadvise"):
        with contextlib.suppress(OSError):
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def _sync_folder(folder: Path) -> None:
    """Makes renames in a folder durable, on systems that can flush folders."""
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
