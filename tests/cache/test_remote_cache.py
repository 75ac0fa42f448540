"""A cache at an address instead of a folder: the same tables, and nothing asked of the storage that it cannot give."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import fsspec
import pandas as pd
import pytest
from cache_rows import cost, costs_of, weights_of
from fsspec.implementations.memory import MemoryFileSystem
from typer.testing import CliRunner, Result

from reports import cli
from reports.config.config_file import load_config
from zoo.addresses import Address
from zoo.cache.health import inspect, verify
from zoo.cache.maintenance import compact
from zoo.cache.schema.tables import table_of
from zoo.cache.storage import remote_files
from zoo.cache.storage.remote_files import RemoteFiles
from zoo.cache.store import DAMAGED, Store
from zoo.errors import CacheError, ConfigError
from zoo.jobs import RunSummary
from zoo.refresh.refresh import refresh
from zoo.settings import RefreshSettings

HIDDEN = "hunter2-and-more"


@pytest.fixture
def address() -> Iterator[str]:
    name = f"memory://{uuid.uuid4().hex}"
    yield name
    fs = fsspec.filesystem("memory")
    if fs.exists(name):
        fs.rm(name, recursive=True)


@pytest.fixture
def store(address: str) -> Store:
    store = Store(address)
    store.prepare()
    return store


def names(store: Store) -> list[str]:
    """Every file there is."""
    assert isinstance(store.files, RemoteFiles)
    return sorted(str(path) for path in store.files._fs.find(store.files.root))


def test_rows_are_read_back_and_replaced_without_any_renaming(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for forbidden in ("mv", "move", "mv_file", "rename"):
        monkeypatch.setattr(MemoryFileSystem, forbidden, None, raising=False)
    for i in range(5):
        store.append("costs", costs_of(cost(f"arch_{i}", macs=i)))
    store.replace("weights", weights_of("timm", "a", "b"), {"timm"})
    store.replace("weights", weights_of("timm", "c"), {"timm"})
    compact(store)
    other = Store(store.address)
    assert list(other.costs()["macs"]) == list(range(5))
    assert [row["tag"] for row in other.read("weights").to_pylist()] == ["c"]
    assert len(names(store)) == 2  # a part of each table, and no trace of a probe or a claim
    assert not list(verify(other))
    assert [table.files for table in inspect(other).tables if table.rows] == [1, 1]


def test_a_reader_lists_the_cache_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.append("costs", costs_of(cost(macs=1)))
    listed: list[str] = []
    find = MemoryFileSystem.find

    def noted(self: Any, path: str, **more: Any) -> Any:
        listed.append(path)
        return find(self, path, **more)

    monkeypatch.setattr(MemoryFileSystem, "find", noted)
    reader = Store(store.address)
    assert reader.exists()
    reader.costs()
    reader.details("ops")
    reader.runs()
    reader.architectures()
    inspect(reader)
    assert len(listed) == 1


def test_what_others_put_and_remove_meanwhile_is_noticed(store: Store) -> None:
    store.append("costs", costs_of(cost("a", macs=1)))
    store.append("costs", costs_of(cost("b", macs=2)))
    reader = Store(store.address)
    assert len(reader.costs()) == 2
    compact(store)  # the parts the reader knows of are gone
    assert list(reader.costs()["macs"]) == [1, 2]


def test_a_damaged_part_is_copied_aside_and_its_rows_are_counted_again(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    file = store.append("costs", costs_of(cost(macs=1)))
    assert file
    assert isinstance(store.files, RemoteFiles)
    store.files._fs.pipe_file(store.files.path("costs", file), b"PAR1 no more")
    assert store.costs().empty
    assert store.files.names(f"{DAMAGED}/costs") == {file}
    assert not store.files.names("costs")
    assert "is damaged" in caplog.text


class LosingAnswers(MemoryFileSystem):  # type: ignore[misc]
    """A storage that stores what it is given, and whose answer may be lost."""

    protocol = "losing"
    store: dict[str, Any] = {}  # noqa: RUF012 - as the base has it
    pseudo_dirs = [""]  # noqa: RUF012
    loses_answer = False

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return MemoryFileSystem._strip_protocol(path.replace("losing://", "memory://"))  # type: ignore[no-any-return]

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: Any) -> None:
        super().pipe_file(path, value, mode=mode, **kwargs)
        if LosingAnswers.loses_answer:
            raise TimeoutError("timed out")


def test_a_state_whose_answer_was_lost_does_not_outlive_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is there, although nobody was told; the clock is set back before the next one is written."""
    fsspec.register_implementation("losing", LosingAnswers, clobber=True)
    monkeypatch.setattr(remote_files, "_PUT_WHOLE", {"losing"})
    store = Store("losing://cache")
    store.replace("weights", weights_of("timm", "a"), {"timm"})
    monkeypatch.setattr(LosingAnswers, "loses_answer", True)
    with pytest.raises(CacheError, match=r"timed out\. What was committed before is intact; run again"):
        store.replace("weights", weights_of("timm", "b"), {"timm"})
    monkeypatch.setattr(LosingAnswers, "loses_answer", False)

    class Earlier(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) - timedelta(hours=1)

    monkeypatch.setattr("zoo.cache.storage.parts.datetime", Earlier)
    store.replace("weights", weights_of("timm", "c"), {"timm"})
    assert Store(store.address).read("weights")["tag"].to_pylist() == ["c"]


class SlowlyWritten(MemoryFileSystem):  # type: ignore[misc]
    """A server whose files are seen while they are written: they have to be renamed into place."""

    protocol = "slowly"
    store: dict[str, Any] = {}  # noqa: RUF012 - as the base has it
    pseudo_dirs = [""]  # noqa: RUF012
    piped: list[str] = []  # noqa: RUF012

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return MemoryFileSystem._strip_protocol(path.replace("slowly://", "memory://"))  # type: ignore[no-any-return]

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: Any) -> None:
        self.piped.append(path.rpartition("/")[2])
        super().pipe_file(path, value, mode=mode, **kwargs)


def test_where_files_are_seen_half_written_they_are_renamed_into_place() -> None:
    fsspec.register_implementation("slowly", SlowlyWritten, clobber=True)
    store = Store("slowly://cache")
    store.prepare()
    file = store.append("costs", costs_of(cost(macs=1)))
    assert SlowlyWritten.piped[-1] == f".{file}.tmp"
    assert list(Store("slowly://cache").costs()["macs"]) == [1]
    assert names(store) == [store.files.path("costs", file or "")]


class Refusing(MemoryFileSystem):  # type: ignore[misc]
    """A storage that repeats in its errors what it was given."""

    protocol = "refusing"
    cachable = False

    def __init__(self, secret: str = "", **more: Any) -> None:
        super().__init__(**more)
        self._secret = secret

    def pipe_file(self, *_: Any, **__: Any) -> None:
        raise RuntimeError(f"InvalidAccessKey: {self._secret} is not known")

    def find(self, *_: Any, **__: Any) -> dict[str, Any]:
        raise PermissionError(13, f"{self._secret} may not list refusing://k:{self._secret}@cache")


@pytest.fixture
def refusing() -> Address:
    fsspec.register_implementation("refusing", Refusing, clobber=True)
    return Address.of("refusing://cache", {"secret": HIDDEN})


def test_errors_of_a_storage_are_told_without_its_credentials(refusing: Address) -> None:
    for ask in (lambda: Store(refusing).prepare(), lambda: Store(refusing).costs()):
        with pytest.raises(CacheError, match=r"refusing://cache.*\*\*\*") as raised:
            ask()
        seen: BaseException | None = raised.value
        while seen is not None:
            assert HIDDEN not in str(seen)
            seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)


def zoometer(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, list(arguments), prog_name="zoometer")


def test_no_command_prints_credentials(refusing: Address, tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(
        f"storage: {{secret: {HIDDEN}}}\ncache: refusing://me:{HIDDEN}2@cache\nzoos: {{timm: {{include: [resnet18]}}}}\n"
    )
    assert load_config(config).cache == "refusing://cache"
    for command in (
        ("refresh", str(config)),
        ("run", str(config)),
        ("--debug", "cache", "info", "--config", str(config)),
        ("select", "--config", str(config)),
        ("measure", str(config), "--way", "cpu/fp32/nchw"),
        ("calibrate", "--device", "t4", "--config", str(config)),
        ("calibrate", "--device", "t4", "--cache", f"refusing://me:{HIDDEN}@cache"),
        ("list", "--cache", f"refusing://me:{HIDDEN}@cache"),
        ("cache", "info", "--cache", f"refusing://me:{HIDDEN}@cache"),
    ):
        result = zoometer(*command)
        assert result.exit_code != 0, command
        assert "hunter2" not in result.output, command


def test_a_mistake_in_the_storage_section_is_told_without_its_value(tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(f"storage: {HIDDEN}\nexecution: {{backend: dask, arguments: {HIDDEN}}}\nzoos: {{timm: }}\n")
    with pytest.raises(ConfigError, match="line 1: storage must be a mapping") as raised:
        load_config(config)
    assert HIDDEN not in str(raised.value)


def test_a_file_system_that_is_not_installed_is_told_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: Any, **__: Any) -> None:
        raise ImportError("Please install gcsfs to access Google Storage")

    monkeypatch.setattr(fsspec.core, "url_to_fs", missing)
    with pytest.raises(CacheError, match=r"install gcsfs.*pip install 'zoometer\[gs\]'"):
        Store("gs://bucket/cache")


@pytest.fixture(scope="module")
def filled() -> Iterator[Store]:
    """A cache in memory, filled by a real refresh of one small model."""
    settings = RefreshSettings("memory://filled")
    assert isinstance(refresh(settings), RunSummary)
    store = Store("memory://filled")
    rows = [{"zoo": "timm", "arch": "small", "task": "classification", "family": "f", "input": "3x224x224", "classes": 1000}]
    store.replace("architectures", table_of("architectures", rows), {"timm"})
    store.replace("weights", table_of("weights", [{**rows[0], "tag": "a", "dataset": "imagenet-1k"}]), {"timm"})
    store.append("costs", costs_of(cost("small", macs=10**9, flops=2 * 10**9, params=10**6, activations=1)))
    yield store
    fsspec.filesystem("memory").rm("/filled", recursive=True)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("cache", "info"), "memory://filled: 1 costs in force"),
        (("cache", "verify"), "Every file is as it was written."),
        (("cache", "compact"), "costs                     1      1            1     1"),
        (("cache", "prune", "--keep-runs", "1"), "There are no more than 1 runs; all stays."),
        (("cache", "export", "costs", "--format", "json", "-o", "costs.json"), "Wrote 1 rows of costs"),
        (("changes",), "1 unchanged"),
        (("select", "--max-gmacs", "2"), "is the only one that fits"),
        (("show", "timm/small"), "1.00 G"),
    ],
)
def test_commands_read_a_cache_at_an_address(
    filled: Store, command: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = zoometer(*command, "--cache", filled.address)
    assert said in result.output
    assert result.exit_code in {0, 1}  # 1: nothing fits the budget
    if command[1:2] == ("export",):
        (row,) = json.loads((tmp_path / "costs.json").read_text())
        assert row["macs"] == 10**9


def test_a_report_is_made_of_a_cache_at_an_address(filled: Store, tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(
        f"cache: {filled.address}\nout: {tmp_path}/out\nzoos: {{timm: {{include: [small]}}}}\nreports: [{{formats: [csv]}}]\n"
    )
    result = zoometer("report", str(config))
    assert result.exit_code == 0, result.output
    assert "timm/small.a" in (tmp_path / "out" / "leaderboard.csv").read_text()


def test_frames_are_those_of_a_folder(filled: Store, tmp_path: Path) -> None:
    local = Store(tmp_path)
    local.prepare()
    local.append("costs", filled.read("costs"))
    pd.testing.assert_frame_equal(local.costs(), filled.costs())
