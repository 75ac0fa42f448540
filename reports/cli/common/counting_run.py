"""What `run` and `refresh` share: the configuration as options change it, the refresh with its progress, and exit codes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from reports.cli.common.errors import ExitCode
from reports.cli.common.parsing import FAIL_ON
from zoo.errors import ConfigError
from zoo.run_config import parse_trace_mode
from zoo.settings import RefreshOptions

if TYPE_CHECKING:
    from reports.config.config import Config
    from reports.terminal.run_summary import CommandOutcome
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


def exit_code(outcome: CommandOutcome, alarms: Collection[str] = ()) -> ExitCode:
    """How the command ends; a report counts models as failed whether this run or an earlier one failed to count them.

    An input that an architecture cannot take is a finding, not a failure.
    """
    summary, report = outcome.summary, outcome.report
    assert summary is not None
    if summary.interrupted:
        return ExitCode.INTERRUPTED
    if any(getattr(summary, FAIL_ON[name]) for name in alarms):
        return ExitCode.CHANGED
    failed = report.totals.failed - report.totals.unsupported if report else summary.failing
    return ExitCode.MODELS_FAILED if failed else ExitCode.OK
