"""Options that several verbs have: budgets, devices, counting, files and formats of output."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer

from reports.cli.common.output import TableFormat, TextFormat
from reports.cli.common.parsing import FAIL_ON, in_giga
from zoo.addresses import Address

F = TypeVar("F", bound=Callable[..., Any])
_Text = str | None
_Texts = list[str] | None
Backend = Literal["local", "dask"]
"""Where models are counted: in processes of this machine, or on a Dask cluster."""


def complete_device(incomplete: str) -> list[tuple[str, str]]:
    """Completion in the shell: the devices whose id begins like this, with their names."""
    from zoo.devices.data_sheets import shipped_devices

    return [(name, device.name) for name, device in shipped_devices().items() if name.startswith(incomplete)]


def complete_dtype(incomplete: str) -> list[str]:
    """Completion in the shell: the precisions whose name begins like this."""
    from zoo.run_config import STATED

    return [precision.dtype for precision in STATED if precision.dtype.startswith(incomplete)]


def _option(panel: str, kind: Any, *names: str, **more: Any) -> Any:
    return Annotated[kind, typer.Option(*names, rich_help_panel=panel, **more)]


_limit, _model = partial(_option, "Limits", _Text), partial(_option, "Models", _Texts)
_device, _count = partial(_option, "Device"), partial(_option, "Counting")
_file, _print = (partial(typer.Option, rich_help_panel=panel) for panel in ("Files", "Output"))

# Files: what is read, the cache, and where reports are written.
Config = Annotated[Path, typer.Argument(metavar="CONFIG", help="Configuration file; `zoometer init` writes one.")]
ConfigOfRun = Annotated[Path, typer.Argument(metavar="CONFIG", help="Configuration file, as for `zoometer run`.")]
ConfigOrAll = Annotated[Path | None, typer.Argument(metavar="CONFIG", help="Only its models. Default: the whole cache.")]
ConfigFile = Annotated[
    Path | None, _file("--config", metavar="CONFIG", help="Take the cache, devices and declared zoos of this configuration.")
]
Cache = Annotated[
    _Text,
    _file(
        "--cache",
        metavar="CACHE",
        envvar="ZOOMETER_CACHE",
        help="Folder or address of the cache. Default: the configuration's, or cache/.",
        callback=lambda text: Address.of(text) if text else None,
    ),
]
Out = Annotated[
    Path | None,
    _file("--out", metavar="DIR", envvar="ZOOMETER_OUT", help="Folder of the reports. Default: the configuration's."),
]
DevicesFile = Annotated[Path | None, _file("--devices", metavar="FILE", help="Devices of your own, in YAML.")]
SpeedFiles = Annotated[list[Path] | None, _file("--speed", metavar="FILE", help="Measured speeds, a CSV. Repeatable.")]

# Formats of output.
Form = Annotated[TextFormat, _print("--format", help="For a person or a program.")]
Summary = Annotated[TextFormat, _print("--summary", help="What was written, for a person or a program.")]
TableForm = Annotated[TableFormat, _print("--format", help="For a person, a program or a spreadsheet.")]
FailOn = Annotated[_Text, _print("--fail-on", metavar="KINDS", help=f"End with code 4 if there are any: {', '.join(FAIL_ON)}.")]

BUDGET: Mapping[str, Any] = {
    "budget": _limit("--budget", metavar="NAME", help="A budget of the configuration; options replace parts of it."),
    "params": _limit("--max-params", metavar="N", help="Parameters: 5M."),
    "macs": _limit("--max-gmacs", metavar="N", help="MACs of one image: 0.6 (G), 0.6GMACs or 600M."),
    "activations": _limit("--max-activations", metavar="N", help="Elements that layers write: 10M."),
    "peak_memory": _limit("--max-peak-memory", metavar="BYTES", help="Activations alive at once: 500MB, 256KiB."),
    "memory": _limit("--max-memory", metavar="BYTES", help="Weights, input and activations together: 4GB."),
    "file_size": _limit("--max-file-size", metavar="BYTES", help="Weights file: 25MB."),
    "latency": _limit("--max-latency", metavar="TIME", help="Of a step on the device: 10ms."),
    "throughput": _limit("--min-throughput", metavar="RATE", help="On the device: 1000/s."),
    "accuracy": _limit("--min-top1", "--min-accuracy", metavar="PERCENT", help="Accuracy on the dataset: 80."),
    "license": _model("--license", metavar="GLOB", help="Licence of the weights: apache-2.0. Repeatable."),
    "zoo": _model("--zoo", metavar="GLOB", help="Repeatable."),
    "family": _model("--family", metavar="GLOB", help="Repeatable."),
    "task": _model("--task", metavar="GLOB", help="Repeatable."),
}
"""Options of verbs that answer a budget, by its keys; those of `DEVICE_RUN` belong to one as well."""

DEVICE_RUN: Mapping[str, Any] = {
    "device": _device(
        _Text,
        "--device",
        metavar="NAME",
        autocompletion=complete_device,
        help="Whose memory and speed count: t4, 'galaxy s24' (zoometer devices).",
    ),
    "dtype": _device(
        _Text,
        "--dtype",
        metavar="DTYPE",
        autocompletion=complete_dtype,
        help="float32, float16, bfloat16, amp (autocast), float8, int8 (w8a8) or w8a16. Default: float32.",
    ),
    "batch": _device(int | None, "--batch", min=1, metavar="N", help="Images in a step. Default: 1."),
    "layout": _device(_Text, "--layout", metavar="LAYOUT", help="For speed: nchw, or nhwc (channels last)."),
    "compiled": _device(bool | None, "--compiled/--eager", help="For speed: run by torch.compile, or as it is."),
    "runtime": _device(_Text, "--runtime", metavar="NAME", help="For speed, such as tflite. Default: one for all models."),
    "processor": _device(
        _Text, "--processor", metavar="NAME", help="For speed: published on the npu, gpu or cpu. Default: the fastest."
    ),
    "threads": _device(int | None, "--threads", min=1, metavar="N", help="For speed: of a CPU. Default: the fastest published."),
}
"""Options that say how models run on a device."""

COUNTING: Mapping[str, Any] = {
    "workers": _count(
        int | None, "--workers", min=1, metavar="N", help="Processes. Default: the configuration's, or one a core."
    ),
    "backend": _count(
        Backend | None, "--backend", help="Count on this machine, or on a Dask cluster. Default: the configuration's."
    ),
    "address": _count(
        _Text, "--address", metavar="ADDRESS", help="Count on the Dask cluster of this scheduler: tcp://host:8786."
    ),
    "traces": _count(_Texts, "--traces", metavar="MODE", help="Trace what is counted: fp32, amp-fast-norm/nhwc, … Repeatable."),
    "training": _count(bool | None, "--training/--no-training", help="Count a step of training beside each cost."),
}
"""Options of verbs that count what a configuration selects."""


def sharing(*groups: Mapping[str, Any], only: Collection[str] = ()) -> Callable[[F], F]:
    """Gives a verb the options of groups: it gets them as its keyword arguments `**shared`, None where they are not given.

    Args:
        *groups: of options.
        only: names of the options to take. Empty: all.
    """

    def decorate(verb: F) -> F:
        shared = {name: option for group in groups for name, option in group.items() if not only or name in only}
        own = inspect.signature(verb, eval_str=True)
        named = [one for one in own.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
        more = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=shared[name]) for name in shared]
        verb.__signature__ = own.replace(parameters=[*named, *more])  # type: ignore[attr-defined]
        verb.__annotations__ = {one.name: one.annotation for one in (*named, *more)}
        return verb

    return decorate


def option_of(key: str) -> str:
    """The option of the command line that sets a key of a budget."""
    option = {**BUDGET, **DEVICE_RUN}.get(key)
    declared = option.__metadata__[0].default if option else f"--{key.replace('_', '-')}"  # typer keeps its first name there
    return str(declared).partition("/")[0]


def stated_budget(shared: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """The keys of a budget that the options set, as its section of the configuration reads them."""
    stated = {**shared, **more, "macs": in_giga(shared["macs"])}
    return {name: value for name, value in stated.items() if name != "budget" and (value or value is False)}
