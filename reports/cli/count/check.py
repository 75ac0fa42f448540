"""`zoometer check`: check one model against limits; for continuous integration and pre-commit."""

from __future__ import annotations

from typing import Annotated

import typer

from reports.cli.common import options
from reports.cli.common.errors import ExitCode
from reports.cli.common.help import examples
from reports.cli.common.output import TextFormat, print_json
from reports.cli.common.parsing import in_giga
from zoo.errors import ConfigError

EXAMPLES = examples(
    "zoometer check mymodels:Net --input 3x224x224 --max-gmacs 0.6",
    "zoometer check mymodels:Net --input 3x96x96 --max-peak-memory 256KiB",
    "zoometer check mymodels:Net --input 3x96x96 --device stm32h743",
    "zoometer check timm/mobilenetv3_small_100 --max-gmacs 0.1 --format json",
    closing="Exit code 1: a limit is exceeded; the layers that cost most are named.",
)


def check(
    target: Annotated[
        str, typer.Argument(metavar="MODEL", help="package.module:factory, zoo/arch or zoo/arch.tag.", show_default=False)
    ],
    input: Annotated[
        list[str] | None, typer.Option(help="Shape without the batch: 3x224x224. Repeatable. Default: native, for a zoo's model.")
    ] = None,
    params: options.Params = None,
    macs: options.Macs = None,
    activations: options.Activations = None,
    peak_memory: options.PeakMemory = None,
    memory: options.Memory = None,
    device: options.DeviceName = None,
    devices: options.DevicesFile = None,
    dtype: options.Dtype = None,
    batch: options.Batch = None,
    form: options.Form = TextFormat.TEXT,
) -> None:
    """Check a model against limits, and end with exit code 1 where one is exceeded. No weights, no arithmetic, no device."""
    from reports.api.answering import read_budget
    from reports.cli.common.select_run import option_of
    from reports.selection.device_lookup import look_up_device
    from reports.selection.model_check import check_model, counted_precision
    from reports.terminal.check_text import check_record, print_check
    from reports.terminal.console import make_console
    from zoo.api.count_by_name import InputSpec, count_named

    asked = {
        "params": params, "macs": in_giga(macs), "activations": activations, "peak_memory": peak_memory, "memory": memory,
        "dtype": dtype, "batch": batch,
    }  # fmt: skip
    budget = read_budget(None, {name: value for name, value in asked.items() if value}, option_of)
    limits = budget.limits(look_up_device(device, devices))
    if not limits:
        raise ConfigError("There is nothing to check: give a limit, such as --max-gmacs 0.6 or --max-peak-memory 256KiB.")
    counted = count_named(target, InputSpec(tuple(input or ()), batch or 1, counted_precision(budget.dtype).dtype))
    checks = [check_model(one, limits, budget.dtype) for one in counted]
    if form is TextFormat.JSON:
        print_json([check_record(check) for check in checks])
    else:
        for check in checks:
            print_check(make_console(), check)
    if not all(check.is_met for check in checks):
        raise typer.Exit(ExitCode.NO)
