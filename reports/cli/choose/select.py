"""`zoometer select`: which model to pick within limits, from what the cache holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from reports.cli.common.amounts import in_giga
from reports.cli.common.errors import ExitCode
from reports.cli.common.formats import TableFormat
from reports.cli.common.help import examples
from zoo.errors import SpeedError

EXAMPLES = examples(
    "zoometer select --max-params 5M --max-gmacs 0.6 --min-top1 75",
    "zoometer select --max-gmacs 1 --dataset imagenet-real --pareto params",
    "zoometer select --max-peak-memory 2MB --device stm32h743 --dtype int8",
    "zoometer select --device 'galaxy s24' --dtype int8 --max-latency 5ms",
    "zoometer select --device rtx-4090 --max-latency 10ms --speed speed.csv",
    "zoometer select configs/edge.yaml --budget phone --license 'apache-*'",
    closing="""KB, MB and GB are powers of 1000, KiB, MiB and GiB powers of 1024.
 Models with missing values never satisfy a limit.

 Objectives: accuracy, params, macs, activations, peak_memory, memory,
 file_size, latency, throughput.

 Exit code 1: nothing fits. Exit code 2: no speed is known on the device, so
 a limit on it cannot be tested; the message says what would make one known.""",
)


_Text = str | None
_Texts = list[str] | None


def select(
    config: Annotated[
        Path | None,
        typer.Argument(
            metavar="CONFIG", help="Select among the models of this configuration. Default: the whole cache.", show_default=False
        ),
    ] = None,
    cache: Annotated[str, typer.Option(metavar="DIR", help="The cache, where no configuration names it.")] = "cache/",
    budget: Annotated[
        _Text, typer.Option(metavar="NAME", help="A budget of the configuration; options replace parts of it.")
    ] = None,
    params: Annotated[_Text, typer.Option("--max-params", metavar="N", help="Parameters: 5M.")] = None,
    macs: Annotated[_Text, typer.Option("--max-gmacs", metavar="N", help="MACs: 0.6 (G), 0.6GMACs or 600M.")] = None,
    activations: Annotated[_Text, typer.Option("--max-activations", metavar="N", help="Elements that layers write: 10M.")] = None,
    peak_memory: Annotated[
        _Text,
        typer.Option("--max-peak-memory", metavar="BYTES", help="Activations alive at once, at the dtype and batch: 500MB."),
    ] = None,
    memory: Annotated[
        _Text, typer.Option("--max-memory", metavar="BYTES", help="Weights, input and activations together: 4GB.")
    ] = None,
    file_size: Annotated[_Text, typer.Option("--max-file-size", metavar="BYTES", help="Weights file: 25MB.")] = None,
    latency: Annotated[_Text, typer.Option("--max-latency", metavar="TIME", help="Of a step on the device: 10ms.")] = None,
    throughput: Annotated[_Text, typer.Option("--min-throughput", metavar="RATE", help="On the device: 1000/s.")] = None,
    accuracy: Annotated[
        _Text, typer.Option("--min-top1", "--min-accuracy", metavar="PERCENT", help="Accuracy on the dataset: 80.")
    ] = None,
    dataset: Annotated[_Text, typer.Option(help="Where accuracy counts. Default: imagenet-1k; none leaves it out.")] = None,
    licence: Annotated[
        _Texts, typer.Option("--license", metavar="GLOB", help="Licence of the weights, such as apache-2.0. Repeatable.")
    ] = None,
    zoo: Annotated[_Texts, typer.Option(metavar="GLOB", help="Repeatable.")] = None,
    family: Annotated[_Texts, typer.Option(metavar="GLOB", help="Repeatable.")] = None,
    task: Annotated[_Texts, typer.Option(metavar="GLOB", help="Repeatable.")] = None,
    device: Annotated[
        _Text, typer.Option(metavar="ID", help="Whose memory and speed count; zoometer devices lists them.")
    ] = None,
    devices: Annotated[Path | None, typer.Option(metavar="FILE", help="Devices of your own, in YAML.")] = None,
    dtype: Annotated[
        _Text,
        typer.Option(help="float32, amp (autocast), float16 (fp16), bfloat16, float8, int8 (w8a8) or w8a16. Default: float32."),
    ] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Images in a step. Default: 1.")] = None,
    layout: Annotated[_Text, typer.Option(help="Of images, for speed: nchw, or nhwc (channels last).")] = None,
    compiled: Annotated[
        bool | None, typer.Option("--compiled/--eager", help="For speed: run by torch.compile, or as it is.", show_default=False)
    ] = None,
    runtime: Annotated[
        _Text, typer.Option(metavar="NAME", help="For speed: measured or published in it, such as tflite or qnn-dlc.")
    ] = None,
    processor: Annotated[_Text, typer.Option(help="For speed: published on the npu, gpu or cpu. Default: the fastest.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="For speed: of a CPU. Default: the fastest published.")] = None,
    speed: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="Measured speeds, a CSV. Repeatable.")] = None,
    pareto: Annotated[
        _Text, typer.Option(metavar="NAMES", help="Costs of the frontier: latency,peak_memory. Default: macs.")
    ] = None,
    pick: Annotated[_Text, typer.Option(metavar="NAME", help="The objective that decides. Default: accuracy.")] = None,
    form: Annotated[
        TableFormat, typer.Option("--format", help="table, json (everything) or csv (a row a candidate).")
    ] = TableFormat.TABLE,
) -> None:
    """Pick a model for a budget: what fits, the frontier, what excludes the others, and what relaxing a limit would gain."""
    from reports.cli.common.select_run import Asked, UntestableLimitError, answer, print_answer

    asked = {
        "params": params, "macs": in_giga(macs), "activations": activations, "peak_memory": peak_memory, "memory": memory,
        "file_size": file_size, "latency": latency, "throughput": throughput, "accuracy": accuracy, "dataset": dataset,
        "license": licence, "zoo": zoo, "family": family, "task": task, "device": device, "dtype": dtype, "batch": batch, "layout": layout, "compiled": compiled,
        "runtime": runtime, "processor": processor, "threads": threads,
        "pareto": pareto.split(",") if pareto else None, "pick": pick,
    }  # fmt: skip
    options = {name: value for name, value in asked.items() if value or value is False}
    try:
        found = answer(Asked(config, cache, budget, options, devices, tuple(speed or ())))
    except UntestableLimitError as error:
        if form is not TableFormat.TABLE:
            raise  # a program gets no answer that leaves out what it asked for
        print_answer(error.ranking, form.value)
        raise SpeedError(f"{error}\nWhat is listed leaves that limit out.") from None
    print_answer(found, form.value)
    if found.selection.pick is None:
        raise typer.Exit(ExitCode.NO)
