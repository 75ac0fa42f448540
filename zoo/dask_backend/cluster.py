"""Connecting to a Dask cluster: one that runs somewhere, or one that is started for a run and ends with it."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from zoo.errors import ZooError
from zoo.settings import LOCAL, Execution, default_workers

if TYPE_CHECKING:
    from distributed import Client

_CONNECT_S = 30.0
_SETTINGS = {
    "distributed.scheduler.allowed-failures": 0,  # deaths of workers: the first is reported, and jobs are tried again from here
    "distributed.worker.profile.enabled": False,  # Dask's workers only wait: where they do is not worth knowing
    "distributed.admin.tick.interval": "1s",  # nor is it, 50 times a second, how promptly
    "distributed.admin.tick.limit": "30s",
}
"""Dask's own configuration, where a cluster is started for a run."""


class ClusterError(ZooError):
    """Dask is not installed, or a cluster cannot be started or reached."""


@contextlib.contextmanager
def connected(execution: Execution, says: Callable[[str], None]) -> Iterator[Client]:
    """A client of the cluster; says where it is, and where its dashboard.

    Raises:
        ClusterError: if Dask is not installed, the cluster cannot be started, or nothing answers at the address.
    """
    distributed = _import_distributed()
    with contextlib.ExitStack() as stack:
        target = execution.address or stack.enter_context(_started(execution))
        try:
            client = stack.enter_context(distributed.Client(target, timeout=_CONNECT_S, set_as_default=False))
        except (OSError, TimeoutError, ValueError) as error:
            raise ClusterError(
                f"No Dask scheduler answers at {execution.address}: {error}. Start one with: dask scheduler"
            ) from error
        says(f"Counting on Dask at {client.scheduler.address}; dashboard: {client.dashboard_link}")
        yield client


def _import_distributed() -> Any:
    try:
        return importlib.import_module("distributed")
    except ImportError as error:
        raise ClusterError(
            f"execution: {{backend: dask}} needs Dask, which is not installed ({error}). Install it with: pip install 'zoometer[dask]'"
        ) from error


@contextlib.contextmanager
def _started(execution: Execution) -> Iterator[Any]:
    settings = importlib.import_module("dask.config")
    make = _class_of(execution.cluster)
    with settings.set(_SETTINGS):
        try:
            cluster = make(**_arguments(execution))
            if execution.cluster != LOCAL and execution.workers:
                cluster.scale(execution.workers)
        except Exception as error:  # noqa: BLE001 - the class is anybody's
            # Only the kind of what was raised: its message may repeat arguments, and with them credentials.
            raise ClusterError(
                f"Cluster '{execution.cluster}' cannot be started: {type(error).__name__}. Check execution: {{arguments: …}} "
                f"against the class's own documentation; they are {', '.join(execution.arguments) or 'none'}."
            ) from None
    with cluster:
        yield cluster


def _class_of(name: str) -> Callable[..., Any]:
    if name == LOCAL:
        name = "distributed.LocalCluster"
    module, _, attribute = name.rpartition(".")
    try:
        made: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        package = name.partition(".")[0].replace("_", "-")
        raise ClusterError(f"There is no cluster class '{name}': {error}. Is it installed? pip install {package}") from error
    return made


def _arguments(execution: Execution) -> dict[str, Any]:
    """What a cluster class is called with.

    On this machine scheduler and worker are threads of this process, and one worker is enough, with a thread for each process that
    counts: it only hands jobs on, and what these processes have in common is then imported once.
    """
    if execution.cluster != LOCAL:
        return dict(execution.arguments)
    usual: dict[str, Any] = {"dashboard_address": ":0", "processes": False}
    if execution.is_at_home:
        usual["memory_limit"] = 0  # it would be held against all this process has, which is not what jobs need
    if not {"n_workers", "threads_per_worker"} & execution.arguments.keys():
        usual |= {"n_workers": 1, "threads_per_worker": execution.workers or default_workers()}
    return usual | dict(execution.arguments)
