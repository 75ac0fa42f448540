"""What `run` and `refresh` share: the configuration as the command line changes it, and the refresh with its progress."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reports.cli.common.options import Backend
from zoo.errors import ConfigError
from zoo.run_config import parse_trace_mode
from zoo.settings import RefreshOptions

if TYPE_CHECKING:
    from reports.config.config import Config
    from zoo.jobs import RunSummary


def count(config: Config, request: RefreshOptions) -> RunSummary:
    """Refresh the cache, with progress on stderr."""
    from reports.cli.common.output import listen
    from zoo.refresh.refresh import refresh as refresh_cache

    with listen() as listener:
        return refresh_cache(config.refresh_settings(), listener, request)


def with_execution(config: Config, workers: int | None, backend: Backend | None, address: str | None) -> Config:
    """The configuration with what the command line says of its execution; an address is that of a Dask scheduler.

    Raises:
        ConfigError: if an address is given for local workers.
    """
    if address and backend == "local":
        raise ConfigError("--address is that of a Dask scheduler; leave it out, or give --backend dask.")
    update: dict[str, object] = {} if workers is None else {"workers": workers}
    if address:
        update |= {"backend": "dask", "address": address, "cluster": None, "arguments": {}}
    elif backend == "local":
        update |= {"backend": "local", "address": None, "cluster": None, "arguments": {}}
    elif backend == "dask":
        update |= {"backend": "dask"}
    return config.model_copy(update={"execution": config.execution.model_copy(update=update)})


def with_counting(config: Config, shared: Mapping[str, Any]) -> Config:
    """The configuration with what the options of `COUNTING` say in its place.

    Raises:
        ConfigError: if an address is given for local workers.
        UnknownNameError: if there is no such mode of tracing.
    """
    changed = with_execution(config, shared["workers"], shared["backend"], shared["address"])
    update: dict[str, Any] = {} if shared["training"] is None else {"training": shared["training"]}
    if shared["traces"]:
        update["traces"] = list(dict.fromkeys(parse_trace_mode(mode).trace_mode for mode in shared["traces"]))
    return changed.model_copy(update=update)
