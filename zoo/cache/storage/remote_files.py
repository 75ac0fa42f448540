"""The files of a cache at an fsspec address: object stores, and servers of files.

What an object store promises is all that is relied on: a file is put whole or not at all, every file has a name of its own and is
never changed, and a listing shows what was put before it. There are no folders, no renaming and no locks. Where a file could be
seen half written (SFTP, FTP, SMB, HDFS), it is put under a temporary name and renamed.
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
from zoo.cache.storage.parts import SUFFIX, is_part_name
from zoo.cache.storage.range_reads import WHOLE_BELOW, Range, read_part
from zoo.errors import CacheError

_PUT_WHOLE = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "oci", "memory"}
"""File systems that show a file only when all of it is there."""

_LISTING_AGE_S = 60.0
"""For which a listing is taken for the present state: a command lists the whole cache once, not each table many times."""

_AT_ONCE = 16
"""Files that are read ahead at an address: it answers many questions in the time of one."""

Read = Callable[[], "bytes | pa.Buffer"]
Pick = Callable[[pq.ParquetFile], Iterable[Range]]
"""What is wanted of a part."""

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
        except Exception as error:  # noqa: BLE001 - the file system is anybody's
            raise CacheError(f"Cache '{address}' cannot be opened: {self._said_by(error)}") from None
        self._listed: dict[str, dict[str, int]] | None = None  # bytes of each file, by folder and name
        self._listed_at = 0.0

    def path(self, folder: str, name: str) -> str:
        """The whole path of a file."""
        return f"{self.root}/{folder}/{name}"

    def prepare(self, folders: list[str]) -> None:  # noqa: ARG002 - an object store has none
        """Tries to write, and looks anew at what is there.

        Raises:
            CacheError: if nothing can be written at the address.
        """
        self.forget_listing()
        probe = f"{self.root}/.write-{uuid.uuid4().hex}"
        try:
            with self._in_words():
                self._put(probe, b"zoometer")
                self._fs.rm_file(probe)
        except OSError as error:
            raise CacheError(
                f"Cache '{self.address}' cannot be written: {error.strerror or error}. Check the address, and the credentials in "
                "`storage:` or the environment."
            ) from None

    def has_folder(self, folder: str) -> bool:
        """Whether there is something in a folder."""
        return bool(self._listing().get(folder))

    def names(self, folder: str) -> set[str]:
        """Names of the parts in a folder.

        Names are listed in their order, so that a part which replaces others is listed after them: a listing during which that
        happens has the old ones, or the new one, or all of them.
        """
        return set(self._listing().get(folder, ()))

    def forget_listing(self) -> None:
        """Makes the next question look anew."""
        self._listed = None

    def read(self, folder: str, name: str) -> bytes:
        """The content of a file.

        Raises:
            FileNotFoundError: if it is gone.
            OSError: if it cannot be read at all.
        """
        try:
            with self._in_words():
                data: bytes = self._fs.cat_file(self.path(folder, name))
        except FileNotFoundError:
            self.forget_listing()
            raise
        return data

    def reads(self, folder: str, names: Iterable[str], pick: Pick | None = None) -> Iterator[tuple[str, Read]]:
        """Each of the files with what reads it, as `read` does; the next ones are under way meanwhile.

        Args:
            folder: where they are.
            names: of the files; read on as they are needed.
            pick: what is wanted of a large part; None: all of it.
        """
        if not getattr(self._fs, "async_impl", False):  # a connection that answers one question at a time
            yield from ((name, partial(self.read, folder, name)) for name in names)
            return
        waiting = iter(names)
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="reader") as readers:
            under_way: deque[tuple[str, Future[bytes | pa.Buffer]]] = deque()
            try:
                while True:
                    for name in itertools.islice(waiting, _AT_ONCE - len(under_way)):
                        under_way.append((name, readers.submit(self._read_picked, folder, name, self.size(folder, name), pick)))
                    if not under_way:
                        return
                    name, future = under_way.popleft()
                    yield name, future.result
            finally:
                readers.shutdown(wait=False, cancel_futures=True)

    def _read_picked(self, folder: str, name: str, size: int, pick: Pick | None) -> bytes | pa.Buffer:
        if pick is None or size < WHOLE_BELOW or not is_part_name(name):
            return self.read(folder, name)
        path = self.path(folder, name)

        def read_ranges(ranges: Sequence[Range]) -> list[bytes]:
            with self._in_words():
                starts, stops = zip(*ranges, strict=True)
                pieces: list[bytes] = self._fs.cat_ranges([path] * len(ranges), list(starts), list(stops), on_error="raise")
            return pieces

        try:
            return read_part(read_ranges, size, pick)
        except FileNotFoundError:
            self.forget_listing()
            raise

    def size(self, folder: str, name: str) -> int:
        """Bytes of a file; 0 if it is gone."""
        return self._listing().get(folder, {}).get(name, 0)

    def write(self, folder: str, name: str, data: pa.Buffer) -> None:
        """Puts a new file; when this returns, it is there, whole.

        Raises:
            CacheError: if it cannot be; nothing is seen of it then, and everything before it is intact.
        """
        try:
            with self._in_words():
                self._put(self.path(folder, name), data.to_pybytes())
        except OSError as error:
            raise CacheError(
                f"Cache '{self.address}' cannot be written: {error.strerror or error}. What was committed before is intact; "
                "run again to go on from there."
            ) from None
        self._listing()[folder][name] = data.size

    def remove(self, folder: str, name: str) -> None:
        """Removes a file that another has replaced; one that is gone, or must stay, does no harm."""
        with contextlib.suppress(OSError), self._in_words():
            self._fs.rm_file(self.path(folder, name))
            self._listing()[folder].pop(name, None)

    def move(self, name: str, source: str, target: str) -> bool:
        """Copies a file to another folder and removes it, and says whether that could be done."""
        try:
            with self._in_words():
                self._fs.copy(self.path(source, name), self.path(target, name))
                self._fs.rm_file(self.path(source, name))
        except OSError:
            return False
        self.forget_listing()
        return True

    def claim(self, name: str, content: bytes) -> bool:
        """Puts a file only if there is none of that name, and says whether; true as well where a storage cannot tell."""
        try:
            with self._in_words():
                self._fs.pipe_file(f"{self.root}/{name}", content, mode="create")
        except FileExistsError:
            return False
        except OSError:
            return True
        return True

    def read_claim(self, name: str) -> bytes | None:
        """What was put by a claim; None if it is gone."""
        try:
            with self._in_words():
                return bytes(self._fs.cat_file(f"{self.root}/{name}"))
        except OSError:
            return None

    def drop_claim(self, name: str) -> None:
        """Removes a claim."""
        with contextlib.suppress(OSError), self._in_words():
            self._fs.rm_file(f"{self.root}/{name}")

    def _put(self, path: str, data: bytes) -> None:
        if self._protocol in _PUT_WHOLE:
            self._fs.pipe_file(path, data)
            return
        folder, _, name = path.rpartition("/")
        self._fs.makedirs(folder, exist_ok=True)
        self._fs.pipe_file(f"{folder}/.{name}.tmp", data)
        self._fs.mv(f"{folder}/.{name}.tmp", path)

    def _listing(self) -> dict[str, dict[str, int]]:
        listed = self._listed
        if listed is None or time.monotonic() - self._listed_at > _LISTING_AGE_S:
            try:
                with self._in_words():
                    self._fs.invalidate_cache()
                    found = self._fs.find(self.root, detail=True)
            except FileNotFoundError:
                found = {}
            except OSError as error:
                raise CacheError(f"Cache '{self.address}' cannot be read: {error.strerror or error}.") from None
            listed, self._listed_at = defaultdict(dict), time.monotonic()
            for path, info in found.items():
                folder, _, name = str(path).removeprefix(f"{self.root}/").rpartition("/")
                if name.endswith(SUFFIX):
                    listed[folder][name] = int(info.get("size") or 0)
            self._listed = listed
        return listed

    @contextlib.contextmanager
    def _in_words(self) -> Iterator[None]:
        """Makes an `OSError` of whatever a file system raises, without credentials in it or in what it came from."""
        try:
            yield
        except (FileNotFoundError, FileExistsError) as error:
            raise type(error)(error.errno, self._said_by(error)) from None
        except Exception as error:  # noqa: BLE001 - the file system is anybody's
            raise OSError(getattr(error, "errno", None), self._said_by(error)) from None

    def _said_by(self, error: Exception) -> str:
        text = " ".join(str(getattr(error, "strerror", None) or error).split())
        return self.address.scrubbed(text or type(error).__name__).rstrip(".")
