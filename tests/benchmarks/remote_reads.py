"""What reading from a large part at a distant address transfers: requests, requests that wait for each other, bytes, and seconds.

    python tests/benchmarks/remote_reads.py

A synthetic part of costs with 65,536 rows lies behind a file system that answers many requests at once, each after 20 ms. Three
columns are read of all rows, or of one architecture: by the cache, by pyarrow with `pre_buffer` over an fsspec file, by
`fsspec.parquet`, and whole.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import fsspec.parquet
import pyarrow.parquet as pq
from fsspec.asyn import AsyncFileSystem

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from cache import synthetic_costs

from zoo.cache.schema.tables import ROWS_TOGETHER
from zoo.cache.storage import remote_files
from zoo.cache.store import Store
from zoo.records import CostKey

DELAY_S = 0.02
COLUMNS = ["arch", "input", "macs"]
ROWS = 4 * ROWS_TOGETHER


class Distant(AsyncFileSystem):  # type: ignore[misc]
    """An object store in memory; requests that overlap count as one round."""

    protocol = "distant"
    cachable = False
    files: ClassVar[dict[str, bytes]] = {}
    requests: ClassVar[int] = 0
    transferred: ClassVar[int] = 0
    rounds: ClassVar[int] = 0
    running: ClassVar[int] = 0

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path.removeprefix("distant://")

    async def _cat_file(self, path: str, start: int | None = None, end: int | None = None, **more: Any) -> bytes:
        data = self.files[path][start:end]
        await self._wait(len(data))
        return data

    async def _pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **more: Any) -> None:
        self.files[path] = bytes(value)

    async def _rm_file(self, path: str, **more: Any) -> None:
        del self.files[path]

    async def _info(self, path: str, **more: Any) -> dict[str, Any]:
        await self._wait(0)
        return {"name": path, "size": len(self.files[path]), "type": "file"}

    async def _find(self, path: str, maxdepth: int | None = None, withdirs: bool = False, **more: Any) -> dict[str, Any]:
        await self._wait(0)
        return {name: {"name": name, "size": len(data), "type": "file"} for name, data in self.files.items()}

    async def _wait(self, size: int) -> None:
        cls = Distant
        cls.requests, cls.transferred, cls.rounds = cls.requests + 1, cls.transferred + size, cls.rounds + (not cls.running)
        cls.running += 1
        await asyncio.sleep(DELAY_S)
        cls.running -= 1

    def _open(self, path: str, mode: str = "rb", block_size: int | None = None, cache_options: Any = None, **more: Any) -> Any:
        from fsspec.spec import AbstractBufferedFile

        class File(AbstractBufferedFile):  # type: ignore[misc]
            def _fetch_range(self, start: int, end: int) -> bytes:
                data: bytes = self.fs.cat_file(self.path, start=start, end=end)
                return data

        return File(self, path, mode, cache_type=more.pop("cache_type", "none"), cache_options=cache_options, **more)


def measure(what: str, read: Callable[[], int], rows: int) -> None:
    Distant.requests = Distant.transferred = Distant.rounds = 0
    began = time.perf_counter()
    assert read() == rows, what
    seconds = time.perf_counter() - began
    figures = f"{Distant.requests} | {Distant.rounds} | {Distant.transferred / 1e6:.2f} | {seconds:.2f}"
    sys.stdout.write(f"| {what} | {figures} |\n")


def main() -> None:
    fsspec.register_implementation("distant", Distant, clobber=True)
    remote_files._PUT_WHOLE.add("distant")
    keys = [CostKey("timm", f"arch_{row // 4:05}", f"3x{64 + row % 4}x64", 1000) for row in range(ROWS)]
    writer = Store("distant://cache")
    file = writer.append("costs", synthetic_costs(keys, {"library_version": "1.0"}, datetime.now(UTC)))
    path, fs = f"cache/costs/{file}", Distant()
    size, arch = len(Distant.files[path]), "arch_00017"

    def with_cache(where: dict[str, list[str]]) -> int:
        return len(Store("distant://cache").read("costs", COLUMNS, where))

    def with_pyarrow(filters: Any) -> int:
        with fs.open(path) as source:
            return len(pq.read_table(source, columns=COLUMNS, filters=filters, pre_buffer=True))

    def with_fsspec() -> int:
        with fsspec.parquet.open_parquet_file(path, fs=fs, columns=COLUMNS, engine="pyarrow") as source:
            return len(pq.read_table(source, columns=COLUMNS))

    sys.stdout.write(f"a part of {size / 1e6:.1f} MB, {ROWS:,} rows; the cache lists its files first, by one request\n")
    sys.stdout.write("| read | requests | one after the other | MB | s |\n|---|---|---|---|---|\n")
    measure("three columns: the cache", lambda: with_cache({}), ROWS)
    measure("three columns: pyarrow, `pre_buffer` over an fsspec file", lambda: with_pyarrow(None), ROWS)
    measure("three columns: `fsspec.parquet`", with_fsspec, ROWS)
    measure("one architecture: the cache", lambda: with_cache({"arch": [arch]}), 4)
    measure("one architecture: pyarrow, `pre_buffer` over an fsspec file", lambda: with_pyarrow([("arch", "==", arch)]), 4)
    measure("the whole file", lambda: len(fs.cat_file(path)), size)


if __name__ == "__main__":
    main()
