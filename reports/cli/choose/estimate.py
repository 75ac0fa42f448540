"""`zoometer estimate`: how long one model would take on a device, layer by layer, and what binds each."""

from __future__ import annotations

from typing import Annotated

import typer

from reports.cli.common import options
from reports.cli.common.errors import ExitCode
from reports.cli.common.help import examples
from reports.cli.common.output import TableFormat, print_csv, print_json
from zoo.settings import DEFAULT_CACHE

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
    device: Annotated[
        str,
        typer.Option(
            metavar="NAME", autocompletion=options.complete_device, help="zoometer devices lists them.", show_default=False
        ),
    ],
    input: Annotated[str | None, typer.Option(help="Shape or size without the batch: 3x224x224, 384. Default: native.")] = None,
    dtype: options.Dtype = None,
    batch: options.Batch = None,
    layout: options.Layout = None,
    compiled: options.Compiled = None,
    devices: options.DevicesFile = None,
    cache: options.Cache = None,
    most: Annotated[int, typer.Option("--layers", min=0, help="Layers shown, the slowest first.")] = 15,
    form: options.TableForm = TableFormat.TABLE,
) -> None:
    """Estimate a model's latency on a device. Nothing is downloaded, and no arithmetic is run."""
    from reports.models.model_latency import find_device_run
    from reports.selection.speed_estimates import estimate_model
    from reports.terminal import estimate_text
    from reports.terminal.console import make_console
    from zoo.cache.store import Store

    stated = {"dtype": dtype, "batch": batch, "layout": layout, "compiled": compiled}
    kept = cache or DEFAULT_CACHE
    asked = find_device_run(device, devices, {name: value for name, value in stated.items() if value is not None}, kept)
    found = estimate_model(target, asked.device, asked.run, input, Store(kept))
    if form is TableFormat.TABLE:
        estimate_text.print_estimate(make_console(), found, most)
    elif form is TableFormat.JSON:
        print_json(estimate_text.estimate_record(found))
    else:
        print_csv(found.layers)
    if found.latency_ms is None:
        raise typer.Exit(ExitCode.NO)
