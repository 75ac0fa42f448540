"""Locks of the operating system, which are released when their process ends for whatever reason.

They work on one machine and on shared file systems that support locks (NFS 4, SMB, Lustre). An object store has no locks: its cache
is locked on this machine only. If two machines compact it at the same time, no row is lost or read twice; see `table_store`.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from zoo.errors import BusyError, CacheError

if TYPE_CHECKING:
    from zoo.cache.storage.files import Files
    from zoo.cache.storage.remote_files import RemoteFiles

FOLDER = ".locks"

MAINTENANCE = "maintenance"


@contextlib.contextmanager
def locked(
    files: Files | RemoteFiles, name: str, *, what: str, wait: bool = True, on_wait: Callable[[], None] | None = None
) -> Iterator[None]:
    """Holds a lock of the cache. While another process holds it, calls `on_wait` once and waits.

    Raises:
        BusyError: if another process holds it and `wait` is false; `what` says what that process does.
        CacheError: if the folder of locks cannot be written.
    """
    try:
        lock = FileLock(_lock_path(files, name))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if not wait:
                raise BusyError(f"{what} already. Try again later, or leave out --no-wait.") from None
            if on_wait:
                on_wait()
            lock.acquire()
    except OSError as error:
        raise CacheError(
            f"Cache '{files.address}' cannot be locked: {error.strerror or error}. Choose another folder with 'cache:'."
        ) from error
    try:
        yield
    finally:
        lock.release()


def _lock_path(files: Files | RemoteFiles, name: str) -> Path:
    folder = (
        Path(files.root, FOLDER)
        if files.is_local
        else Path(tempfile.gettempdir()) / f"zoometer-locks-{hashlib.sha256(files.address.encode()).hexdigest()[:16]}"
    )
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.lock"
