"""Compaction and pruning: the same rows in fewer files, the same answers as of any run that is kept."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from cache_rows import NOON, cost, costs_of, everything, parts
from paths import REPOSITORY

from zoo.cache import maintenance
from zoo.cache.health import inspect, lacking_details, verify
from zoo.cache.maintenance import compact, compact_if_scattered, find_cutoff, prune
from zoo.cache.run_facts import end_of
from zoo.cache.schema.tables import KEY, table_of
from zoo.cache.storage.locks import locked
from zoo.cache.store import Store
from zoo.errors import BusyError


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "cache")
    store.prepare()
    return store


def operation(row: dict[str, Any], macs: int) -> dict[str, Any]:
    return {**{name: row[name] for name in (*KEY, "counted_at")}, "position": 0, "calls": 1, "macs": macs}


def commit(store: Store, *rows: dict[str, Any]) -> None:
    """Costs with one operation each."""
    store.append("ops", table_of("ops", [operation(row, row["macs"]) for row in rows]))
    store.append("costs", costs_of(*({**row, "operations": 1} for row in rows)))


def run(store: Store, name: str, minutes: int) -> None:
    """A run of a minute."""
    began = NOON + timedelta(minutes=minutes)
    row = {"run": name, "status": "done", "plan": name, "started_at": began, "finished_at": began + timedelta(seconds=50)}
    store.append("runs", table_of("runs", [row]))
    store.append("plans", table_of("plans", [{**{k: v for k, v in cost().items() if k in KEY}, "plan": name}]))


def rows(store: Store, name: str = "costs") -> list[tuple[Any, ...]]:
    return sorted((row["arch"], row["counted_at"], row["macs"]) for row in store.read(name).to_pylist())


def test_compaction_keeps_every_row_and_sorts_them(store: Store) -> None:
    for i in range(20):
        commit(store, cost(f"a{19 - i:02}", macs=i, minutes=i), cost("same", macs=i, minutes=i))
    before = rows(store), rows(store, "ops")
    done = {rewritten.table: rewritten for rewritten in compact(store)}
    assert (rows(store), rows(store, "ops")) == before
    assert (done["costs"].files_before, done["costs"].files, done["costs"].rows) == (20, 1, 40)
    assert len(parts(store)) == len(parts(store, "ops")) == 1
    archs = store.read("costs")["arch"].to_pylist()
    assert archs == sorted(archs)
    assert not list(verify(store))


def test_compacting_again_writes_nothing(store: Store) -> None:
    for i in range(3):
        commit(store, cost(f"a{i}", macs=i))
    compact(store)
    before = everything(store)
    compact(store)
    assert everything(store) == before


def test_full_parts_stay_as_they_are(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "FULL_ROWS", 4)
    for i in range(6):
        store.append("costs", costs_of(cost(f"a{i}", macs=i), cost(f"b{i}", macs=i)))
    compact(store)
    full = parts(store)
    assert len(full) == 3
    store.append("costs", costs_of(cost("new", macs=1)))
    compact(store)
    assert set(full) < set(parts(store))
    assert len(store.costs()) == 13


def test_details_of_a_count_that_was_never_committed_go_once_they_are_old(store: Store) -> None:
    commit(store, cost("kept", macs=1))
    young = {**cost("young", macs=2), "counted_at": datetime.now(UTC)}
    store.append("ops", table_of("ops", [operation(cost("orphan", macs=2, minutes=3), 2), operation(young, 3)]))
    assert [finding.what for finding in verify(store)] == ["ops: details of 2 counts that were never committed"]
    compact(store)
    assert [row[0] for row in rows(store, "ops")] == ["kept", "young"]


def test_a_compaction_that_was_killed_before_it_removed_anything_doubles_nothing(store: Store) -> None:
    for i in range(3):
        commit(store, cost(f"a{i}", macs=i))
    kept = {path: path.read_bytes() for path in parts(store)}
    before = rows(store)
    compact(store)
    for path, content in kept.items():
        path.write_bytes(content)
    assert rows(store) == before
    assert [finding.what for finding in verify(store)] == ["costs: 3 files were replaced and not yet removed"]
    compact(store)
    assert len(parts(store)) == 1
    assert rows(store) == before


class Killed(BaseException):
    """What ends a process that is killed."""


def compact_until_removal(store: Store, number: int) -> None:
    """A compaction that is killed when it is about to remove its nth file."""
    writer = Store(store.address)
    writer.prepare()
    remove, left = writer.files.remove, [number]

    def counted(folder: str, name: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Killed
        remove(folder, name)

    writer.files.remove = counted  # type: ignore[method-assign]
    with contextlib.suppress(Killed):
        compact(writer)


@pytest.mark.parametrize("first", [1, 2, 3])
@pytest.mark.parametrize("second", range(1, 7))
def test_compactions_that_are_killed_one_after_the_other_double_nothing(store: Store, first: int, second: int) -> None:
    """The second merges what the first wrote, and removes that before what the first has left."""
    for name in ("a", "b"):
        store.append("costs", costs_of(cost(name)))
    compact_until_removal(store, first)
    store.append("costs", costs_of(cost("c")))
    compact_until_removal(store, second)
    assert Store(store.address).read("costs")["arch"].to_pylist() == ["a", "b", "c"]
    compact(store)
    assert Store(store.address).read("costs")["arch"].to_pylist() == ["a", "b", "c"]
    assert len(parts(store)) == 1


def test_compactions_at_the_same_time_double_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Object stores have no lock that would keep two machines from it."""
    other = Store(store.address)
    for name in ("a", "b", "c"):
        store.append("costs", costs_of(cost(name, macs=1)))
    rows = store.rows

    def compact_meanwhile(*arguments: Any) -> Iterator[tuple[str, pa.Table]]:
        monkeypatch.setattr(store, "rows", rows)
        yield from rows(*arguments)
        other.append("costs", costs_of(cost("d", macs=1)))
        maintenance._compact_table(other, "costs")

    monkeypatch.setattr(store, "rows", compact_meanwhile)
    maintenance._compact_table(store, "costs")
    assert len(parts(store)) == 2
    for columns in (None, ["arch"], ["macs"]):
        assert len(Store(store.address).read("costs", columns)) == 4
    assert "costs: 2 files were merged from the same ones" in [problem.what for problem in verify(store)]
    compact(store)
    assert Store(store.address).read("costs")["arch"].to_pylist() == ["a", "b", "c", "d"]
    assert not list(verify(store))


def test_a_run_that_ended_replaces_its_beginning_even_after_a_compaction_between(store: Store) -> None:
    began = store.append("runs", table_of("runs", [{"run": "r", "status": "running", "started_at": NOON}]))
    run(store, "other", 5)
    compact(store)
    assert began
    end = {"run": "r", "status": "done", "started_at": NOON, "finished_at": NOON + timedelta(minutes=1)}
    store.append("runs", table_of("runs", [end]), replaces=[began])
    assert [(r.run, r.status) for r in store.runs()] == [("r", "done"), ("other", "done")]
    compact(store)
    assert store.read("runs")["status"].to_pylist() == ["done", "done"]


def test_many_parts_are_worth_a_compaction(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "_MANY_PARTS", 2)
    for number in (1, 2, 3):
        store.append("costs", costs_of(cost(f"a{number}")))
        compact_if_scattered(store)
        assert len(store.files.names("costs")) == (number if number <= 2 else 1)


@pytest.fixture
def history(store: Store) -> Store:
    """Four runs that each gave one model another value, and one run gave another model its only one."""
    commit(store, cost("steady", macs=1, minutes=0))
    for i in range(4):
        commit(store, cost("restless", macs=10 + i, minutes=i * 10))
        run(store, f"run{i}", i * 10)
    return store


def test_reading_as_of_a_run_gives_what_was_in_force_then(history: Store) -> None:
    for i, found in enumerate(history.runs()):
        costs = history.costs(as_of=end_of(history, found)).set_index("arch")["macs"].to_dict()
        assert costs == {"steady": 1, "restless": 10 + i}


@pytest.mark.parametrize("keep", [1, 2, 3, 4])
def test_pruning_keeps_what_the_last_runs_need(history: Store, keep: int) -> None:
    cutoff = find_cutoff(history.runs(), keep_runs=keep)
    before = everything(history)
    assert (cutoff is None) == (keep == 4)
    if cutoff is None:
        return
    said = prune(history, cutoff, dry_run=True)
    assert everything(history) == before
    assert prune(history, cutoff) == said
    assert [found.run for found in history.runs()] == [f"run{i}" for i in range(4 - keep, 4)]
    for found in history.runs():
        costs = history.costs(as_of=end_of(history, found)).set_index("arch")["macs"].to_dict()
        assert costs == {"steady": 1, "restless": 10 + int(found.run[-1])}
    assert len(rows(history)) == len(rows(history, "ops")) == 1 + keep + 1  # the value in force when the oldest began, as well
    assert sorted(set(history.read("plans")["plan"].to_pylist())) == [f"run{i}" for i in range(4 - keep, 4)]
    assert not list(verify(history))


def test_pruning_by_age_never_takes_the_value_in_force_nor_the_last_run(history: Store) -> None:
    cutoff = find_cutoff(history.runs(), older_than=timedelta(0))
    assert cutoff is not None
    prune(history, cutoff)
    assert history.costs().set_index("arch")["macs"].to_dict() == {"steady": 1, "restless": 13}
    assert len(rows(history)) == 2
    assert [found.run for found in history.runs()] == ["run3"]


def test_rows_committed_while_pruning_stay(history: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    superseded = maintenance._superseded

    def commit_meanwhile(store: Store, owner: str, cutoff: datetime) -> Any:
        found = superseded(store, owner, cutoff)
        commit(Store(store.address), cost("new", macs=5, minutes=-5))
        return found

    monkeypatch.setattr(maintenance, "_superseded", commit_meanwhile)
    prune(history, datetime.now(UTC))
    assert "new" in list(history.costs()["arch"])


def test_costs_whose_operations_were_lost_are_known(history: Store) -> None:
    assert lacking_details(history, "ops") == set()
    for path in parts(history, "ops"):
        path.unlink()
    assert {key[1] for key in lacking_details(history, "ops")} == {"steady", "restless"}


def test_an_overview_counts_files_rows_and_bytes(history: Store) -> None:
    found = inspect(history)
    costs = next(table for table in found.tables if table.table == "costs")
    assert (costs.files, costs.rows) == (5, 5)
    assert costs.bytes == sum(path.stat().st_size for path in parts(history))
    assert (found.keys, found.oldest, found.newest) == (2, NOON, NOON + timedelta(minutes=30))


HOLD = """
import sys
from zoo.cache.storage.locks import locked
from zoo.cache.store import Store
with locked(Store(sys.argv[1]).files, "maintenance", what="test"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_only_one_process_compacts_and_a_killed_one_holds_nothing_up(store: Store) -> None:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, store.address], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(BusyError, match="Another process compacts or prunes this cache already"):
            compact(store, wait=False)
        other.kill()
    compact(store, wait=False)


def test_who_waits_for_a_lock_is_told(store: Store) -> None:
    waiting = threading.Event()
    with locked(store.files, "x", what="test"):
        other = threading.Thread(target=_wait_for, args=(Store(store.address), waiting))
        other.start()
        assert waiting.wait(20)
        assert other.is_alive()
    other.join(20)
    assert not other.is_alive()


def _wait_for(store: Store, waiting: threading.Event) -> None:
    with locked(store.files, "x", what="test", on_wait=waiting.set):
        pass


def test_compaction_holds_one_batch_of_parts_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table may be larger than the memory: parts are read again when it is their turn, and let go."""
    monkeypatch.setattr(maintenance, "FULL_ROWS", 6)
    store = Store(tmp_path)
    store.prepare()
    for part in range(12):
        store.append("costs", costs_of(cost(f"a{part}", macs=part), cost(f"b{part}", macs=part)))
    before = store.costs()
    held: list[int] = []
    concat = pa.concat_tables

    def noted(tables: Any, **more: Any) -> Any:
        held.append(len(given := list(tables)))
        return concat(given, **more)

    monkeypatch.setattr(pa, "concat_tables", noted)
    (costs, *_) = compact(store)
    assert (costs.files_before, costs.files, costs.rows) == (12, 4, 24)
    assert held[:4] == [3, 3, 3, 3]
    pd.testing.assert_frame_equal(
        store.costs().sort_values("arch", ignore_index=True), before.sort_values("arch", ignore_index=True)
    )


def test_a_part_that_is_found_damaged_while_it_is_merged_stops_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.prepare()
    file = store.append("costs", costs_of(cost("a", macs=1)))
    store.append("costs", costs_of(cost("b", macs=2)))
    store.load("costs", ())  # each part is known as it was
    Path(store.files.path("costs", file or "")).write_bytes(b"no more")
    compact(store)
    assert list(store.costs()["arch"]) == ["b"]


def test_a_long_run_merges_its_parts_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "_MANY_PARTS", 3)
    store = Store(tmp_path)
    store.prepare()
    for part in range(5):
        store.append("costs", costs_of(cost(f"a{part}", macs=part)))
        maintenance.compact_if_scattered(store)
    assert len(store.files.names("costs")) == 2  # the fourth was one too many
    assert len(store.costs()) == 5
