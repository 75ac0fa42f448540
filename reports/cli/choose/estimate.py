"""`zoometer estimate`: how long one model would take on a device, layer by layer, and what binds each."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from reports.cli.common import options
from reports.cli.common.errors import ExitCode
from reports.cli.common.help import examples
from reports.cli.common.output import print_answer

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


@options.sharing(options.DEVICE_RUN, only=("dtype", "batch", "layout", "compiled", "runtime"))
def estimate(
    target: Annotated[str, typer.Argument(metavar="MODEL", help="zoo/arch, zoo/arch.tag, or package.module:factory.")],
    device: Annotated[
        str, typer.Option(metavar="NAME", autocompletion=options.complete_device, help="zoometer devices lists them.")
    ],
    input: Annotated[str | None, typer.Option(help="Shape or size without the batch: 3x224x224, 384. Default: native.")] = None,
    devices: options.DevicesFile = None,
    cache: options.Cache = None,
    most: Annotated[int, typer.Option("--layers", min=0, help="Layers shown, the slowest first.")] = 15,
    form: options.TableForm = "table",
    **shared: Any,
) -> None:
    """Estimate a model's latency on a device. Nothing is downloaded, and no arithmetic is run."""
    from reports.config.workspace import Workspace
    from reports.models.model_latency import find_device_run
    from reports.selection.speeds.model_estimate import estimate_model
    from reports.terminal.estimate_text import estimate_record, print_estimate
    from zoo.cache.store import Store

    stated = {name: value for name, value in shared.items() if value is not None}
    address = Workspace.open(None, cache).cache
    requested = find_device_run(device, devices, stated, address)
    found = estimate_model(target, requested.device, requested.run, input, Store(address))
    print_answer(form, lambda console: print_estimate(console, found, most), lambda: estimate_record(found), lambda: found.layers)
    if found.latency_ms is None:
        raise typer.Exit(ExitCode.NO)
