"""`zoometer count`: what one model costs, by module or by operation, at any input."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from reports.cli.help import examples

if TYPE_CHECKING:
    from zoo.batch.single import Counted

EXAMPLES = examples(
    "zoometer count timm/resnet50",
    "zoometer count timm/vit_base_patch16_224 --depth 2 --convention fvcore",
    "zoometer count timm/convnext_base --input 224 --input 384 --by operation",
    "zoometer count torchvision/swin_t --format json > swin_t.json",
    "zoometer count mypackage.models:NeuralNetwork --input 28x28",
    closing="Conventions: matmul, all, fvcore, ptflops-aten, ptflops-pytorch, weights-only.",
)


class Grouping(StrEnum):
    """What the table has a row for."""

    MODULE = "module"
    OPERATION = "operation"
    CALL = "call"


class CountFormat(StrEnum):
    """How the cost is printed."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def count(
    target: Annotated[
        str, typer.Argument(metavar="MODEL", help="zoo/arch, zoo/arch.tag, or package.module:factory.", show_default=False)
    ],
    input: Annotated[
        list[str] | None,
        typer.Option(help="Shape or size without the batch: 3x224x224, 384, 384x512. Repeatable. Default: native."),
    ] = None,
    convention: Annotated[str, typer.Option(help="Which operations a total includes.")] = "matmul",
    by: Annotated[Grouping, typer.Option(help="A row a module, a kind of operation, or a distinct call.")] = Grouping.MODULE,
    depth: Annotated[int | None, typer.Option(min=0, help="Levels of modules shown. Default: 1.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Images in the batch.")] = 1,
    dtype: Annotated[str, typer.Option(help="float32, float16 or bfloat16.")] = "float32",
    classes: Annotated[int | None, typer.Option(min=0, help="Outputs of the head, instead of the model's own.")] = None,
    digits: Annotated[int, typer.Option(min=0, max=9, help="Digits after the point.")] = 2,
    as_tool: Annotated[bool, typer.Option("--as-tool", help="The tool's own figure, its known defects included.")] = False,
    form: Annotated[CountFormat, typer.Option("--format", help="table, json (exact figures) or csv.")] = CountFormat.TABLE,
) -> None:
    """Count one model. Nothing is downloaded, and no arithmetic is run."""
    from reports import cost_text
    from zoo.batch.single import InputSpec, count_named
    from zoo.counting.conventions import find_convention

    chosen = find_convention(convention)
    view = cost_text.View(chosen, by.value, 1 if depth is None else depth, digits, as_tool)
    counted = count_named(target, InputSpec(tuple(input or ()), batch, dtype), classes)
    _print(counted, view, form)


def _print(counted: list[Counted], view: object, form: CountFormat) -> None:
    from reports import cost_text, text

    assert isinstance(view, cost_text.View)
    if form is CountFormat.JSON:
        typer.echo(json.dumps([cost_text.record(one, view) for one in counted], indent=2))
        return
    if form is CountFormat.CSV:
        typer.echo(cost_text.joined_table(counted, view).to_csv(index=False), nl=False)
        return
    console = text.make_console()
    for one in counted:
        cost_text.print_cost(console, one, view)
