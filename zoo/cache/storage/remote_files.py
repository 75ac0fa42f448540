"""The files of a cache at an fsspec address: an object store or a file server.

An object store only has to put a file atomically and to list files in order of their names. Files have unique names and never change;
folders, renames and locks are not needed. Where a file could be seen half written (SFTP, FTP, SMB, HDFS), it is put under a temporary
name and renamed.
"""

from __future__ import annotations

import contextlib
import itertools
import time
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from zoo.addresses import Address
from zoo.cache.storage.parts import belongs
from zoo.cache.storage.range_reads import WHOLE_BELOW, Range, read_part
from zoo.errors import CacheError

_PUT_WHOLE = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "oci", "memory"}
"""File systems that put a file atomically."""

_LISTING_AGE_S = 60.0
"""Seconds for which a listing is reused: a command lists the whole cache once, not each table many times."""

_CONCURRENT_READS = 16

Read = Callable[[], "bytes | pa.Buffer"]
PickRanges = Callable[[pq.ParquetFile], Iterable[Range]]
"""Selects the byte ranges of a large part that are read."""

_Listing = dict[str, dict[str, int]]
"""Bytes of each file, by folder and name."""

_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}


class RemoteFiles:
    """The files at one address, by `folder/name`. All of them are listed together, a thousand in a request."""

    is_local = False

    def __init__(self, address: Address) -> None:
        self.address = address
        self._protocol = address.partition("://")[0].partition("::")[0]
        try:
            self._fs, self.root = fsspec.core.url_to_fs(str(address), **address.options)
        except ImportError as error:
            hint = f" Install it with: pip install 'zoometer[{_EXTRAS[self._protocol]}]'" if self._protocol in _EXTRAS else ""
            raise CacheError(f"Cache '{address}' cannot be opened: {error}.{hint}") from None
        except Exception as error:  # noqa: BLE001 - a file system may raise anything
            raise CacheError(f"Cache '{address}' cannot be opened: {self._message(error)}") from None
        self._listing: _Listing | None = None
        self._listed_at = 0.0

    def path(self, folder: str, name: str) -> str:
        """The whole path of a file."""
        return f"{self.root}/{folder}/{name}"

    def prepare(self, folders: list[str]) -> None:  # noqa: ARG002 - an object store has none
        """Checks that the cache can be written, and forgets the listing.

        Raises:
            CacheError: if nothing can be written at the address.
        """
        self.forget_listing()
        probe = f"{self.root}/.write-{uuid.uuid4().hex}"
        try:
            with self._as_os_errors():
                self._put(probe, b"zoometer")
                self._fs.rm_file(probe)
        except OSError as error:
            raise CacheError(
                f"Cache '{self.address}' cannot be written: {error.strerror or error}. Check the address, and the credentials in "
                "`storage:` or the environment."
            ) from None

    def has_folder(self, folder: str) -> bool:
        """Whether a folder has files."""
        return bool(self._list().get(folder))

    def names(self, folder: str) -> set[str]:
        """Names of the parts in a folder.

        The listing is in order of names, and a part's name is later than those of the parts it replaces: a listing during which
        parts are merged has the old parts, the new one, or all of them.
        """
        return set(self._list().get(folder, ()))

    def forget_listing(self) -> None:
        """Discards the listing, so that the next access lists the files again."""
        self._listing = None

    def read(self, folder: str, name: str) -> bytes:
        """The content of a file.

        Raises:
            FileNotFoundError: if it is gone.
            OSError: if it cannot be read.
        """
        with self._forget_listing_of_missing_file(), self._as_os_errors():
            data: bytes = self._fs.cat_file(self.path(folder, name))
        return data

    def reads(self, folder: str, names: Iterable[str], pick: PickRanges | None = None) -> Iterator[tuple[str, Read]]:
        """Each file with a function that reads it, as `read` does; the next files are read in the background.

        Args:
            folder: of the files.
            names: of the files; consumed as they are needed.
            pick: what to read of a large part; None: all of it.
        """
        if not getattr(self._fs, "async_impl", False):  # one connection that answers one request at a time
            yield from ((name, partial(self.read, folder, name)) for name in names)
            return
        names = iter(names)
        with ThreadPoolExecutor(_CONCURRENT_READS, thread_name_prefix="reader") as pool:
            pending: deque[tuple[str, Future[bytes | pa.Buffer]]] = deque()
            try:
                while True:
                    for name in itertools.islice(names, _CONCURRENT_READS - len(pending)):
                        pending.append((name, pool.submit(self._read_picked, folder, name, self.size(folder, name), pick)))
                    if not pending:
                        return
                    name, future = pending.popleft()
                    yield name, future.result
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _read_picked(self, folder: str, name: str, size: int, pick: PickRanges | None) -> bytes | pa.Buffer:
        if pick is None or size < WHOLE_BELOW:
            return self.read(folder, name)
        path = self.path(folder, name)

        def read_ranges(ranges: Sequence[Range]) -> list[bytes]:
            starts, stops = zip(*ranges, strict=True)
            with self._as_os_errors():
                pieces: list[bytes] = self._fs.cat_ranges([path] * len(ranges), list(starts), list(stops), on_error="raise")
            return pieces

        with self._forget_listing_of_missing_file():
            return read_part(read_ranges, size, pick)

    def size(self, folder: str, name: str) -> int:
        """Bytes of a file; 0 if it is gone."""
        return self._list().get(folder, {}).get(name, 0)

    def write(self, folder: str, name: str, data: pa.Buffer) -> None:
        """Puts a new file; it is durable when this returns.

        Raises:
            CacheError: if it cannot be put; everything written before is intact.
        """
        try:
            with self._as_os_errors():
                self._put(self.path(folder, name), data.to_pybytes())
        except OSError as error:
            self.forget_listing()  # the file may exist: perhaps only the answer was lost
            raise CacheError(
                f"Cache '{self.address}' cannot be written: {error.strerror or error}. What was committed before is intact; "
                "run again to go on from there."
            ) from None
        if self._listing is not None:
            self._listing[folder][name] = data.size

    def remove(self, folder: str, name: str) -> None:
        """Removes a file that another one has replaced. If that fails, the file is still not read."""
        with contextlib.suppress(OSError), self._as_os_errors():
            self._fs.rm_file(self.path(folder, name))
            if self._listing is not None:
                self._listing[folder].pop(name, None)

    def flush(self, folder: str) -> None:
        """Does nothing: an object is durable once it has been put."""

    def move(self, name: str, source: str, target: str) -> bool:
        """Copies a file to another folder, removes it, and tells whether that succeeded."""
        try:
            with self._as_os_errors():
                self._fs.copy(self.path(source, name), self.path(target, name))
                self._fs.rm_file(self.path(source, name))
        except OSError:
            return False
        self.forget_listing()
        return True

    def _put(self, path: str, data: bytes) -> None:
        if self._protocol in _PUT_WHOLE:
            self._fs.pipe_file(path, data)
            return
        folder, _, name = path.rpartition("/")
        self._fs.makedirs(folder, exist_ok=True)
        self._fs.pipe_file(f"{folder}/.{name}.tmp", data)
        self._fs.mv(f"{folder}/.{name}.tmp", path)

    def _list(self) -> _Listing:
        if self._listing is None or time.monotonic() - self._listed_at > _LISTING_AGE_S:
            listed_at = time.monotonic()
            try:
                self._listing = self._list_remote()
            except OSError as error:
                raise CacheError(f"Cache '{self.address}' cannot be read: {error.strerror or error}. Try again.") from None
            self._listed_at = listed_at
        return self._listing

    def _list_remote(self) -> _Listing:
        try:
            with self._as_os_errors():
                self._fs.invalidate_cache()
                files = self._fs.find(self.root, detail=True)
        except FileNotFoundError:
            files = {}
        listing: _Listing = defaultdict(dict)
        for path, info in files.items():
            folder, _, name = str(path).removeprefix(f"{self.root}/").rpartition("/")
            if belongs(folder, name):
                listing[folder][name] = int(info.get("size") or 0)
        return listing

    @contextlib.contextmanager
    def _forget_listing_of_missing_file(self) -> Iterator[None]:
        """Forgets the listing if a listed file does not exist any more."""
        try:
            yield
        except FileNotFoundError:
            self.forget_listing()
            raise

    @contextlib.contextmanager
    def _as_os_errors(self) -> Iterator[None]:
        """Converts all exceptions of a file system to `OSError` without credentials in the message."""
        try:
            yield
        except (FileNotFoundError, FileExistsError) as error:
            raise type(error)(error.errno, self._message(error)) from None
        except Exception as error:  # noqa: BLE001 - a file system may raise anything
            raise OSError(getattr(error, "errno", None), self._message(error)) from None

    def _message(self, error: Exception) -> str:
        text = " ".join(str(getattr(error, "strerror", None) or error).split())
        return self.address.scrubbed(text or type(error).__name__).rstrip(".")
