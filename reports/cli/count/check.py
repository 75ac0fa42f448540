"""`zoometer check`: check one model against limits; for continuous integration and pre-commit."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from reports.cli.common import options
from reports.cli.common.errors import ExitCode
from reports.cli.common.help import examples
from reports.cli.common.output import print_answer
from zoo.errors import ConfigError

EXAMPLES = examples(
    "zoometer check mymodels:Net --input 3x224x224 --max-gmacs 0.6",
    "zoometer check mymodels:Net --input 3x96x96 --max-peak-memory 256KiB",
    "zoometer check mymodels:Net --input 3x96x96 --device stm32h743",
    "zoometer check timm/mobilenetv3_small_100 --max-gmacs 0.1 --format json",
    closing="Exit code 1: a limit is exceeded; the layers that cost most are named.",
)

_LIMITS = ("params", "macs", "activations", "peak_memory", "memory")


@options.sharing(options.BUDGET, options.DEVICE_RUN, only=(*_LIMITS, "device", "dtype", "batch"))
def check(
    target: Annotated[str, typer.Argument(metavar="MODEL", help="package.module:factory, zoo/arch or zoo/arch.tag.")],
    input: Annotated[
        list[str] | None, typer.Option(help="Shape without the batch: 3x224x224. Repeatable. Default: native, for a zoo's model.")
    ] = None,
    devices: options.DevicesFile = None,
    form: options.Form = "text",
    **shared: Any,
) -> None:
    """Check a model against limits, and end with exit code 1 where one is exceeded. No weights, no arithmetic, no device."""
    from reports.config.budget_section import BudgetSection
    from reports.selection.model_check import check_model, counted_precision
    from reports.selection.speeds.device_lookup import look_up_device
    from reports.terminal.check_text import check_record, print_checks
    from zoo.api.count_by_name import InputSpec, count_named

    stated = options.stated_budget(shared)
    device = stated.pop("device", None)
    budget = BudgetSection.from_options(stated, options.option_of)
    limits = budget.limits(look_up_device(device, devices))
    if not limits:
        raise ConfigError("There is nothing to check: give a limit, such as --max-gmacs 0.6 or --max-peak-memory 256KiB.")
    counted = count_named(target, InputSpec(tuple(input or ()), budget.batch or 1, counted_precision(budget.dtype).dtype))
    checks = [check_model(one, limits, budget.dtype) for one in counted]
    print_answer(
        form,
        lambda console: print_checks(console, checks),
        lambda: [check_record(one) for one in checks],
    )
    if not all(check.is_met for check in checks):
        raise typer.Exit(ExitCode.NO)
