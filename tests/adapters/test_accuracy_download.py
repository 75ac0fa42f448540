"""timm's result tables from the network: had once, and hardly waited for where there is none."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pooch
import pytest
from fakes_web import Site

from zoo.accuracy import download
from zoo.accuracy.result_tables import MAIN_TABLE, TABLES
from zoo.accuracy.snapshot import is_of_snapshot, snapshot_provenance
from zoo.accuracy.timm import ResultTables, find_tables

MOST_LOST_S = 2.0
SKETCH = "results-sketch.csv"


@pytest.fixture
def downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's cache of downloads that is empty."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "downloads" / project)
    return tmp_path / "downloads" / "zoometer" / "timm-results"


@pytest.fixture
def home(tmp_path: Path, downloads: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """The home of timm's releases, empty."""
    (tmp_path / "home").mkdir()
    with Site(tmp_path / "home") as site:
        monkeypatch.setattr(download, "HOME", site.address)
        yield site


def content(top1: float) -> str:
    return f"model,img_size,top1,top5\nsmall.in1k,224,{top1},90\n"


def publish(folder: Path, revision: str, top1: float, names: tuple[str, ...] = (MAIN_TABLE,)) -> None:
    for name in names:
        table = folder / "home" / revision / "results" / name
        table.parent.mkdir(parents=True, exist_ok=True)
        table.write_text(content(top1), encoding="utf-8")


def downloaded(found: ResultTables) -> dict[str, tuple[str, float]]:
    """Source and figure of each table that did not come with zoometer."""
    return {t.dataset: (t.source, t.read()["top1"][0]) for t in found.tables if not is_of_snapshot(t.source)}


def assert_is_snapshot(found: ResultTables, why: str) -> None:
    assert downloaded(found) == {}
    assert [t.dataset for t in found.tables] == list(TABLES.values())
    assert why in found.why_not_newer


@contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[tuple[str, list[socket.socket]]]:
    """A port that takes connections and does with each what it is told, and the connections. At its end nobody waits for it."""
    came: list[socket.socket] = []
    answering: list[threading.Thread] = []

    def serve() -> None:
        with contextlib.suppress(OSError):  # the port was closed
            while True:
                connection, _ = listener.accept()
                came.append(connection)
                answering.append(threading.Thread(target=answer, args=[connection]))
                answering[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = threading.Thread(target=serve)
        serving.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", came
        listener.shutdown(socket.SHUT_RDWR)
        serving.join()
    for connection in came:
        with contextlib.suppress(OSError):  # closed already
            connection.shutdown(socket.SHUT_RDWR)
    for thread in (*answering, *attempts()):
        thread.join()
    for connection in came:
        connection.close()


def attempts() -> list[threading.Thread]:
    """Attempts to download that go on."""
    return [thread for thread in threading.enumerate() if thread.name == "timm-results"]


def stay_silent(connection: socket.socket) -> None:
    """Takes what comes, as long as somebody is there."""
    while connection.recv(10_000):
        pass


def timed(version: str = "9.9") -> tuple[ResultTables, float]:
    import requests  # noqa: F401  # not the network's time

    started = time.monotonic()
    return find_tables(version=version), time.monotonic() - started


def test_the_tables_of_the_installed_release_are_downloaded_once(tmp_path: Path, home: Site) -> None:
    publish(tmp_path, "v9.9", 71, (MAIN_TABLE, SKETCH))
    publish(tmp_path, "main", 99)
    first = find_tables(version="9.9")
    assert first.why_not_newer == ""
    assert downloaded(first) == {
        "imagenet-1k": (f"timm {MAIN_TABLE} (v9.9)", 71),
        "imagenet-sketch": (f"timm {SKETCH} (v9.9)", 71),
    }  # of what the release lacks, zoometer's own tables are used
    assert [t.dataset for t in first.tables] == list(TABLES.values())
    assert sorted(home.paths) == sorted(f"/v9.9/results/{name}" for name in TABLES)
    home.paths.clear()
    assert downloaded(find_tables(version="9.9", fetch=False)) == downloaded(first)
    assert home.paths == []
    assert downloaded(find_tables(version="9.9")) == downloaded(first)
    assert MAIN_TABLE not in str(home.paths)  # only what the release lacks may be asked for again


def test_complete_tables_ask_nothing(tmp_path: Path, home: Site) -> None:
    publish(tmp_path, "v9.9", 71, tuple(TABLES))
    assert len(downloaded(find_tables(version="9.9"))) == len(TABLES)
    home.paths.clear()
    assert len(downloaded(find_tables(version="9.9"))) == len(TABLES)
    assert home.paths == []


def test_a_release_without_tables_falls_back_to_the_main_branch(tmp_path: Path, home: Site) -> None:
    publish(tmp_path, "main", 72)
    assert downloaded(find_tables(version="9.9")) == {"imagenet-1k": (f"timm {MAIN_TABLE} (main)", 72)}
    assert home.paths[0] == f"/v9.9/results/{MAIN_TABLE}"


def test_tables_of_the_main_branch_give_way_to_newer_ones_that_came_with_zoometer(
    tmp_path: Path, downloads: Path, home: Site
) -> None:
    publish(tmp_path, "main", 72)
    find_tables(version="9.9")
    os.utime(downloads / "main" / MAIN_TABLE, (0, 0))
    assert snapshot_provenance().retrieved_at > "1970-01-01"
    assert_is_snapshot(find_tables(version="9.9", fetch=False), "may not be downloaded (accuracy: {fetch: false})")
    assert downloaded(find_tables(version="9.9"))["imagenet-1k"][1] == 72  # it was too old, and is downloaded again


def test_without_tables_anywhere_zoometer_s_own_are_used(home: Site) -> None:
    assert_is_snapshot(find_tables(version="9.9"), "are neither in timm 9.9's repository nor in its main branch")
    assert len(home.paths) == 2


def test_a_closed_port_costs_no_time(downloads: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "HOME", "http://127.0.0.1:9")  # nothing listens there
    found, seconds = timed()
    assert_is_snapshot(found, "could not be downloaded: no connection")
    assert seconds < MOST_LOST_S


@pytest.mark.parametrize("way", ["host", "proxy"])
def test_what_never_answers_costs_two_seconds_once(downloads: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    with server(stay_silent) as (address, came):
        if way == "host":
            monkeypatch.setattr(download, "HOME", address)
        else:
            monkeypatch.setenv("https_proxy", address)
            monkeypatch.setattr(download, "HOME", "https://example.invalid")
        found, seconds = timed()
        assert_is_snapshot(found, "could not be downloaded: nothing arrived within")
        assert seconds < MOST_LOST_S
        assert len(came) == 1
        found, seconds = timed()
        assert_is_snapshot(found, "are not tried again before")
        assert seconds < 0.2
        assert len(came) == 1


def test_a_name_server_that_never_answers_costs_two_seconds(downloads: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()

    def never(*_: object, **__: object) -> None:
        ended.wait(60)
        raise socket.gaierror("no answer")

    monkeypatch.setattr(socket, "getaddrinfo", never)
    try:
        found, seconds = timed()
    finally:
        ended.set()
        for attempt in attempts():
            attempt.join()
    assert_is_snapshot(found, "could not be downloaded: nothing arrived within")
    assert seconds < MOST_LOST_S


def test_an_attempt_is_made_again_after_a_while(tmp_path: Path, downloads: Path, home: Site) -> None:
    find_tables(version="9.9")
    publish(tmp_path, "v9.9", 71)
    assert_is_snapshot(find_tables(version="9.9"), "are not tried again before")
    past = time.time() - download.PAUSE.total_seconds() - 1
    os.utime(downloads / "failed", (past, past))
    assert downloaded(find_tables(version="9.9"))["imagenet-1k"][1] == 71
    assert not (downloads / "failed").exists()


def answer_slowly(connection: socket.socket, first_after_s: float) -> None:
    """The main table of the release, drop by drop; nothing else exists."""
    with connection:
        asked = connection.recv(10_000).decode()
        is_main = f"/v9.9/results/{MAIN_TABLE} " in asked
        body = content(71).encode() if is_main else b""
        time.sleep(first_after_s if is_main else 0)
        head = f"HTTP/1.0 {200 if is_main else 404} .\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode())
        for start in range(0, len(body), 10):
            time.sleep(0.5)
            connection.sendall(body[start : start + 10])


def test_a_slow_network_is_waited_for(downloads: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with server(lambda connection: answer_slowly(connection, 1)) as (address, _):
        monkeypatch.setattr(download, "HOME", address)
        found, seconds = timed()
    assert downloaded(found)["imagenet-1k"][1] == 71
    assert seconds > MOST_LOST_S


def test_an_answer_that_comes_late_is_there_for_the_next_run(downloads: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "FIRST_SIGN_S", 0.2)
    with server(lambda connection: answer_slowly(connection, 1)) as (address, _):
        monkeypatch.setattr(download, "HOME", address)
        assert_is_snapshot(timed()[0], "nothing arrived within 0.2 s")
        (attempt,) = attempts()
        attempt.join(30)
    assert downloaded(find_tables(version="9.9", fetch=False))["imagenet-1k"][1] == 71
    assert not (downloads / "failed").exists()


def test_a_network_that_falls_silent_is_given_up(downloads: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def begin(connection: socket.socket) -> None:
        connection.recv(10_000)
        connection.sendall(b"HTTP/1.0 200 .\r\nContent-Length: 5000\r\n\r\nmodel")
        stay_silent(connection)

    monkeypatch.setattr(download, "SILENCE_S", 0.5)
    with server(begin) as (address, came):
        monkeypatch.setattr(download, "HOME", address)
        found, seconds = timed()
        assert_is_snapshot(found, "could not be downloaded")
        assert seconds < MOST_LOST_S
        assert len(came) == 1
    assert not list(downloads.rglob("*.csv"))  # nothing half of a table


def test_an_answer_of_another_kind_ends_the_attempt(downloads: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(connection: socket.socket) -> None:
        with connection:
            connection.recv(10_000)
            connection.sendall(b"HTTP/1.0 503 .\r\nContent-Length: 0\r\n\r\n")

    with server(refuse) as (address, came):
        monkeypatch.setattr(download, "HOME", address)
        assert_is_snapshot(timed()[0], "could not be downloaded: the answer was 503")
        assert len(came) == 1


def test_downloads_that_cannot_be_kept_are_done_without(tmp_path: Path, home: Site) -> None:
    publish(tmp_path, "v9.9", 71)
    (tmp_path / "downloads").write_text("a file where the folder should be")
    assert_is_snapshot(find_tables(version="9.9"), "could not be saved")
