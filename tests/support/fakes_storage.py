"""Storage for checking the protocol of the cache: every operation is a step that somebody else chooses when to take.

The store's own code runs in threads, one at a time. Before each operation on files a thread waits for its turn, so that any
interleaving of processes can be played, each of them can be killed between any two operations, operations can fail, and the
power can.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from fsspec import AbstractFileSystem

from zoo.addresses import Address
from zoo.cache.storage.files import Files
from zoo.errors import BusyError, CacheError

SWITCH_TIMEOUT_S = 60
PAGE = 3
"""Files that a bucket lists at a time."""

LONGEST_LAG = 8
"""Changes that a listing may be behind."""

BEGIN, LIST, READ, WRITE, FLUSH, REMOVE = OPERATIONS = ("begin", "list", "read", "write", "flush", "remove")
"""What a process waits before. A write is seen by all when it is taken, and is durable after the flush that follows."""


class Killed(BaseException):
    """Ends the thread of a killed process; nothing it still does has an effect."""


class Process:
    """A thread that works in steps."""

    def __init__(self, world: World, work: Callable[[], Any]) -> None:
        self.result: Any = None
        self.error: BaseException | None = None
        self.has_ended = False
        self.next_operation = BEGIN
        self.met_failure = False  # of the storage
        self._world, self._work = world, work
        self._is_killed = False
        self._turn, self._back = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        world.processes[self._thread] = self
        self._thread.start()
        self._wait_back()

    def step(self) -> None:
        """Takes the operation that the process waits before, and everything up to the next one."""
        assert not self.has_ended
        self._turn.release()
        self._wait_back()

    def step_until(self, operation: str) -> None:
        """Takes steps until the process waits before another operation of this kind, or has ended."""
        while not self.has_ended:
            self.step()
            if self.next_operation == operation:
                break

    def finish(self) -> None:
        """Takes all steps that are left."""
        while not self.has_ended:
            self.step()

    def kill(self) -> None:
        """Ends the process before its next operation."""
        self._is_killed = True
        self.finish()

    def wait_for_turn(self, operation: str) -> None:
        """Called by the process itself before each operation."""
        self.next_operation = operation
        if not self._is_killed:
            self._back.release()
            self._turn.acquire()
        if self._is_killed:
            raise Killed

    def _run(self) -> None:
        try:
            self.wait_for_turn(BEGIN)
            self.result = self._work()
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001 - the machine judges it
            self.error = error
        self.has_ended = True
        self._world.end(self._thread)
        self._back.release()

    def _wait_back(self) -> None:
        assert self._back.acquire(timeout=SWITCH_TIMEOUT_S), "a process does not come to its next operation"


@dataclass
class World:
    """The state of a storage, its clock, and the processes that use it."""

    files: dict[tuple[str, str], bytes] = field(default_factory=dict)  # as everybody sees them, by folder and name
    unsynced: list[tuple[str, str, bytes | None]] = field(default_factory=list)  # folder, name, content before
    changes: int = 0
    history: list[dict[tuple[str, str], bytes]] = field(default_factory=list)  # what earlier listings had
    listing_lag: int = 0  # changes that a bucket's listing does not have yet
    failures: dict[str, int] = field(default_factory=dict)  # how many of the next operations fail, by kind
    has_locks: bool = True
    now: datetime = datetime(2026, 1, 2, tzinfo=UTC)
    numbers: int = 0
    processes: dict[threading.Thread, Process] = field(default_factory=dict)  # that have not ended
    locks: dict[str, Process | None] = field(default_factory=dict)

    def wait_for_turn(self, operation: str) -> None:
        """Lets the calling process wait; others, such as a test that looks at the result, go on at once."""
        if process := self.running_here():
            process.wait_for_turn(operation)

    def fails(self, operation: str) -> bool:
        """Whether this operation of the calling process fails."""
        process = self.running_here()
        if process is None or not self.failures.get(operation):
            return False
        self.failures[operation] -= 1
        process.met_failure = True
        return True

    def running_here(self) -> Process | None:
        """The process that calls."""
        return self.processes.get(threading.current_thread())

    def change(self, folder: str, name: str, content: bytes | None) -> None:
        """Puts or removes a file."""
        self.history = [*self.history[1 - LONGEST_LAG :], dict(self.files)]
        self.unsynced.append((folder, name, self.files.get((folder, name))))
        self.changes += 1
        if content is None:
            del self.files[folder, name]
        else:
            self.files[folder, name] = content

    def listed(self) -> dict[tuple[str, str], bytes]:
        """The files as a listing has them that may lag."""
        return self.history[-self.listing_lag :][0] if self.listing_lag and self.history else self.files

    def sync(self, folder: str) -> None:
        """Makes all changes of a folder durable."""
        self.unsynced = [change for change in self.unsynced if change[0] != folder]

    def cut_power(self, is_lost: Callable[[], bool]) -> None:
        """Kills all processes and loses some of the changes that were not durable, in any order."""
        self.kill_all()
        for folder, name, before in reversed(self.unsynced):
            if is_lost():
                if before is None:
                    self.files.pop((folder, name), None)
                else:
                    self.files[folder, name] = before
        self.unsynced.clear()

    def kill_all(self) -> None:
        """Kills all processes."""
        for process in list(self.processes.values()):
            process.kill()

    def tick(self) -> datetime:
        """The time, which is never the same twice."""
        self.now += timedelta(microseconds=1)
        return self.now

    def number(self) -> str:
        """Hexadecimal digits that were not used before, in no particular order."""
        self.numbers += 1
        return hashlib.sha256(bytes([self.numbers % 256, self.numbers // 256])).hexdigest()[:8]

    @contextlib.contextmanager
    def locked(self, _: object, name: str, *, what: str, wait: bool = True) -> Iterator[None]:
        """A lock that is never waited for, or, on storage without locks, none."""
        process = self.running_here()
        if self.has_locks:
            if self.locks.get(name):
                raise BusyError(what)
            self.locks[name] = process
        try:
            yield
        finally:
            if self.has_locks and self.locks.get(name) is process:
                self.locks[name] = None

    def end(self, thread: threading.Thread) -> None:
        """What the operating system does when a process ends: it holds no lock any more."""
        process = self.processes.pop(thread)
        self.locks = {name: holder for name, holder in self.locks.items() if holder is not process}


class FakeFolder(Files):
    """A folder on a disk: a listing takes time, and changes are durable only after the folder was flushed."""

    def __init__(self, world: World) -> None:
        super().__init__(Address.of("/nowhere"))
        self.world = world

    def has_folder(self, folder: str) -> bool:
        return True

    def _list_once(self, folder: str) -> tuple[int, frozenset[str]]:
        """Entries are in no order, and those that come or go meanwhile may be listed or not."""
        self.world.wait_for_turn(LIST)
        changed_at, names = self.world.changes, set[str]()
        for half in (0, 1):
            self.world.wait_for_turn(LIST)
            names |= {name for place, name in self.world.files if place == folder and int(name[27:35], 16) % 2 == half}
        return changed_at, frozenset(names)

    def read(self, folder: str, name: str) -> bytes:
        self.world.wait_for_turn(READ)
        try:
            return self.world.files[folder, name]
        except KeyError:
            raise FileNotFoundError(2, "No such file", name) from None

    def size(self, folder: str, name: str) -> int:
        return len(self.world.files.get((folder, name), b""))

    def write(self, folder: str, name: str, data: pa.Buffer) -> None:
        """Writing and flushing the temporary file is no step: nobody reads it."""
        self.world.wait_for_turn(WRITE)
        if self.world.fails(WRITE):
            raise CacheError("No space left on device")
        self.world.change(folder, name, data.to_pybytes())
        self.world.wait_for_turn(FLUSH)
        if self.world.fails(FLUSH):
            raise CacheError("Input/output error")
        self.world.sync(folder)

    def remove(self, folder: str, name: str) -> None:
        self.world.wait_for_turn(REMOVE)
        if (folder, name) in self.world.files and not self.world.fails(REMOVE):
            self.world.change(folder, name, None)

    def flush(self, folder: str) -> None:
        self.world.wait_for_turn(FLUSH)
        if self.world.fails(FLUSH):
            raise CacheError("Input/output error")
        self.world.sync(folder)

    def move(self, name: str, source: str, target: str) -> bool:
        raise AssertionError(f"{source}/{name} was set aside: every file is whole")


class Bucket(AbstractFileSystem):  # type: ignore[misc]
    """An object store behind fsspec: files are put at once, and listed page by page in order of names, perhaps as they were before."""

    protocol = "bucket"
    cachable = False
    world: World

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path.removeprefix("bucket://")

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **more: Any) -> None:
        self._wait(WRITE)
        folder, name = path.split("/")[-2:]
        self.world.change(folder, name, bytes(value))
        self._wait(FLUSH)  # for the answer

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **more: Any) -> bytes:
        self._wait(READ)
        folder, name = path.split("/")[-2:]
        try:
            return self.world.files[folder, name][start:end]
        except KeyError:
            raise FileNotFoundError(path) from None

    def rm_file(self, path: str) -> None:
        self._wait(REMOVE)
        folder, name = path.split("/")[-2:]
        if (folder, name) not in self.world.files:
            raise FileNotFoundError(path)
        self.world.change(folder, name, None)

    def find(self, path: str, maxdepth: int | None = None, withdirs: bool = False, detail: bool = False, **_: Any) -> Any:
        found: dict[str, dict[str, int]] = {}
        last = ("", "")
        while True:
            self._wait(LIST)
            files = self.world.listed()
            page = sorted(key for key in files if key > last)[:PAGE]
            if not page:
                return found
            last = page[-1]
            found |= {f"{path}/{folder}/{name}": {"size": len(files[folder, name])} for folder, name in page}

    def _wait(self, operation: str) -> None:
        self.world.wait_for_turn(operation)
        if self.world.fails(operation):
            raise OSError(None, "500 Internal Server Error")
