"""Connecting to a Dask cluster: one that runs somewhere, or one that is started for a run and ends with it."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from zoo.batch.settings import Execution, default_workers
from zoo.errors import ZooError

if TYPE_CHECKING:
    from distributed import Client

LOCAL = "local"
_CONNECT_S = 30.0
_ALLOWED_FAILURES = 0
"""Deaths of workers that a scheduler of ours forgives a task: it reports the first, and jobs are tried again from here."""


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
    import dask

    make = _class_of(execution.cluster)
    with dask.config.set({"distributed.scheduler.allowed-failures": _ALLOWED_FAILURES}):
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
    """What a cluster class is called with; on this machine a process a core, each of which does one job at a time."""
    if execution.cluster != LOCAL:
        return dict(execution.arguments)
    usual: dict[str, Any] = {
        "n_workers": execution.workers or default_workers(),
        "threads_per_worker": 1,
        "dashboard_address": ":0",
    }
    return usual | dict(execution.arguments)
