"""`zoometer count`: what one model costs, by module or by operation, at any input."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from reports.cli.common import options
from reports.cli.common.help import examples
from reports.cli.common.opening import open_workspace
from reports.cli.common.output import print_answer

EXAMPLES = examples(
    "zoometer count timm/resnet50",
    "zoometer count timm/vit_base_patch16_224 --depth 2 --convention fvcore",
    "zoometer count timm/convnext_base --input 224 --input 384 --by operation",
    "zoometer count timm/resnet50 --training --batch 32",
    "zoometer count torchvision/swin_t --format json > swin_t.json",
    "zoometer count timm/resnet50 --by call --precision amp --layout nhwc",
    "zoometer count mypackage.models:NeuralNetwork --input 28x28",
    "zoometer count model.pt2",
    "zoometer count tutorial/mlp --config configs/mlp.yaml",
    closing="Conventions: matmul, all, fvcore, ptflops-aten, ptflops-pytorch, weights-only.",
)


def count(
    target: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="zoo/arch, zoo/arch.tag, package.module:factory, or a file of torch.export.save or torch.jit.save.",
        ),
    ],
    input: Annotated[
        list[str] | None,
        typer.Option(help="Shape or size without the batch: 3x224x224, 384, 384x512. Repeatable. Default: native."),
    ] = None,
    convention: Annotated[str, typer.Option(help="Which operations a total includes.")] = "matmul",
    by: Annotated[
        Literal["module", "operation", "call"], typer.Option(help="A row a module, a kind of operation, or a distinct call.")
    ] = "module",
    depth: Annotated[int | None, typer.Option(min=0, help="Levels of modules shown. Default: 1.")] = None,
    precision: Annotated[
        str | None, typer.Option(help="With --by call, every call in order: fp32, amp, amp-fast-norm, fp16 or bf16.")
    ] = None,
    layout: Annotated[str, typer.Option(help="With --precision: nchw, or nhwc for channels last.")] = "nchw",
    batch: Annotated[int | None, typer.Option(min=1, help="Images in the batch. Default: 1, or 2 with --precision.")] = None,
    dtype: Annotated[str, typer.Option(help="float32, float16 or bfloat16.")] = "float32",
    classes: Annotated[int | None, typer.Option(min=0, help="Outputs of the head, instead of the model's own.")] = None,
    config: options.ConfigFile = None,
    digits: Annotated[int, typer.Option(min=0, max=9, help="Digits after the point.")] = 2,
    as_tool: Annotated[bool, typer.Option("--as-tool", help="The tool's own figure, its known defects included.")] = False,
    training: Annotated[
        bool, typer.Option("--training", help="Count a step of training too: both passes, and its memory with each optimiser.")
    ] = False,
    form: options.TableForm = "table",
) -> None:
    """Count one model. Nothing is downloaded, and no arithmetic is run."""
    from reports.terminal import cost_text
    from zoo.api.count_by_name import InputSpec, count_named
    from zoo.counting.conventions import find_convention
    from zoo.errors import InputError
    from zoo.traces import TRACE_BATCH

    if precision and (by != "call" or convention != "matmul"):
        raise InputError("--precision shows single calls and their MACs: add --by call, and leave --convention out.")
    if layout != "nchw" and not precision:
        raise InputError(f"--layout {layout} needs a precision: --precision fp32, amp, amp-fast-norm, fp16 or bf16.")
    if training and (by != "module" or convention != "matmul" or as_tool):
        raise InputError("--training shows the MACs of modules: leave --by, --convention and --as-tool out.")
    images = batch or (TRACE_BATCH if precision else 1)
    chosen = find_convention(convention)
    view = cost_text.View(chosen, by, 1 if depth is None else depth, digits, as_tool)
    spec = InputSpec(tuple(input or ()), images, dtype, precision, layout, training)
    counted = count_named(target, spec, classes, open_workspace(None, config).declared_models)
    print_answer(
        form,
        lambda console: cost_text.print_costs(console, counted, view),
        lambda: [cost_text.cost_record(one, view) for one in counted],
        lambda: cost_text.joined_table(counted, view),
    )
