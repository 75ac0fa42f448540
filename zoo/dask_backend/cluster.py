"""Connects to a running Dask cluster, or starts one for the duration of a run."""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from zoo.errors import ZooError
from zoo.settings import LOCAL, Execution, default_workers

if TYPE_CHECKING:
    from distributed import Client

_CONNECT_S = 30.0
_SETTINGS = {
    "distributed.scheduler.allowed-failures": 0,  # of workers: the client retries jobs itself
    "distributed.worker.profile.enabled": False,  # Dask's workers only wait for their processes
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.tick.limit": "30s",
}
"""Dask's configuration of a cluster that is started for a run."""


class ClusterError(ZooError):
    """Dask is not installed, or a cluster cannot be started or reached."""


@contextlib.contextmanager
def connected(execution: Execution, notify: Callable[[str], None]) -> Iterator[Client]:
    """Yields a client of the cluster, and reports its address and dashboard.

    Raises:
        ClusterError: if Dask is not installed, the cluster cannot be started, or nothing answers at the address.
    """
    distributed = _import_distributed()
    with contextlib.ExitStack() as stack:
        target = execution.address or stack.enter_context(_start_cluster(execution))
        try:
            client = stack.enter_context(distributed.Client(target, timeout=_CONNECT_S, set_as_default=False))
        except (OSError, TimeoutError, ValueError) as error:
            raise ClusterError(
                f"No Dask scheduler answers at {execution.address}: {error}. Start one with: dask scheduler"
            ) from error
        notify(f"Counting on Dask at {client.scheduler.address}; dashboard: {client.dashboard_link}")
        yield client


def _import_distributed() -> Any:
    try:
        return importlib.import_module("distributed")
    except ImportError as error:
        raise ClusterError(
            f"execution: {{backend: dask}} needs Dask, which is not installed ({error}). Install it with: pip install 'zoometer[dask]'"
        ) from error


@contextlib.contextmanager
def _start_cluster(execution: Execution) -> Iterator[Any]:
    settings = importlib.import_module("dask.config")
    cluster_class = _find_class(execution.cluster)
    with settings.set(_SETTINGS):
        try:
            cluster = cluster_class(**_cluster_arguments(execution))
            if execution.cluster != LOCAL and execution.workers:
                cluster.scale(execution.workers)
        except Exception as error:  # noqa: BLE001 - any class may be configured
            # Without the message, which may repeat arguments and with them credentials.
            raise ClusterError(
                f"Cluster '{execution.cluster}' cannot be started: {type(error).__name__}. Check execution: {{arguments: …}} "
                f"against the class's own documentation; they are {', '.join(execution.arguments) or 'none'}."
            ) from None
    with cluster:
        yield cluster


def _find_class(name: str) -> Callable[..., Any]:
    try:
        cluster: Callable[..., Any] = pkgutil.resolve_name("distributed.LocalCluster" if name == LOCAL else name)
    except (ImportError, AttributeError, ValueError) as error:
        package = name.partition(".")[0].replace("_", "-")
        raise ClusterError(f"There is no cluster class '{name}': {error}. Is it installed? pip install {package}") from error
    return cluster


def _cluster_arguments(execution: Execution) -> dict[str, Any]:
    """Arguments of the cluster class.

    A local cluster runs in threads of this process. One Dask worker with a thread for each worker process is enough, because it only
    passes jobs on. Its processes share imported modules.
    """
    if execution.cluster != LOCAL:
        return dict(execution.arguments)
    usual: dict[str, Any] = {"dashboard_address": ":0", "processes": False}
    if execution.uses_child_processes:
        usual["memory_limit"] = 0  # it would apply to this whole process
    if not {"n_workers", "threads_per_worker"} & execution.arguments.keys():
        usual |= {"n_workers": 1, "threads_per_worker": execution.workers or default_workers()}
    return usual | dict(execution.arguments)
