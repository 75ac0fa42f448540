"""Locks of the operating system: they end with their process, however that ends, and leave nothing to be removed.

They hold on one machine and on shared file systems that pass locks on (NFS 4, SMB, Lustre). An object store has none; its
cache is locked on this machine only.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from zoo.cache.files import Files
from zoo.errors import BusyError, CacheError

FOLDER = ".locks"


@contextlib.contextmanager
def locked(files: Files, name: str, *, what: str, wait: bool = True, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Holds a lock of the cache. Where another process holds it, calls `on_wait` and waits.

    Raises:
        BusyError: if another process holds it and `wait` is false; `what` says what that one does.
        CacheError: if the folder of locks cannot be written to.
    """
    try:
        lock = FileLock(_path(files, name))
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


def _path(files: Files, name: str) -> Path:
    folder = (
        Path(files.root, FOLDER)
        if files.is_local
        else Path(tempfile.gettempdir()) / f"zoometer-locks-{hashlib.sha256(files.address.encode()).hexdigest()[:16]}"
    )
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.lock"
