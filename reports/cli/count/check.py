"""`zoometer check`: hold one model against limits; for continuous integration and pre-commit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reports.cli.common.amounts import in_giga
from reports.cli.common.errors import ExitCode
from reports.cli.common.formats import TextFormat
from reports.cli.common.help import examples
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from reports.selection.model_check import Finding
    from zoo.api.named import Counted

EXAMPLES = examples(
    "zoometer check mymodels:Net --input 3x224x224 --max-gmacs 0.6",
    "zoometer check mymodels:Net --input 3x96x96 --max-peak-memory 256KiB",
    "zoometer check mymodels:Net --input 3x96x96 --device stm32h743",
    "zoometer check timm/mobilenetv3_small_100 --max-gmacs 0.1 --format json",
    closing="Exit code 1: a limit is broken; the layers that cost most are named.",
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
    """Hold a model against limits, and end with exit code 1 where one is broken. No weights, no arithmetic, no device."""
    from reports.cli.common.select_run import read_budget
    from reports.selection import model_check as gate
    from reports.selection.device_lookup import look_up_device
    from zoo.api.named import InputSpec, count_named

    asked = {
        "params": params, "macs": in_giga(macs), "activations": activations, "peak_memory": peak_memory, "memory": memory,
        "dtype": dtype, "batch": batch,
    }  # fmt: skip
    budget = read_budget(None, {name: value for name, value in asked.items() if value})
    limits = budget.limits(look_up_device(device, devices))
    if not limits:
        raise ConfigError("There is nothing to check: give a limit, such as --max-gmacs 0.6 or --max-peak-memory 256KiB.")
    counted = count_named(target, InputSpec(tuple(input or ()), batch, gate.counted_precision(budget.dtype).dtype))
    results = [(one, gate.hold_against(one, limits, budget.dtype)) for one in counted]
    note = gate.precision_note(budget.dtype)
    if form is TextFormat.JSON:
        typer.echo(json.dumps([_record(one, findings, note) for one, findings in results], indent=2))
    else:
        for one, findings in results:
            _print(one, findings, note)
    if not all(finding.is_kept for _, findings in results for finding in findings):
        raise typer.Exit(ExitCode.NO)


def _record(counted: Counted, findings: list[Finding], note: str) -> dict[str, Any]:
    """The result for programs: exact figures, units in the column names."""
    return {
        "model": counted.model,
        "input": counted.input,
        "batch": counted.batch,
        "status": counted.cost.status.value,
        "reason": counted.cost.reason,
        "assumption": note or None,
        "is_kept": all(finding.is_kept for finding in findings),
        "limits": [
            {
                "column": finding.limit.column.key,
                "title": finding.limit.title,
                "at_most": finding.limit.bound,
                "value": finding.value,
                "is_kept": finding.is_kept,
                "layers": [
                    {"module": x.module, "module_class": x.module_class, "value": x.value, "share": x.share}
                    for x in finding.layers
                ],
            }
            for finding in findings
        ],
    }


def _print(counted: Counted, findings: list[Finding], note: str) -> None:
    from rich.text import Text

    from reports.columns.format import value_text
    from reports.selection.explanations import limit_text
    from reports.terminal.console import make_console

    console = make_console()
    console.print(
        Text.assemble((counted.model, "bold"), f"  {counted.input}" + (f"  batch {counted.batch}" if counted.batch > 1 else ""))
    )
    for finding in findings:
        style, mark = ("green", "kept  ") if finding.is_kept else ("red", "BROKEN")
        has = "not known" if finding.value is None else value_text(finding.limit.column, finding.value)
        of = f", {finding.value / finding.limit.bound:.0%} of it" if finding.value is not None and finding.limit.bound else ""
        console.print(Text.assemble("  ", (mark, style), f"  {limit_text(finding.limit)}: it has {has}{of}"))
        if finding.layers:
            console.print(f"          {_heading(finding, counted)}", style="dim")
        for layer in finding.layers:
            value = value_text(finding.limit.column, layer.value)
            console.print(f"          {value:>12}  {layer.share:>4.0%}  {layer.module} ({layer.module_class})", soft_wrap=True)
    for sentence in filter(None, (counted.cost.reason, note)):
        console.print(Text(f"! {sentence}", style="yellow"))


def _heading(finding: Finding, counted: Counted) -> str:
    from reports.columns.budget_columns import PEAK, WORKING

    if finding.limit.column.key in (PEAK.key, WORKING.key):
        return f"reached in {counted.cost.peak_module or 'the model'}; the layers with the largest outputs, against the whole:"
    return "the layers with most of it:"
