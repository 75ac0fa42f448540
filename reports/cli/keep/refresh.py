"""`zoometer refresh`: count what is not in the cache yet and say what changed; what a scheduler runs."""

from __future__ import annotations

import json
import os
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reports.cli.common.ages import parse_age
from reports.cli.common.errors import ExitCode
from reports.cli.common.help import examples
from zoo.errors import ConfigError, did_you_mean
from zoo.settings import Request
from zoo.traces import parse_mode

if TYPE_CHECKING:
    from collections.abc import Collection

    from reports.config.config import Config
    from zoo.records import RunSummary

EXAMPLES = examples(
    "zoometer refresh configs/nightly.yaml",
    "zoometer refresh nightly.yaml --no-wait --fail-on changed,failed",
    "zoometer refresh nightly.yaml --only 'timm/resnet*' --rebuild",
    "zoometer refresh nightly.yaml --max-age 30d --format json > summary.json",
    "zoometer refresh nightly.yaml --address tcp://scheduler:8786",
    closing="""Exit codes:

   0  all is well
   2  something to correct: the configuration, a path, a full disk
   3  the work is done, but some models cannot be counted
   4  the work is done, and something changed that --fail-on names
  75  another refresh of this configuration is running, and --no-wait was given
 130  interrupted; the same command goes on from there""",
)

FAIL_ON = {"added": "added", "removed": "removed", "changed": "changed", "failed": "broken", "recovered": "recovered"}
"""What `--fail-on` may name, and the figure of a run's summary that counts it."""


class Backend(StrEnum):
    """What does the counting."""

    LOCAL = "local"
    DASK = "dask"


WorkersOption = Annotated[
    int | None, typer.Option(min=1, help="Processes that count. Default: the configuration's, or one a core.")
]
BackendOption = Annotated[
    Backend | None,
    typer.Option(
        help="Count in processes of this machine, or on a Dask cluster. Default: the configuration's.", show_default=False
    ),
]
AddressOption = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Count on the Dask cluster of this scheduler: tcp://host:8786.", show_default=False),
]
TracesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--traces",
        metavar="MODE",
        help="Trace what is counted as well: fp32, amp-fast-norm/nhwc, … Repeatable. Default: the configuration's.",
    ),
]


class RefreshFormat(StrEnum):
    """How the closing summary is printed on stdout."""

    TEXT = "text"
    JSON = "json"


def refresh(
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG", help="Configuration file, as for `zoometer run`.", show_default=False)
    ],
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Count again what is in the cache already.")] = False,
    only: Annotated[
        list[str] | None, typer.Option(metavar="GLOB", help="Only models whose `arch` or `zoo/arch` matches. Repeatable.")
    ] = None,
    max_age: Annotated[
        str | None, typer.Option(metavar="AGE", help="Count again what was counted longer ago: 12h, 30d, 8w.", show_default=False)
    ] = None,
    workers: WorkersOption = None,
    backend: BackendOption = None,
    address: AddressOption = None,
    traces: TracesOption = None,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="End with code 75 where another refresh of this configuration is running.")
    ] = False,
    fail_on: Annotated[
        str | None,
        typer.Option(metavar="KINDS", help=f"End with code 4 if there are any: {', '.join(FAIL_ON)}.", show_default=False),
    ] = None,
    form: Annotated[RefreshFormat, typer.Option("--format", help="How the summary is printed on stdout.")] = RefreshFormat.TEXT,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress; no summary either, unless --format json asks for it.")
    ] = False,
) -> None:
    """Bring the cache up to date with a configuration: `run` without its reports. Needs no terminal.

    Counted is what the cache lacks, and what was counted by other versions, or from other source, than those installed now.
    """
    from reports.config.config import load_config

    alarms = parse_fail_on(fail_on)
    request = Request(config_name(config), rebuild, tuple(only or ()), parse_age(max_age), wait=not no_wait)
    started = time.perf_counter()
    chosen = with_traces(with_execution(load_config(config), workers, backend, address), traces)
    summary = count(chosen, request, quiet=quiet)
    code = exit_code(summary, alarms)
    if form is RefreshFormat.JSON or not quiet:
        _print(chosen, summary, time.perf_counter() - started, form, code)
    raise typer.Exit(code)


def config_name(config: Path) -> str:
    """The name by which runs of one configuration are known to each other."""
    return Path(os.path.normpath(config)).as_posix()


def count(config: Config, request: Request, *, quiet: bool) -> RunSummary:
    """Refresh the cache, with progress on stderr."""
    from reports.cli.common.progress import listen
    from zoo.refresh.refresh import refresh as refresh_cache

    with listen(quiet=quiet) as listener:
        return refresh_cache(config.refresh_settings(), listener, request)


def with_execution(config: Config, workers: int | None, backend: Backend | None, address: str | None) -> Config:
    """The configuration with what the command line says of its execution; an address is that of a Dask scheduler.

    Raises:
        ConfigError: if an address is given for local workers.
    """
    if address and backend is Backend.LOCAL:
        raise ConfigError("--address is that of a Dask scheduler; leave it out, or give --backend dask.")
    update: dict[str, object] = {} if workers is None else {"workers": workers}
    if address:
        update |= {"backend": "dask", "address": address, "cluster": None, "arguments": {}}
    elif backend is Backend.LOCAL:
        update |= {"backend": "local", "address": None, "cluster": None, "arguments": {}}
    elif backend is Backend.DASK:
        update |= {"backend": "dask"}
    return config.model_copy(update={"execution": config.execution.model_copy(update=update)})


def with_traces(config: Config, traces: list[str] | None) -> Config:
    """The configuration with other modes in which to trace, where some are given.

    Raises:
        UnknownNameError: if there is no such mode.
    """
    if not traces:
        return config
    return config.model_copy(update={"traces": list(dict.fromkeys(str(parse_mode(mode)) for mode in traces))})


def parse_fail_on(text: str | None) -> list[str]:
    """The kinds of changes named, separated by commas.

    Raises:
        ConfigError: if there is no such kind.
    """
    names = [name.strip() for name in (text or "").split(",") if name.strip()]
    for name in names:
        if name not in FAIL_ON:
            raise ConfigError(f"--fail-on knows no '{name}'.{did_you_mean(name, FAIL_ON)}")
    return names


def exit_code(summary: RunSummary, alarms: Collection[str]) -> ExitCode:
    """How the command ends; an input that an architecture cannot take is a finding, not a failure."""
    if summary.interrupted:
        return ExitCode.INTERRUPTED
    if any(getattr(summary, FAIL_ON[name]) for name in alarms):
        return ExitCode.CHANGED
    return ExitCode.MODELS_FAILED if summary.failing else ExitCode.OK


def _print(config: Config, summary: RunSummary, seconds: float, form: RefreshFormat, code: ExitCode) -> None:
    from reports.terminal import summary as text

    outcome = text.Outcome(config.cache, summary, seconds)
    if form is RefreshFormat.JSON:
        typer.echo(json.dumps(text.summary_record(outcome, code), indent=2))
        return
    console = text.make_console()
    text.print_summary(console, outcome)
    found = {name: getattr(summary, figure) for name, figure in FAIL_ON.items()}
    said = ", ".join(f"{number:,} {name}" for name, number in found.items() if number)
    cache = "" if config.cache.rstrip("/") == "cache" else f" --cache {config.cache}"
    console.print(
        f"  Against the run before: {f'{said}. See them with: zoometer changes{cache}' if said else 'nothing changed.'}"
    )
