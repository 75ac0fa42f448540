"""The same run on a real Dask cluster, its cache on an S3 server: the tables are those of a local run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fakes_cluster import SECRETS, Cluster, ended, s3_server

from zoo.addresses import Address
from zoo.cache.health import verify
from zoo.cache.maintenance import compact
from zoo.cache.schema.tables import TRACE_KEY
from zoo.cache.store import Store
from zoo.dask_backend.software_versions import VersionsDifferError, installed_software
from zoo.records import CostKey, Selection, Status, TraceKey
from zoo.refresh.refresh import refresh
from zoo.run_config import Precision, RunConfig
from zoo.settings import Execution, Listener, RefreshSettings, ZooSettings

ARCHITECTURES = 60
SHIFTING = ["seconds", "counted_at", "run"]  # columns that differ from run to run


class Teller(Listener):
    """Remembers what was said, and does something once some rows have come."""

    def __init__(self, after: int = 0, act: Any = None) -> None:
        self.said: list[str] = []
        self._left, self._act = after, act

    def notify(self, message: str) -> None:
        self.said.append(message)

    def counted(self, key: CostKey | TraceKey, status: Status, reason: str | None) -> None:
        self._left -= 1
        if self._left == 0:
            self._act()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        cluster.add_worker(nanny=False)
        cluster.add_worker(nanny=True)
        yield cluster


@pytest.fixture(scope="module")
def storage() -> Iterator[dict[str, Any]]:
    with s3_server() as options:
        yield options


def sample() -> dict[str, ZooSettings]:
    """Sixty classifiers of torchvision, the cheapest to count by their number of letters, which is as good as any."""
    from zoo.adapters.registry import open_zoo

    names = sorted((a.name for a in open_zoo("torchvision").architectures() if a.task == "classification"), key=len)
    return {"torchvision": ZooSettings(Selection(tuple(names[:ARCHITECTURES])))}


def lasting(store: Store, name: str = "costs") -> pd.DataFrame:
    """The rows in force without what differs from run to run, in the order of their keys."""
    rows = store.costs() if name == "costs" else store.traces() if name == "traces" else store.details(name)
    order = [column for column in (*TRACE_KEY, "position") if column in rows]
    return rows.drop(columns=SHIFTING, errors="ignore").sort_values(order, ignore_index=True)


@pytest.mark.slow
def test_a_cluster_that_loses_a_worker_counts_what_local_workers_count(
    cluster: Cluster, storage: dict[str, Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lost: list[int] = []
    teller = Teller(5, lambda: lost.extend(cluster.kill(cluster.workers[0])))
    remote = Address.of("s3://cache/zoometer", storage)
    execution = Execution(backend="dask", address=cluster.address)
    summary = refresh(RefreshSettings(remote, sample(), fetch_accuracy=False, execution=execution), teller)
    refresh(RefreshSettings(str(tmp_path), sample(), fetch_accuracy=False, execution=Execution(workers=2)))

    here, there = Store(tmp_path), Store(remote)
    assert (summary.counted, summary.failed) == (len(here.costs()), 0)
    assert here.costs()["arch"].nunique() == ARCHITECTURES
    for name in ("costs", "ops"):
        pd.testing.assert_frame_equal(lasting(there, name), lasting(here, name))
    assert not list(verify(there))
    compact(there)
    pd.testing.assert_frame_equal(lasting(there, "ops"), lasting(here, "ops"))
    assert len(there.files.names("ops")) == 1

    assert any(cluster.address in message and "dashboard" in message for message in teller.said)
    assert lost
    assert ended(lost)
    assert len(cluster.workers) == 2
    assert not [secret for secret in SECRETS.values() if secret in caplog.text + str(teller.said)]


@pytest.mark.slow
def test_a_cluster_traces_what_local_workers_trace(cluster: Cluster, storage: dict[str, Any], tmp_path: Path) -> None:
    remote = Address.of("s3://cache/traced", storage)
    zoos = {"torchvision": ZooSettings(Selection(("alexnet", "resnet18")), inputs=("64",))}
    modes = (RunConfig(), RunConfig(precision=Precision.AMP_FAST_NORM, layout="nhwc"))
    given = RefreshSettings(str(tmp_path), zoos, fetch_accuracy=False, traces=modes)
    there_settings = dataclasses.replace(given, cache=remote, execution=Execution(backend="dask", address=cluster.address))
    summary = refresh(there_settings)
    refresh(dataclasses.replace(given, execution=Execution(workers=1)))
    there, here = Store(remote), Store(tmp_path)
    counts = len(here.costs())
    assert (summary.counted, summary.traced, summary.untraced) == (counts, len(modes) * counts, 0)
    compact(there)
    for name in ("traces", "workloads"):
        pd.testing.assert_frame_equal(lasting(there, name), lasting(here, name))
    assert not list(verify(there))
    again = refresh(there_settings)
    assert (again.counted, again.traced) == (0, 0)


@pytest.mark.slow
def test_a_worker_with_other_software_is_refused_by_name(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = installed_software
    monkeypatch.setattr("zoo.dask_backend.client.installed_software", lambda libraries: usual(libraries) | {"timm": "0.0.1"})
    settings = RefreshSettings(
        str(tmp_path), sample(), fetch_accuracy=False, execution=Execution(backend="dask", address=cluster.address)
    )
    with pytest.raises(VersionsDifferError, match=rf"Dask worker tcp://127.0.0.1:\d+ .*timm {usual()['timm']} there, 0.0.1 here"):
        refresh(settings)
    assert Store(tmp_path).costs().empty
