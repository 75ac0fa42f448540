"""`zoometer select`: which model to pick within limits, from what the cache holds."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from reports.cli.common import options
from reports.cli.common.errors import ExitCode
from reports.cli.common.help import examples
from reports.cli.common.output import TableFormat
from zoo.errors import SpeedError

EXAMPLES = examples(
    "zoometer select --max-params 5M --max-gmacs 0.6 --min-top1 75",
    "zoometer select --max-gmacs 1 --dataset imagenet-real --pareto params",
    "zoometer select --max-peak-memory 2MB --device stm32h743 --dtype int8",
    "zoometer select --device 'galaxy s24' --dtype int8 --max-latency 5ms",
    "zoometer select --device rtx-4090 --max-latency 10ms --speed speed.csv",
    "zoometer select configs/jetson.yaml --budget camera --license 'apache-*'",
    closing="""KB, MB and GB are powers of 1000, KiB, MiB and GiB powers of 1024.
 Models with missing values never satisfy a limit.

 Objectives: accuracy, params, macs, activations, peak_memory, memory,
 file_size, latency, throughput.

 Exit code 1: nothing fits. Exit code 2: no speed is known on the device, so
 a limit on it cannot be tested; the message says what would make one known.""",
)


@options.sharing(options.BUDGET, options.DEVICE_RUN)
def select(
    config: options.ConfigOrAll = None,
    cache: options.Cache = None,
    dataset: Annotated[str | None, typer.Option(help="Where accuracy counts. Default: imagenet-1k; none leaves it out.")] = None,
    devices: options.DevicesFile = None,
    speed: options.SpeedFiles = None,
    pareto: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES", help="Costs of the frontier: latency,peak_memory. Default: the speed that is limited, or macs."
        ),
    ] = None,
    pick: Annotated[str | None, typer.Option(metavar="NAME", help="The objective that decides. Default: accuracy.")] = None,
    form: options.TableForm = TableFormat.TABLE,
    **shared: Any,
) -> None:
    """Pick a model for a budget: what fits, the frontier, what excludes the others, and what relaxing a limit would gain."""
    stated = options.stated_budget(
        shared, dataset=dataset, pareto=[name.strip() for name in pareto.split(",")] if pareto else None, pick=pick
    )
    from reports.api.answering import BudgetRequest, UntestableLimitError, answer
    from reports.cli.common.select_run import option_of, print_answer

    try:
        found = answer(BudgetRequest(config, cache, shared["budget"], stated, devices, tuple(speed or ()), option_of))
    except UntestableLimitError as error:
        if form is not TableFormat.TABLE:
            raise  # a program gets no answer that leaves out what it asked for
        print_answer(error.ranking, form.value)
        raise SpeedError(f"{error.limits} cannot be tested, and what is listed leaves it out.\n{error.step}") from None
    print_answer(found, form.value)
    if found.selection.pick is None:
        raise typer.Exit(ExitCode.NO)
