"""`zoometer estimate`: how long one model would take on a device, layer by layer, and what binds each."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from reports.cli.common.errors import ExitCode
from reports.cli.common.formats import TableFormat
from reports.cli.common.help import examples

EXAMPLES = examples(
    "zoometer estimate timm/resnet50 --device rtx-4090 --dtype amp",
    "zoometer estimate timm/convnext_tiny --device t4 --dtype fp16 --batch 8",
    "zoometer estimate mypackage.models:Net --device l4 --input 3x224x224",
    "zoometer estimate mypackage.models:Net --device galaxy-s24 --dtype int8",
    "zoometer estimate torchvision/swin_t --device a100-sxm-80gb --format csv",
    closing="""Without a calibration of the device (zoometer calibrate) an estimate rests
 on the data sheet of a GPU, and elsewhere on published speeds of the device and
 of those like it.

 Exit code 1: there is no estimate, and the reason is printed.""",
)


def estimate(
    target: Annotated[
        str, typer.Argument(metavar="MODEL", help="zoo/arch, zoo/arch.tag, or package.module:factory.", show_default=False)
    ],
    device: Annotated[str, typer.Option(metavar="ID", help="zoometer devices lists them.", show_default=False)],
    input: Annotated[str | None, typer.Option(help="Shape or size without the batch: 3x224x224, 384. Default: native.")] = None,
    dtype: Annotated[str, typer.Option(help="float32, amp, float16 (fp16), bfloat16, int8 or w8a16.")] = "float32",
    batch: Annotated[int, typer.Option(min=1, help="Images in a step.")] = 1,
    layout: Annotated[str, typer.Option(help="Of images: nchw, or nhwc (channels last).")] = "nchw",
    compiled: Annotated[bool, typer.Option("--compiled", help="Run by torch.compile.")] = False,
    devices: Annotated[Path | None, typer.Option(metavar="FILE", help="Devices of your own, in YAML.")] = None,
    cache: Annotated[str, typer.Option(metavar="DIR", help="Where calibrations are kept.")] = "cache/",
    most: Annotated[int, typer.Option("--layers", min=0, help="Layers shown, the slowest first.")] = 15,
    form: Annotated[
        TableFormat, typer.Option("--format", help="table, json, or csv (every layer, in order).")
    ] = TableFormat.TABLE,
) -> None:
    """Estimate a model's latency on a device. Nothing is downloaded, and no arithmetic is run."""
    from reports.config.run_section import RunSection
    from reports.exports.csv_text import csv_text
    from reports.selection.device_lookup import look_up_device
    from reports.selection.speed_estimates import estimate_model
    from reports.terminal import estimate_text
    from reports.terminal.console import make_console
    from zoo.cache.store import Store
    from zoo.errors import InputError

    try:
        asked = RunSection.model_validate(
            {"device": device, "dtype": dtype, "batch": batch, "layout": layout, "compiled": compiled}
        )
    except ValueError as error:
        raise InputError(str(getattr(error, "errors", list)()[0]["msg"]).removeprefix("Value error, ")) from None
    store = Store(cache)
    chosen = look_up_device(device, devices, store)
    assert chosen is not None
    found = estimate_model(target, chosen, replace(asked.run(), device=chosen.id), input, store)
    if form is TableFormat.TABLE:
        estimate_text.print_estimate(make_console(), found, most)
    elif form is TableFormat.JSON:
        typer.echo(json.dumps(estimate_text.estimate_record(found), indent=2))
    else:
        typer.echo(csv_text(found.layers), nl=False)
    if found.latency_ms is None:
        raise typer.Exit(ExitCode.NO)
