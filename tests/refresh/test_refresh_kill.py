"""Real refreshes, killed at any moment and run side by side: no committed row is lost, none is doubled, no file is torn."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from fakes_nursery import Nursery
from zoo_of_poison import SlowZoo

from zoo.cache.health import verify
from zoo.cache.maintenance import compact
from zoo.cache.schema.tables import KEY
from zoo.cache.store import Store, to_pandas

KILLS = 30
SHIFTING = ["seconds", "counted_at", "run"]  # columns that differ from run to run


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with Nursery(tmp_path_factory.mktemp("nursery")) as nursery:
        yield nursery


@pytest.fixture(scope="module")
def undisturbed(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """A cache that one refresh filled in peace, and how long that took."""
    cache, began = tmp_path_factory.mktemp("undisturbed") / "cache", time.monotonic()
    assert nursery.wait(nursery.start(cache)) == 0
    return cache, time.monotonic() - began


def lasting(store: Store, name: str = "costs") -> pd.DataFrame:
    """What is the same in every run: the costs in force, or the operations that belong to them."""
    rows = store.costs() if name == "costs" else store.details(name)
    order = [*KEY, "position"] if name == "ops" else list(KEY)
    return rows.drop(columns=SHIFTING, errors="ignore").sort_values(order, ignore_index=True)


def committed(store: Store) -> set[tuple[object, ...]]:
    """Every cost row there is, by key and moment."""
    rows = to_pandas(store.read("costs", [*KEY, "counted_at"]))
    found = list(rows.itertuples(index=False, name=None))
    assert len(set(found)) == len(found)
    return set(found)


def check_equal(cache: Path, other: Path) -> None:
    for name in ("costs", "ops"):
        pd.testing.assert_frame_equal(lasting(Store(cache), name), lasting(Store(other), name))


@pytest.mark.slow
def test_a_refresh_killed_at_random_moments_and_resumed_ends_as_an_undisturbed_one(
    nursery: Nursery, undisturbed: tuple[Path, float], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reference, duration = undisturbed
    seed = random.randrange(2**32)
    print("seed", seed)  # noqa: T201 - shown where the test fails
    chance = random.Random(seed)
    kills = completed = 0
    before: set[tuple[object, ...]] = set()
    cache = tmp_path / "cache0"
    while kills < KILLS:
        pid = nursery.start(cache)
        was_killed = nursery.kill_after(pid, chance.uniform(0, duration))
        kills += was_killed
        store = Store(cache)
        now = committed(store)
        assert before <= now
        assert len({row[:-1] for row in now}) == len(now)  # what was committed is not counted again
        assert not [finding for finding in verify(store) if finding.is_harmful]
        before = now
        if len(now) == SlowZoo.size and not was_killed:
            check_equal(cache, reference)
            completed, before = completed + 1, set()
            cache = tmp_path / f"cache{completed}"
    if cache.exists() or not completed:
        assert nursery.wait(nursery.start(cache)) == 0
        check_equal(cache, reference)
        assert before <= committed(Store(cache))
    assert caplog.text == ""


@pytest.mark.parametrize("together", [2, 4])
def test_refreshes_at_once_with_compactions_and_readers_end_with_the_union(
    nursery: Nursery, undisturbed: tuple[Path, float], tmp_path: Path, together: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Each refresh has models of its own, and one that all of them count."""
    cache = tmp_path / "cache"
    store = Store(cache)
    store.prepare()
    has_ended = threading.Event()
    compactions: list[int] = []
    reads: list[set[tuple[object, ...]]] = [set()]

    def compact_often() -> None:
        writer = Store(cache)
        writer.prepare()
        while not has_ended.is_set():
            compactions.append(len(compact(writer)))
            time.sleep(0.1)

    def read_often() -> None:
        while not has_ended.is_set():
            now = committed(Store(cache))
            assert reads[-1] <= now
            reads.append(now)
            time.sleep(0.05)

    helpers = [_Thread(compact_often), _Thread(read_often)]
    names = [f"slow_{i:02}" for i in range(SlowZoo.size)]
    pids = [nursery.start(cache, [names[0], *names[i::together]]) for i in range(together)]
    assert [nursery.wait(pid) for pid in pids] == [0] * together
    has_ended.set()
    for helper in helpers:
        helper.finish()
    assert len(compactions) > 1
    assert len(reads) > 2
    assert reads[-1] <= committed(store)
    check_equal(cache, undisturbed[0])
    compact(store)
    check_equal(cache, undisturbed[0])
    assert len(store.runs()) == together
    assert {run.status for run in store.runs()} == {"done"}
    assert not list(verify(store))
    assert caplog.text == ""


class _Thread(threading.Thread):
    """A thread that has started, and tells of what it raised."""

    def __init__(self, work: object) -> None:
        super().__init__(daemon=True)
        self._work, self._error = work, None
        self.start()

    def run(self) -> None:
        try:
            self._work()  # type: ignore[operator]
        except BaseException as error:  # noqa: BLE001
            self._error = error  # type: ignore[assignment]

    def finish(self) -> None:
        self.join(60)
        assert self._error is None, self._error
