"""`zoometer select`: which model to pick within limits, from what the cache holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from reports.cli.common import options
from reports.cli.common.errors import ExitCode
from reports.cli.common.help import examples
from reports.cli.common.output import print_answer
from zoo.errors import SpeedError

if TYPE_CHECKING:
    from reports.selection.budget_answer import BudgetAnswer

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
    form: options.TableForm = "table",
    **shared: Any,
) -> None:
    """Pick a model for a budget: what fits, the frontier, what excludes the others, and what relaxing a limit would gain."""
    stated = options.stated_budget(
        shared, dataset=dataset, pareto=[name.strip() for name in pareto.split(",")] if pareto else None, pick=pick
    )
    from reports.api.answering import BudgetRequest, UntestableLimitError, answer

    request = BudgetRequest(config, cache, shared["budget"], stated, devices, tuple(speed or ()), options.option_of)
    try:
        found = answer(request)
    except UntestableLimitError as error:
        if form != "table":
            raise  # a program gets no answer that ignores one of its limits
        _print_selection(error.ranking, form)
        raise SpeedError(
            f"{error.limits} cannot be tested, and what is listed leaves it out.\n{error.ranking.speed_note}"
        ) from None
    _print_selection(found, form)
    if found.selection.pick is None:
        raise typer.Exit(ExitCode.NO)


def _print_selection(found: BudgetAnswer, form: str) -> None:
    from reports.terminal import selection_text as text

    print_answer(
        form,
        lambda console: text.print_answer(console, found),
        lambda: text.answer_record(found),
        lambda: text.answer_table(found),
    )
