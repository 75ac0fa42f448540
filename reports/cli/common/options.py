"""Options that several verbs have, stated once: budgets, devices, counting, files and forms of output."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from reports.cli.common.output import TableFormat, TextFormat
from reports.cli.common.parsing import FAIL_ON, in_giga
from zoo.addresses import Address

F = TypeVar("F", bound=Callable[..., Any])
_Text = str | None
_Texts = list[str] | None


class Backend(StrEnum):
    """What does the counting."""

    LOCAL = "local"
    DASK = "dask"


def complete_device(incomplete: str) -> list[tuple[str, str]]:
    """For the shell: devices whose id begins so, with their names."""
    from zoo.devices.data_sheets import shipped_devices

    return [(name, device.name) for name, device in shipped_devices().items() if name.startswith(incomplete)]


def complete_dtype(incomplete: str) -> list[str]:
    """For the shell: the precisions whose name begins so."""
    from zoo.run_config import STATED

    return [precision.dtype for precision in STATED if precision.dtype.startswith(incomplete)]


_limit, _model, _device, _count, _file, _print = (
    partial(typer.Option, rich_help_panel=panel) for panel in ("Limits", "Models", "Device", "Counting", "Files", "Output")
)

# Files: what is read, where facts are kept, where reports go.
Config = Annotated[
    Path, typer.Argument(metavar="CONFIG", help="Configuration file; `zoometer init` writes one.", show_default=False)
]
ConfigOrAll = Annotated[
    Path | None, typer.Argument(metavar="CONFIG", help="Only its models. Default: the whole cache.", show_default=False)
]
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

# Counting.
Workers = Annotated[
    int | None, _count("--workers", min=1, metavar="N", help="Processes. Default: the configuration's, or one a core.")
]
BackendName = Annotated[
    Backend | None, _count("--backend", help="Count on this machine, or on a Dask cluster. Default: the configuration's.")
]
SchedulerAddress = Annotated[
    _Text, _count("--address", metavar="ADDRESS", help="Count on the Dask cluster of this scheduler: tcp://host:8786.")
]
Traces = Annotated[
    _Texts, _count("--traces", metavar="MODE", help="Trace what is counted: fp32, amp-fast-norm/nhwc, … Repeatable.")
]
Training = Annotated[bool | None, _count("--training/--no-training", help="Count a step of training beside each cost.")]

# Forms of output.
Form = Annotated[TextFormat, _print("--format", help="For a person or a program.")]
TableForm = Annotated[TableFormat, _print("--format", help="For a person, a program or a spreadsheet.")]
FailOn = Annotated[_Text, _print("--fail-on", metavar="KINDS", help=f"End with code 4 if there are any: {', '.join(FAIL_ON)}.")]

# A budget: its limits, the models it is about, the device and how models run on it.
Budget = Annotated[_Text, _limit("--budget", metavar="NAME", help="A budget of the configuration; options replace parts of it.")]
Params = Annotated[_Text, _limit("--max-params", metavar="N", help="Parameters: 5M.")]
Macs = Annotated[_Text, _limit("--max-gmacs", metavar="N", help="MACs of one image: 0.6 (G), 0.6GMACs or 600M.")]
Activations = Annotated[_Text, _limit("--max-activations", metavar="N", help="Elements that layers write: 10M.")]
PeakMemory = Annotated[_Text, _limit("--max-peak-memory", metavar="BYTES", help="Activations alive at once: 500MB, 256KiB.")]
Memory = Annotated[_Text, _limit("--max-memory", metavar="BYTES", help="Weights, input and activations together: 4GB.")]
FileSize = Annotated[_Text, _limit("--max-file-size", metavar="BYTES", help="Weights file: 25MB.")]
Latency = Annotated[_Text, _limit("--max-latency", metavar="TIME", help="Of a step on the device: 10ms.")]
Throughput = Annotated[_Text, _limit("--min-throughput", metavar="RATE", help="On the device: 1000/s.")]
Accuracy = Annotated[_Text, _limit("--min-top1", "--min-accuracy", metavar="PERCENT", help="Accuracy on the dataset: 80.")]
Licence = Annotated[_Texts, _model("--license", metavar="GLOB", help="Licence of the weights: apache-2.0. Repeatable.")]
Zoo = Annotated[_Texts, _model("--zoo", metavar="GLOB", help="Repeatable.")]
Family = Annotated[_Texts, _model("--family", metavar="GLOB", help="Repeatable.")]
Task = Annotated[_Texts, _model("--task", metavar="GLOB", help="Repeatable.")]
DeviceName = Annotated[
    _Text,
    _device(
        "--device",
        metavar="NAME",
        autocompletion=complete_device,
        help="Whose memory and speed count: t4, 'galaxy s24' (zoometer devices).",
    ),
]
Dtype = Annotated[
    _Text,
    _device(
        "--dtype",
        metavar="DTYPE",
        autocompletion=complete_dtype,
        help="float32, float16, bfloat16, amp (autocast), float8, int8 (w8a8) or w8a16. Default: float32.",
    ),
]
Batch = Annotated[int | None, _device("--batch", min=1, metavar="N", help="Images in a step. Default: 1.")]
Layout = Annotated[_Text, _device("--layout", metavar="LAYOUT", help="For speed: nchw, or nhwc (channels last).")]
Compiled = Annotated[bool | None, _device("--compiled/--eager", help="For speed: run by torch.compile, or as it is.")]
Runtime = Annotated[_Text, _device("--runtime", metavar="NAME", help="For speed: measured or published in it, such as tflite.")]
Processor = Annotated[
    _Text, _device("--processor", metavar="NAME", help="For speed: published on the npu, gpu or cpu. Default: the fastest.")
]
Threads = Annotated[
    int | None, _device("--threads", min=1, metavar="N", help="For speed: of a CPU. Default: the fastest published.")
]


BUDGET: Mapping[str, Any] = {
    "budget": Budget, "params": Params, "macs": Macs, "activations": Activations, "peak_memory": PeakMemory, "memory": Memory,
    "file_size": FileSize, "latency": Latency, "throughput": Throughput, "accuracy": Accuracy, "license": Licence, "zoo": Zoo,
    "family": Family, "task": Task,
}  # fmt: skip
"""Options of verbs that answer a budget, by its keys; those of `DEVICE_RUN` belong to one as well."""

DEVICE_RUN: Mapping[str, Any] = {
    "device": DeviceName, "dtype": Dtype, "batch": Batch, "layout": Layout, "compiled": Compiled, "runtime": Runtime,
    "processor": Processor, "threads": Threads,
}  # fmt: skip
"""Options of verbs that look at how models run on a device."""

COUNTING: Mapping[str, Any] = {
    "workers": Workers, "backend": BackendName, "address": SchedulerAddress, "traces": Traces, "training": Training,
}  # fmt: skip
"""Options of verbs that count what a configuration selects."""


def sharing(*groups: Mapping[str, Any]) -> Callable[[F], F]:
    """Gives a verb the options of groups: it gets them as its keyword arguments `**shared`, None where they are not given."""

    def decorate(verb: F) -> F:
        shared = {name: option for group in groups for name, option in group.items()}
        own = inspect.signature(verb, eval_str=True)
        named = [one for one in own.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
        more = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=shared[name]) for name in shared]
        verb.__signature__ = own.replace(parameters=[*named, *more])  # type: ignore[attr-defined]
        verb.__annotations__ = {one.name: one.annotation for one in (*named, *more)}
        return verb

    return decorate


def stated_budget(shared: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Those keys of a budget that were given, as it reads them."""
    stated = {**shared, **more, "macs": in_giga(shared["macs"])}
    return {name: value for name, value in stated.items() if name != "budget" and (value or value is False)}
