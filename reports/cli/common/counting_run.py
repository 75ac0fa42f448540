"""What `run` and `refresh` share: the configuration as the command line changes it, and the refresh with its progress."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

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


def with_counting(config: Config, shared: Mapping[str, Any]) -> Config:
    """The configuration, changed by the options of `COUNTING`; an address is that of a Dask scheduler.

    Raises:
        ConfigError: if an address is given for local workers.
        UnknownNameError: if there is no such mode of tracing.
    """
    backend, address = shared["backend"], shared["address"]
    if address and backend == "local":
        raise ConfigError("--address is that of a Dask scheduler; leave it out, or give --backend dask.")
    execution = {} if shared["workers"] is None else {"workers": shared["workers"]}
    if address or backend == "local":
        execution |= {"backend": "dask" if address else "local", "address": address, "cluster": None, "arguments": {}}
    elif backend == "dask":
        execution |= {"backend": "dask"}
    update: dict[str, Any] = {"execution": config.execution.model_copy(update=execution)}
    if shared["training"] is not None:
        update["training"] = shared["training"]
    if shared["traces"]:
        update["traces"] = list(dict.fromkeys(parse_trace_mode(mode).trace_mode for mode in shared["traces"]))
    return config.model_copy(update=update)
