"""Files that are no parts, or no longer: they stop nothing, are never read, and what they held is counted again."""

from __future__ import annotations

import errno
import os
import random
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa
import pytest
from cache_rows import cost, costs_of, everything, parts, weights_of
from fakes_damage import DAMAGES, make_newer, truncate
from paths import REPOSITORY, SUPPORT

from zoo.cache.health import verify
from zoo.cache.schema.tables import SCHEMA_VERSION
from zoo.cache.storage.parts import UnreadableError, decode, encode, new_name
from zoo.cache.store import Store
from zoo.errors import CacheError


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A cache with three parts."""
    store = Store(tmp_path / "cache")
    store.prepare()
    for name in ("good", "bad", "better"):
        store.append("costs", costs_of(cost(name, macs=1)))
    return store


def bad_part(store: Store) -> Path:
    return parts(store)[1]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("is_writer", [True, False])
def test_what_is_no_part_is_set_aside_with_a_warning(
    store: Store, damage: Callable[[Path], Path], is_writer: bool, caplog: pytest.LogCaptureFixture
) -> None:
    bad = damage(bad_part(store))
    reader = store if is_writer else Store(store.address)
    assert sorted(reader.costs()["arch"]) == ["better", "good"]
    assert sorted(reader.costs()["arch"]) == ["better", "good"]
    assert [record.levelname for record in caplog.records] == ["WARNING"]  # once
    assert str(bad) in caplog.text
    assert "will be counted again" in caplog.text
    aside = Path(store.address, "damaged", "costs", bad.name)
    assert (os.path.lexists(aside), os.path.lexists(bad)) == (is_writer, not is_writer)


def test_a_part_of_a_newer_format_is_set_aside_and_taken_back_by_what_can_read_it(
    store: Store, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = make_newer(bad_part(store))
    assert sorted(store.costs()["arch"]) == ["better", "good"]
    newer = SCHEMA_VERSION + 1
    assert (
        f"{bad} was written by a newer zoometer, in format {newer}; this one reads formats up to {SCHEMA_VERSION}" in caplog.text
    )
    assert Path(store.address, "newer", "costs", bad.name).exists()
    for module in ("storage.parts", "maintenance"):
        monkeypatch.setattr(f"zoo.cache.{module}.SCHEMA_VERSION", newer)
    store.prepare()
    assert sorted(store.costs()["arch"]) == ["bad", "better", "good"]


def test_a_damaged_snapshot_falls_back_to_the_one_before(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    store.replace("weights", weights_of("timm", "a"), {"timm"})
    (old,) = parts(store, "weights")
    content = old.read_bytes()
    store.replace("weights", weights_of("timm", "b"), {"timm"})
    truncate(parts(store, "weights")[0])
    old.write_bytes(content)  # a kill came before its removal
    assert [row["tag"] for row in store.read("weights").to_pylist()] == ["a"]
    assert "damaged" in caplog.text


def test_a_file_that_cannot_be_read_at_all_is_left_out_and_stays(
    store: Store, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, read = bad_part(store), store.files.read

    def refuse_one(folder: str, name: str) -> bytes:
        if name == bad.name:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read(folder, name)

    monkeypatch.setattr(store.files, "read", refuse_one)
    assert sorted(store.costs()["arch"]) == ["better", "good"]
    assert f"{bad} cannot be read: Input/output error" in caplog.text
    assert bad.exists()


def test_every_flipped_bit_and_every_cut_is_noticed() -> None:
    """A part counts as it was written, or not at all."""
    table = costs_of(*(cost(f"a{i}", macs=i) for i in range(5)))
    data = encode(table)
    name = new_name(data)
    assert decode(name, data.to_pybytes(), "costs").table.equals(table)
    seed = random.randrange(2**32)
    print("seed", seed)  # noqa: T201 - shown where the test fails
    chance = random.Random(seed)
    for _ in range(1500):
        broken = bytearray(data.to_pybytes())
        for _ in range(chance.choice([1, 1, 1, 8])):
            broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
        with pytest.raises(UnreadableError, match="is damaged"):
            decode(name, bytes(broken), "costs")
    for length in range(0, len(data), 97):
        with pytest.raises(UnreadableError, match="is damaged"):
            decode(name, data.to_pybytes()[:length], "costs")


def test_any_bytes_with_any_name_are_refused() -> None:
    chance = random.Random(0)
    for name in (new_name(pa.py_buffer(b"x")), "x.parquet"):
        for size in (0, 1, 4, 12, 1000):
            for data in (chance.randbytes(size), b"PAR1" + chance.randbytes(size) + b"PAR1"):
                with pytest.raises(UnreadableError):
                    decode(name, data, "costs")


def test_verify_names_what_is_damaged_and_changes_nothing(store: Store) -> None:
    bad = truncate(bad_part(store))
    before = everything(store)
    findings = list(verify(Store(store.address)))
    assert [finding.is_harmful for finding in findings] == [True]
    assert str(bad) in findings[0].what
    assert everything(store) == before


def refuse(*_: Any, **__: Any) -> NoReturn:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def interrupt(*_: Any, **__: Any) -> NoReturn:
    raise KeyboardInterrupt


@pytest.mark.parametrize("place", ["os.fsync", "pathlib.Path.replace", "pathlib.Path.open"])
def test_a_full_disk_leaves_what_was_kept_and_nothing_else(store: Store, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = everything(store)
    with monkeypatch.context() as patch:
        patch.setattr(place, refuse)
        with pytest.raises(CacheError, match=r"cannot be written: No space left on device\. What was committed before is intact"):
            store.append("costs", costs_of(cost("lost")))
    assert everything(store) == before
    assert sorted(store.costs()["arch"]) == ["bad", "better", "good"]


FILL = """
import resource, signal, sys
sys.path.insert(0, sys.argv[2])
from cache_rows import cost, costs_of
from zoo.cache.store import Store
from zoo.errors import CacheError
store = Store(sys.argv[1])
store.prepare()
store.append("costs", costs_of(cost("kept")))
resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))  # a disk on which no larger file fits
try:
    store.append("costs", costs_of(*(cost(f"a{i}", macs=i * 7919) for i in range(20_000))))
except CacheError as error:
    print(error)
"""


def test_a_file_the_system_cuts_short_is_not_committed(tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", FILL, str(tmp_path / "cache"), str(SUPPORT)]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=True)
    assert "cannot be written: File too large. What was committed before is intact" in done.stdout
    assert list(Store(tmp_path / "cache").costs()["arch"]) == ["kept"]
    assert [path.suffix for path in everything(Store(tmp_path / "cache"))] == [".parquet"]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY  # only there


def test_a_disk_that_gives_back_other_bytes_is_noticed_before_the_commit(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    before = everything(store)
    sums = iter(["what was written", "what was read"])
    monkeypatch.setattr("zoo.cache.storage.files.checksum", lambda _: next(sums))
    with pytest.raises(CacheError, match="the disk gives back other bytes than were written"):
        store.append("costs", costs_of(cost("lost")))
    assert everything(store) == before


def test_an_interrupted_write_leaves_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    before = everything(store)
    monkeypatch.setattr("os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        store.append("costs", costs_of(cost()))
    assert everything(store) == before


def test_what_a_killed_writer_left_is_removed_when_it_is_old(store: Store) -> None:
    old, young = (Path(store.address, "costs", f".part-{name}.parquet.tmp") for name in ("old", "young"))
    for path in (old, young):
        path.write_bytes(b"half a par")
    os.utime(old, (0, 0))
    store.prepare()
    assert (old.exists(), young.exists()) == (False, True)
    assert len(store.costs()) == 3


def test_a_folder_that_cannot_be_made_is_found_early(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for path in (tmp_path / "file", tmp_path / "file" / "cache"):
        with pytest.raises(CacheError, match=r"cannot be written: .*\. Choose another folder with 'cache:'"):
            Store(path).prepare()


def test_a_folder_that_became_a_file_is_an_error(store: Store) -> None:
    folder = Path(store.address) / "costs"
    shutil.rmtree(folder)
    folder.write_text("in the way")
    with pytest.raises(CacheError, match="cannot be written: Not a directory"):
        store.append("costs", costs_of(cost()))


def test_a_cache_that_may_only_be_read_is_read(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may write anywhere, so that the refusal has to come from a stand-in."""
    truncate(bad_part(store))

    def refuse_rename(*_: Any) -> NoReturn:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("pathlib.Path.rename", refuse_rename)
    assert sorted(store.costs()["arch"]) == ["better", "good"]
    monkeypatch.setattr("pathlib.Path.write_bytes", refuse_rename)
    with pytest.raises(CacheError, match="cannot be written: Read-only file system"):
        store.prepare()
