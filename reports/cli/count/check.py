"""`zoometer check`: check one model against limits; for continuous integration and pre-commit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from reports.cli.common.amounts import in_giga
from reports.cli.common.errors import ExitCode
from reports.cli.common.formats import TextFormat
from reports.cli.common.help import examples
from zoo.errors import ConfigError

EXAMPLES = examples(
    "zoometer check mymodels:Net --input 3x224x224 --max-gmacs 0.6",
    "zoometer check mymodels:Net --input 3x96x96 --max-peak-memory 256KiB",
    "zoometer check mymodels:Net --input 3x96x96 --device stm32h743",
    "zoometer check timm/mobilenetv3_small_100 --max-gmacs 0.1 --format json",
    closing="Exit code 1: a limit is exceeded; the layers that cost most are named.",
)


_Text = str | None


def check(
    target: Annotated[
        str, typer.Argument(metavar="MODEL", help="package.module:factory, zoo/arch or zoo/arch.tag.", show_default=False)
    ],
    input: Annotated[
        list[str] | None, typer.Option(help="Shape without the batch: 3x224x224. Repeatable. Default: native, for a zoo's model.")
    ] = None,
    params: Annotated[_Text, typer.Option("--max-params", metavar="N", help="Parameters: 5M.")] = None,
    macs: Annotated[_Text, typer.Option("--max-gmacs", metavar="N", help="MACs of one image: 0.6 (G) or 600M.")] = None,
    activations: Annotated[_Text, typer.Option("--max-activations", metavar="N", help="Elements that layers write: 10M.")] = None,
    peak_memory: Annotated[
        _Text, typer.Option("--max-peak-memory", metavar="BYTES", help="Activations alive at once: 256KiB.")
    ] = None,
    memory: Annotated[
        _Text, typer.Option("--max-memory", metavar="BYTES", help="Weights, input and activations together: 500MB.")
    ] = None,
    device: Annotated[_Text, typer.Option(metavar="ID", help="Whose memory has to hold it; zoometer devices lists them.")] = None,
    devices: Annotated[Path | None, typer.Option(metavar="FILE", help="Devices of your own, in YAML.")] = None,
    dtype: Annotated[str, typer.Option(help="float32, float16 (fp16), bfloat16, float8, int8 or w8a16.")] = "float32",
    batch: Annotated[int, typer.Option(min=1, help="Images in a step.")] = 1,
    form: Annotated[TextFormat, typer.Option("--format", help="text or json.")] = TextFormat.TEXT,
) -> None:
    """Check a model against limits, and end with exit code 1 where one is exceeded. No weights, no arithmetic, no device."""
    from reports.cli.common.select_run import read_budget
    from reports.selection.device_lookup import look_up_device
    from reports.selection.model_check import check_model, counted_precision
    from reports.terminal.check_text import check_record, print_check
    from reports.terminal.console import make_console
    from zoo.api.count_by_name import InputSpec, count_named

    asked = {
        "params": params, "macs": in_giga(macs), "activations": activations, "peak_memory": peak_memory, "memory": memory,
        "dtype": dtype, "batch": batch,
    }  # fmt: skip
    budget = read_budget(None, {name: value for name, value in asked.items() if value})
    limits = budget.limits(look_up_device(device, devices))
    if not limits:
        raise ConfigError("There is nothing to check: give a limit, such as --max-gmacs 0.6 or --max-peak-memory 256KiB.")
    counted = count_named(target, InputSpec(tuple(input or ()), batch, counted_precision(budget.dtype).dtype))
    checks = [check_model(one, limits, budget.dtype) for one in counted]
    if form is TextFormat.JSON:
        typer.echo(json.dumps([check_record(check) for check in checks], indent=2))
    else:
        for check in checks:
            print_check(make_console(), check)
    if not all(check.is_met for check in checks):
        raise typer.Exit(ExitCode.NO)
