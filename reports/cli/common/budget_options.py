"""The options that state a budget, for the verbs that answer one: `select` and `plot`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from reports.cli.common.amounts import in_giga

_Text = str | None
_Texts = list[str] | None

ConfigArgument = Annotated[
    Path | None,
    typer.Argument(metavar="CONFIG", help="Only the models of this configuration. Default: the whole cache.", show_default=False),
]
Cache = Annotated[str, typer.Option("--cache", metavar="DIR", help="The cache, where no configuration names it.")]
Budget = Annotated[
    _Text, typer.Option("--budget", metavar="NAME", help="A budget of the configuration; options replace parts of it.")
]
Params = Annotated[_Text, typer.Option("--max-params", metavar="N", help="Parameters: 5M.")]
Macs = Annotated[_Text, typer.Option("--max-gmacs", metavar="N", help="MACs: 0.6 (G), 0.6GMACs or 600M.")]
Activations = Annotated[_Text, typer.Option("--max-activations", metavar="N", help="Elements that layers write: 10M.")]
PeakMemory = Annotated[
    _Text, typer.Option("--max-peak-memory", metavar="BYTES", help="Activations alive at once, at the dtype and batch: 500MB.")
]
Memory = Annotated[_Text, typer.Option("--max-memory", metavar="BYTES", help="Weights, input and activations together: 4GB.")]
FileSize = Annotated[_Text, typer.Option("--max-file-size", metavar="BYTES", help="Weights file: 25MB.")]
Latency = Annotated[_Text, typer.Option("--max-latency", metavar="TIME", help="Of a step on the device: 10ms.")]
Throughput = Annotated[_Text, typer.Option("--min-throughput", metavar="RATE", help="On the device: 1000/s.")]
Accuracy = Annotated[_Text, typer.Option("--min-top1", "--min-accuracy", metavar="PERCENT", help="Accuracy on the dataset: 80.")]
Licence = Annotated[
    _Texts, typer.Option("--license", metavar="GLOB", help="Licence of the weights, such as apache-2.0. Repeatable.")
]
Zoo = Annotated[_Texts, typer.Option("--zoo", metavar="GLOB", help="Repeatable.")]
Family = Annotated[_Texts, typer.Option("--family", metavar="GLOB", help="Repeatable.")]
Task = Annotated[_Texts, typer.Option("--task", metavar="GLOB", help="Repeatable.")]
DeviceName = Annotated[
    _Text,
    typer.Option(
        "--device", metavar="NAME", help="Whose memory and speed count: t4, 'galaxy s24' (zoometer devices lists them)."
    ),
]
LatencyDevice = Annotated[
    _Text, typer.Option("--device", metavar="NAME", help="Show latency there: t4, 'galaxy s24' (zoometer devices lists them).")
]
DevicesFile = Annotated[Path | None, typer.Option("--devices", metavar="FILE", help="Devices of your own, in YAML.")]
Dtype = Annotated[
    _Text,
    typer.Option(
        "--dtype", help="float32, amp (autocast), float16 (fp16), bfloat16, float8, int8 (w8a8) or w8a16. Default: float32."
    ),
]
Batch = Annotated[int | None, typer.Option("--batch", min=1, help="Images in a step. Default: 1.")]
Layout = Annotated[_Text, typer.Option("--layout", help="Of images, for speed: nchw, or nhwc (channels last).")]
Compiled = Annotated[
    bool | None, typer.Option("--compiled/--eager", help="For speed: run by torch.compile, or as it is.", show_default=False)
]
Runtime = Annotated[
    _Text,
    typer.Option("--runtime", metavar="NAME", help="For speed: measured or published in it, such as tflite or qnn-dlc."),
]
Processor = Annotated[
    _Text, typer.Option("--processor", help="For speed: published on the npu, gpu or cpu. Default: the fastest.")
]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="For speed: of a CPU. Default: the fastest published.")]
SpeedFiles = Annotated[list[Path] | None, typer.Option("--speed", metavar="FILE", help="Measured speeds, a CSV. Repeatable.")]


def stated_options(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a verb's arguments that are keys of a budget and were given, as a budget reads them."""
    from reports.config.budget_section import BudgetSection

    values = {**arguments, "license": arguments["licence"], "macs": in_giga(arguments["macs"])}
    stated = {name: values[name] for name in BudgetSection.model_fields if name in values}
    return {name: value for name, value in stated.items() if value or value is False}
