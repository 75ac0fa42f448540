"""A Dask cluster that is started for a run on this machine: its workers are threads of the process that asks."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from fakes_installed import installed
from fakes_runs import wait_for_end_of
from zoo_of_poison import SlowZoo, noted_processes, set_pause

from zoo.cache.store import Store
from zoo.refresh.refresh import refresh
from zoo.settings import Execution, RefreshSettings, ZooSettings

SHIFTING = ["seconds", "counted_at", "run"]  # columns that differ from run to run


def costs(folder: Path, execution: Execution) -> pd.DataFrame:
    """What a refresh of the slow zoo, which is quick here, leaves in a cache."""
    cache = folder / f"cache-{execution.backend}"
    refresh(RefreshSettings(str(cache), {"slow": ZooSettings()}, execution=execution))
    return Store(cache).costs().drop(columns=SHIFTING).sort_values("arch", ignore_index=True)


@pytest.mark.parametrize(
    ("execution", "uses_child_processes"),
    [
        (Execution(), True),
        (Execution(backend="dask"), True),
        (Execution(backend="dask", arguments={"n_workers": 2}), True),
        (Execution(backend="dask", arguments={"processes": True}), False),
        (Execution(backend="dask", cluster="dask_jobqueue.SLURMCluster"), False),
        (Execution(backend="dask", address="tcp://there:8786"), False),
    ],
)
def test_where_the_processes_that_count_are_children_of_this_one(execution: Execution, uses_child_processes: bool) -> None:
    assert execution.uses_child_processes is uses_child_processes


@pytest.mark.slow
def test_it_counts_what_local_workers_count_and_leaves_no_process(tmp_path: Path) -> None:
    with installed(tmp_path, slow="zoo_of_poison:SlowZoo"):
        set_pause(tmp_path, 0)
        by_dask = costs(tmp_path, Execution(backend="dask", arguments={"n_workers": 2, "threads_per_worker": 1}))
        wait_for_end_of(noted_processes(tmp_path))
        pd.testing.assert_frame_equal(by_dask, costs(tmp_path, Execution(workers=2)))
    assert len(by_dask) == SlowZoo.size


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C as in a terminal, also where the tests were started in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.slow
@pytest.mark.usefixtures("interruptible")
def test_a_second_interrupt_ends_the_processes_it_waits_for(tmp_path: Path) -> None:
    interrupted_at: list[float] = []

    def interrupt_twice() -> None:
        while not noted_processes(tmp_path):
            time.sleep(0.1)
        for _ in range(2):
            interrupted_at.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.5)

    with installed(tmp_path, slow="zoo_of_poison:SlowZoo"):
        set_pause(tmp_path, 600)
        threading.Thread(target=interrupt_twice, daemon=True).start()
        with pytest.raises(KeyboardInterrupt):
            costs(tmp_path, Execution(backend="dask", workers=1, timeout_s=600))
    assert time.monotonic() - interrupted_at[-1] < 20
    wait_for_end_of(noted_processes(tmp_path))
