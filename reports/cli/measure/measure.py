"""`zoometer measure`: real latency and throughput on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from reports.cli.common import options
from reports.cli.common.errors import ExitCode
from reports.cli.common.help import examples
from reports.cli.common.output import is_quiet

EXAMPLES = examples(
    "zoometer measure timm/resnet50 --dtype float32 --batch 1",
    "zoometer measure configs/measure.yaml",
    "zoometer measure 'timm/resnet*' --device cuda --dtype amp --max-batch 256",
    "zoometer measure configs/measure.yaml --as core-i9-10940x --rebuild",
    "zoometer measure timm/resnet50 --compiled --threads 4 --precision 1%",
    closing="""Weights are random, and nothing is downloaded. A measurement is repeated until
 the 95 % interval of its median is as narrow as --precision says, and goes into
 the table `speed` of the cache; what is there from the same environment is not
 measured again. Keep the machine idle meanwhile.

 Exit code 3: some models could not be measured.""",
)


def measure(
    targets: Annotated[
        list[str],
        typer.Argument(metavar="CONFIG|MODEL...", help="A configuration, and models as zoo/glob."),
    ],
    device: Annotated[str | None, typer.Option(help="Where to run: cpu, cuda, cuda:1 or mps. Default: cpu.")] = None,
    name: Annotated[
        str | None,
        typer.Option("--as", metavar="ID", help="What this machine is called among `zoometer devices`."),
    ] = None,
    devices: options.DevicesFile = None,
    input: Annotated[
        list[str] | None, typer.Option(help="Size or shape without the batch: 384, 3x224x224. Repeatable. Default: native.")
    ] = None,
    batch: Annotated[list[int] | None, typer.Option(min=1, help="Images in a step. Repeatable. Default: 1.")] = None,
    max_batch: Annotated[
        int | None, typer.Option(min=1, help="Also at the largest batch that fits: this one, halved while memory runs out.")
    ] = None,
    dtype: Annotated[
        list[str] | None, typer.Option(help="float32, float16, bfloat16 or amp. Repeatable. Default: float32.")
    ] = None,
    layout: Annotated[list[str] | None, typer.Option(help="nchw or nhwc. Repeatable. Default: nchw.")] = None,
    compiled: Annotated[bool | None, typer.Option("--compiled/--eager", help="By torch.compile, or as it is.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Of a CPU, pinned. Default: one a core.")] = None,
    precision: Annotated[
        str | None, typer.Option(metavar="PERCENT", help="Half-width of the median's 95 % interval. Default: 2%.")
    ] = None,
    least: Annotated[int | None, typer.Option(min=1, help="Repetitions at least. Default: 10.")] = None,
    most: Annotated[int | None, typer.Option(min=1, help="Repetitions at most. Default: 1000.")] = None,
    time: Annotated[str | None, typer.Option(help="Limit of the repetitions of one measurement. Default: 10s.")] = None,
    timeout: Annotated[str | None, typer.Option(help="After which a measurement's process is ended. Default: 300s.")] = None,
    memory_gb: Annotated[float | None, typer.Option(help="Of a process on the CPU. Default: 80 % of what is free.")] = None,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Measure again what the cache has.")] = False,
    cache: options.Cache = None,
    form: options.TableForm = "table",
) -> None:
    """Measure how fast models run on this machine, one after another, each in a process of its own."""
    from reports.cli.measure.measure_run import MeasureRequest, Progress, print_rows, read_settings
    from zoo.measurement.session import measure as measure_models
    from zoo.measurement.settings import MeasureListener

    options = {
        "device": device, "as": name, "batch": batch, "max_batch": max_batch, "dtype": dtype, "layout": layout,
        "compiled": None if compiled is None else [compiled], "threads": threads, "precision": precision, "least": least,
        "most": most, "time": time, "timeout": timeout, "memory_gb": memory_gb,
    }  # fmt: skip
    given = {key: value for key, value in options.items() if value is not None and value != []}
    request = MeasureRequest(tuple(targets), given, tuple(input or ()), cache, devices, rebuild=rebuild)
    summary = measure_models(read_settings(request), MeasureListener() if is_quiet() else Progress())
    print_rows(summary.rows, form)
    if summary.failed:
        raise typer.Exit(ExitCode.MODELS_FAILED)
