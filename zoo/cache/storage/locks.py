"""Locks of the operating system: they end with their process, however that ends, and leave nothing to be removed.

They hold on one machine and on shared file systems that pass locks on (NFS 4, SMB, Lustre). An object store has none: its cache
is locked on this machine, and what only one machine may do claims a file there, if the storage can put one only where there is
none (S3, Google's and Azure's can). A claim that was left behind ends by itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from zoo.cache.storage.files import Files
from zoo.cache.storage.remote_files import RemoteFiles
from zoo.errors import BusyError, CacheError

FOLDER = ".locks"

MAINTENANCE = "maintenance"
_ONE_MACHINE = {MAINTENANCE}
_CLAIM_S = 900.0
"""For which a claim holds. Should compaction ever take longer and another begin, some rows are there twice; readers take one."""

_ASK_EVERY_S = 1.0


@contextlib.contextmanager
def locked(
    files: Files | RemoteFiles, name: str, *, what: str, wait: bool = True, on_wait: Callable[[], None] | None = None
) -> Iterator[None]:
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
        with _claimed(files, name, what=what, wait=wait) if isinstance(files, RemoteFiles) else contextlib.nullcontext():
            yield
    finally:
        lock.release()


@contextlib.contextmanager
def _claimed(files: RemoteFiles, name: str, *, what: str, wait: bool) -> Iterator[None]:
    """Holds a claim, where this is something for one machine at a time."""
    if name not in _ONE_MACHINE:
        yield
        return
    path, own = f"{FOLDER}/{name}.claim", f"{uuid.uuid4().hex} {time.time() + _CLAIM_S:.0f}".encode()
    while not files.claim(path, own):
        held = files.read_claim(path) or b""
        if _has_ended(held):
            files.drop_claim(path)
        elif wait:
            time.sleep(_ASK_EVERY_S)
        else:
            raise BusyError(f"{what} already. Try again later, or leave out --no-wait.")
    try:
        yield
    finally:
        if files.read_claim(path) == own:
            files.drop_claim(path)


def _has_ended(claim: bytes) -> bool:
    _, _, until = claim.partition(b" ")
    return not until.isdigit() or int(until) < time.time()


def _path(files: Files | RemoteFiles, name: str) -> Path:
    folder = (
        Path(files.root, FOLDER)
        if files.is_local
        else Path(tempfile.gettempdir()) / f"zoometer-locks-{hashlib.sha256(files.address.encode()).hexdigest()[:16]}"
    )
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.lock"
