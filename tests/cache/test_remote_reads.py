"""How much of a cache at an address is read, and in how many turns."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, ClassVar

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cache_rows import cost, costs_of
from fsspec.implementations.memory import MemoryFileSystem

from zoo.cache.health import verify
from zoo.cache.maintenance import compact
from zoo.cache.schema.tables import ROWS_TOGETHER, columns_of
from zoo.cache.storage import range_reads as ranges
from zoo.cache.storage import remote_files
from zoo.cache.storage.range_reads import WHOLE_BELOW, column_ranges
from zoo.cache.store import DAMAGED, Store

GROUPS = 4
ROWS = GROUPS * ROWS_TOGETHER


class Distant(MemoryFileSystem):  # type: ignore[misc]
    """An address that answers many questions at once, none of them soon, and remembers them."""

    protocol = "distant"
    async_impl = True
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    read: ClassVar[list[int]] = []  # bytes
    delay_s: ClassVar[float] = 0.0
    at_once: ClassVar[int] = 0
    most_at_once: ClassVar[int] = 0
    _lock: ClassVar[Any] = threading.Lock()

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return MemoryFileSystem._strip_protocol(path.replace("distant://", "memory://"))  # type: ignore[no-any-return]

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any) -> bytes:
        with self._lock:
            Distant.at_once += 1
            Distant.most_at_once = max(self.most_at_once, self.at_once)
        time.sleep(self.delay_s)
        data: bytes = super().cat_file(path, start, end, **kwargs)
        with self._lock:
            Distant.at_once -= 1
            self.read.append(len(data))
        return data


@pytest.fixture
def store() -> Iterator[Store]:
    fsspec.register_implementation("distant", Distant, clobber=True)
    store = Store("distant://cache")
    store.prepare()
    yield store
    Distant.store.clear()


@pytest.fixture
def large(store: Store) -> Store:
    """A cache with one large part of costs, sorted by architecture, of which one column is most."""
    noise = random.Random(0)
    columns = {"arch": [f"arch_{i:05}" for i in range(ROWS)], "peak_module": [noise.randbytes(16).hex() for _ in range(ROWS)]}
    shared = {"zoo": "timm", "input": "3x8x8", "variant": "base", "batch": 1, "status": "exact", "counted_at": datetime.now(UTC)}
    file = store.append("costs", columns_of("costs", ROWS, columns, shared))
    assert store.files.size("costs", file or "") > WHOLE_BELOW
    return store


@pytest.fixture
def reader(large: Store) -> Store:
    Distant.read.clear()
    return Store(large.address)


def size(store: Store) -> int:
    (file,) = store.files.names("costs")
    return store.files.size("costs", file)


def damage(store: Store, column: str, group: int) -> None:
    """Changes a byte in the middle of a column of a row group."""
    (file,) = store.files.names("costs")
    content = Distant.store[store.files.path("costs", file)]
    parquet = pq.ParquetFile(pa.BufferReader(content.getvalue()))
    ((start, stop),) = column_ranges(parquet, [column], [group])
    place = (start + stop) // 2
    content.seek(place)
    (before,) = content.read(1)
    content.seek(place)
    content.write(bytes([before ^ 255]))


def test_parts_are_read_side_by_side_but_not_all_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    number = 3 * remote_files._CONCURRENT_READS
    for i in range(number):
        store.append("costs", costs_of(cost(f"arch_{i:02}", macs=i)))
    monkeypatch.setattr(Distant, "delay_s", 0.02)
    monkeypatch.setattr(Distant, "most_at_once", 0)
    assert list(Store(store.address).costs()["macs"]) == list(range(number))
    assert 1 < Distant.most_at_once <= remote_files._CONCURRENT_READS


def test_of_a_large_part_only_the_columns_asked_for_are_read(reader: Store) -> None:
    assert reader.read("costs", ["arch"])["arch"].to_pylist() == [f"arch_{i:05}" for i in range(ROWS)]
    assert sum(Distant.read) < size(reader) / 2


def test_of_a_large_part_only_the_rows_asked_for_are_read(reader: Store) -> None:
    (row,) = reader.read("costs", where={"arch": ["arch_00017"]}).to_pylist()
    assert row["arch"] == "arch_00017"
    assert ranges._END < sum(Distant.read) < ranges._END + 2 * size(reader) / GROUPS


def test_how_many_rows_there_are_is_in_the_end_of_a_part(reader: Store) -> None:
    assert [part.rows for part in reader.load("costs", ()).parts.values()] == [ROWS]
    assert Distant.read == [ranges._END]


def test_a_large_part_that_was_merged_meanwhile_is_looked_for_anew(reader: Store, large: Store) -> None:
    assert len(reader.read("costs", ["arch"])) == ROWS
    large.append("costs", costs_of(cost("other", macs=1)))
    compact(large)
    assert "other" in reader.read("costs", ["arch"])["arch"].to_pylist()


def test_damage_is_found_where_it_is_read_and_by_whoever_reads_it_all(
    reader: Store, large: Store, caplog: pytest.LogCaptureFixture
) -> None:
    damage(large, "peak_module", GROUPS - 1)
    assert len(reader.read("costs", where={"arch": ["arch_00017"]})) == 1
    assert not caplog.text
    assert "is damaged" in " ".join(finding.what for finding in verify(reader))
    assert len(reader.read("costs", ["peak_module"])) == 0
    assert "is damaged" in caplog.text
    (file,) = large.files.names("costs")
    compact(large)
    assert large.files.names(f"{DAMAGED}/costs") == {file}


def test_a_large_file_that_is_no_part_is_set_aside(large: Store) -> None:
    (file,) = large.files.names("costs")
    content = Distant.store[large.files.path("costs", file)]
    content.seek(size(large) - 4)
    content.write(b"none")
    assert large.costs(columns=["status"]).empty
    assert large.files.names(f"{DAMAGED}/costs") == {file}


def test_a_footer_longer_than_what_is_read_first_is_read_whole(reader: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges, "_END", 64)
    assert len(reader.read("costs", ["arch"])) == ROWS
    assert Distant.read[0] == 64


def test_what_is_read_completely_or_rewritten_is_held_against_the_checksum_of_the_whole(reader: Store, large: Store) -> None:
    whole = size(large)
    assert len(reader.read("costs")) == ROWS
    assert Distant.read == [whole]
    large.append("costs", costs_of(cost("other", macs=1)))
    Distant.read.clear()
    compact(large)
    assert whole in Distant.read
