"""How jobs are handed to a Dask cluster: little at a time, nothing lost with a worker, no model tried for ever."""

from __future__ import annotations

import importlib
import itertools
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes_dask import VERSIONS, FakeClient
from fakes_installed import installed
from jobs_for_tests import job_of
from zoo_of_poison import CLASSES, INPUT, declared

from zoo.dask_backend import client as dask
from zoo.dask_backend.client import DaskPool
from zoo.dask_backend.cluster import ClusterError, connected
from zoo.dask_backend.remote_worker import run_batch, stop_processes
from zoo.dask_backend.software_versions import VersionsDifferError, installed_software, require_equal
from zoo.errors import ZooError
from zoo.jobs import Failure, Job
from zoo.records import Versions
from zoo.settings import Execution
from zoo.workers import job_queue
from zoo.workers.job_queue import JobQueue, complete_jobs
from zoo.workers.packing import unpack


def jobs(number: int, *, families: int = 5, inputs: tuple[str, ...] = ("3x8x8",)) -> Iterator[Job]:
    return (job_of("mine", f"model_{i}", 10, inputs, family=f"family_{i % families}") for i in range(number))


def running(
    client: Any, given: Any, versions: Versions = VERSIONS, notify: Callable[[str], None] = lambda _: None
) -> Generator[Any]:
    with DaskPool(client, Execution(), {"mine": versions}, notify) as pool:
        yield from filter(None, complete_jobs(JobQueue(given), pool, lambda: None))


def run(client: FakeClient, given: Any, versions: Versions = VERSIONS) -> list[Any]:
    return list(running(client, given, versions))


def reasons(outcomes: list[Any]) -> dict[str, str]:
    return {job.arch: str(outcome) for job, outcome in outcomes if isinstance(outcome, Failure)}


def test_every_job_is_done_once_and_few_are_held_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    lookahead = 200
    monkeypatch.setattr(job_queue, "LOOKAHEAD", lookahead)
    client = FakeClient({"a": 1, "b": 3}, seconds=dask._BATCH_S / dask._FIRST_BATCH)
    number = 10 * lookahead
    read = itertools.count()
    lead = 0

    def plan() -> Iterator[Job]:
        for job in jobs(number):
            next(read)
            yield job

    done = set()
    for yielded, (job, rows) in enumerate(running(client, plan())):
        done.add(job)
        assert [row.key.arch for row in rows] == [job.arch]
        lead = max(lead, int(repr(read)[6:-1]) - yielded)
    threads = 1 + 3
    assert len(done) == number
    assert client.most_held <= threads * dask._BATCHES_PER_THREAD * dask._FIRST_BATCH
    assert lead <= lookahead + client.most_held + 1
    assert client.held == 0
    assert max(client.sizes) == dask._FIRST_BATCH
    assert client.sizes[-1] == 1  # towards the end, so that workers end together


@pytest.mark.parametrize(("seconds", "most"), [(dask._BATCH_S / 20, 20), (10 * dask._BATCH_S, 1), (0.0, dask._MAX_BATCH)])
def test_the_longer_jobs_take_the_fewer_are_sent_at_once(seconds: float, most: int) -> None:
    client = FakeClient({"a": 1}, seconds=seconds)
    run(client, jobs(2000))
    first = dask._BATCHES_PER_THREAD + 1
    average = (dask._BATCH_S / dask._FIRST_BATCH + seconds) / 2  # of what was assumed and what the first batch took
    next_size = max(1, round(dask._BATCH_S / average))
    assert client.sizes[:first] == [dask._FIRST_BATCH] * dask._BATCHES_PER_THREAD + [next_size]
    assert set(client.sizes[first:]) == {1} if most == 1 else max(client.sizes) == most


def test_a_model_that_takes_a_worker_along_twice_gets_a_failed_row_and_the_others_theirs() -> None:
    client = FakeClient({"a": 1, "b": 1}, killers=["model_7", "model_30"])
    outcomes = run(client, jobs(100))
    assert len({job for job, _ in outcomes}) == len(outcomes) == 100
    said = "worker: the Dask workers that ran it died, 2 of them"
    assert reasons(outcomes) == {"model_7": said, "model_30": said}
    assert client.deaths == {"model_7": 2, "model_30": 2}


def test_of_a_job_with_several_inputs_each_gets_its_own_try() -> None:
    client = FakeClient({"a": 1}, killers=["model_0"])
    outcomes = run(client, jobs(1, inputs=("3x8x8", "3x16x16")))
    assert [[key.input for key in job.keys] for job, _ in outcomes] == [["3x8x8"], ["3x16x16"]]
    assert client.deaths["model_0"] == 3  # together, and each by itself


def test_of_a_job_with_traces_each_row_gets_its_own_try() -> None:
    given = job_of("mine", "model_0", 10, ["3x8x8"], traces=[(input, "amp", "nhwc") for input in ("3x8x8", "3x16x16")])
    outcomes = run(client := FakeClient({"a": 1}, killers=["model_0"]), [given])
    assert [key for job, _ in outcomes for key in job.keys] == [*given.keys]
    assert client.deaths["model_0"] == 1 + 3  # together, and each by itself
    assert len(reasons(outcomes)) == 1
    ((_, rows),) = run(FakeClient({"a": 1}), [given])
    assert [row.key for row in rows] == [*given.keys]


def test_a_scheduler_that_tries_again_itself_is_asked_no_more_than_it_takes_to_tell_jobs_apart() -> None:
    client = FakeClient({"a": 1}, killers=["model_0"], allowed_failures=3)
    assert reasons(run(client, jobs(1))) == {"model_0": "worker: the Dask workers that ran it died, 4 of them"}
    assert client.deaths["model_0"] == 4


def test_jobs_wait_for_workers_to_join(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask, "_REFRESH_S", 0.01)
    client = FakeClient({})
    client.joining.extend([{}, {}, {"a": 2}])
    said: list[str] = []
    outcomes = list(running(client, jobs(20), notify=said.append))
    assert len(outcomes) == 20
    assert said == ["The cluster has no workers; waiting for some to join."]


def test_a_run_that_is_given_up_lets_go_of_what_is_in_hand() -> None:
    client = FakeClient({"a": 2})
    outcomes = running(client, jobs(100))
    next(outcomes)
    outcomes.close()
    assert len(client.cancelled) == 2 * dask._BATCHES_PER_THREAD - 1


def test_a_lost_scheduler_ends_the_run_in_words() -> None:
    with pytest.raises(ClusterError, match="connection to Dask's scheduler was lost"):
        run(FakeClient({"a": 1}, fails=RuntimeError("gone"), status="cancelled"), jobs(3))


def test_workers_without_zoometer_end_the_run_in_words() -> None:
    with pytest.raises(ClusterError, match=r"No module named 'zoo'.*Install the same zoometer there"):
        run(FakeClient({"a": 1}, fails=ModuleNotFoundError("No module named 'zoo'")), jobs(3))


def test_a_worker_that_cannot_begin_ends_the_run_as_local_workers_do() -> None:
    with pytest.raises(ZooError, match="end before they begin"):
        run(FakeClient({"a": 1}, fails=ZooError("Worker processes end before they begin")), jobs(3))


def test_what_else_a_task_raises_costs_its_jobs_only() -> None:
    outcomes = run(FakeClient({"a": 1}, fails=OSError("no more processes")), jobs(3))
    assert set(reasons(outcomes).values()) == {"worker: OSError: no more processes"}


def test_rows_of_another_library_are_refused() -> None:
    with pytest.raises(VersionsDifferError, match=r"counted mine/model_\d .* mine 1.0 there, 1.1 here"):
        run(FakeClient({"a": 1}), jobs(3), VERSIONS.__class__("1.1", "2.0", "3"))


def test_software_is_compared_without_builds_and_every_difference_is_named() -> None:
    here = installed_software(["numpy"])
    require_equal(here, installed_software(here), "tcp://w:1")
    other = here | {"python": "3.0", "torch": "1.0"}
    with pytest.raises(VersionsDifferError) as raised:
        require_equal(other, installed_software(other), "tcp://w:1")
    message = str(raised.value)
    assert "Dask worker tcp://w:1 " in message
    assert f"torch {here['torch']} there, 1.0 here" in message
    assert f"python {here['python']} there, 3.0 here" in message
    assert "timm" not in message
    assert "+" not in here["torch"]


def test_a_job_is_not_begun_with_other_software() -> None:
    with pytest.raises(VersionsDifferError, match=r"zoometer .* there, 0\.0\.0 here"):
        run_batch([*jobs(1)], Execution(), installed_software() | {"zoometer": "0.0.0"})


@pytest.mark.slow
def test_a_dask_worker_outlives_what_models_do_to_its_process(tmp_path: Path) -> None:
    models = {model.name: model for model in declared()}
    names = ["hangs_deaf", "healthy_after_hangs_deaf", "ends_process", "raises", "healthy_after_raises"]
    given = [job_of("poison", name, CLASSES, (INPUT,), family="one", declared=models[name]) for name in names]
    with installed(tmp_path):
        outcomes = run_batch(given, Execution(timeout_s=4, memory_gb=1), installed_software()).outcomes
    stop_processes()  # which would wait for another run
    assert sorted(job.arch for job, _ in outcomes) == sorted(names)
    reasons: dict[str, Any] = {
        job.arch: str(out) if isinstance(out, Failure) else unpack(out)[0].row.get("reason") for job, out in outcomes
    }
    assert reasons.pop("hangs_deaf").startswith("timeout: not counted within 4 s")
    assert reasons == {
        "healthy_after_hangs_deaf": None,
        "ends_process": "worker: its process ended with code 3",
        "raises": "run: ValueError: odd size",
        "healthy_after_raises": None,
    }


def test_without_dask_the_command_to_install_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(ClusterError, match=r"pip install 'zoometer\[dask\]'"),
        connected(Execution(backend="dask"), lambda _: None),
    ):
        pass


def test_an_address_where_nothing_answers_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.dask_backend.cluster._CONNECT_S", 0.5)
    with (
        pytest.raises(ClusterError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9"),
        connected(Execution(backend="dask", address="tcp://127.0.0.1:9"), lambda _: None),
    ):
        pass


def test_a_cluster_class_that_is_not_installed_is_named() -> None:
    execution = Execution(backend="dask", cluster="dask_jobqueue_of_yore.SLURMCluster")
    with pytest.raises(ClusterError, match="pip install dask-jobqueue-of-yore"), connected(execution, lambda _: None):
        pass


def test_arguments_of_a_cluster_are_named_and_their_values_are_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "clusters_of_tests.py").write_text(
        "class Fussy:\n    def __init__(self, token):\n        raise ValueError(f'bad token {token}')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    execution = Execution(backend="dask", cluster="clusters_of_tests.Fussy", arguments={"token": "hunter22"})
    assert "hunter22" not in repr(execution)
    with pytest.raises(ClusterError, match=r"'clusters_of_tests\.Fussy' cannot be started: ValueError.*token") as raised:
        connected(execution, lambda _: None).__enter__()
    assert "hunter22" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


@pytest.mark.slow
def test_a_cluster_of_this_machine_is_started_and_ended_with_the_run() -> None:
    said: list[str] = []
    with connected(Execution(backend="dask", workers=1, arguments={"processes": False}), said.append) as client:
        assert list(client.nthreads().values()) == [1]
        assert client.cluster.scheduler.allowed_failures == 0
    assert said[0].startswith("Counting on Dask at inproc://")
    assert "dashboard: http://" in said[0]
