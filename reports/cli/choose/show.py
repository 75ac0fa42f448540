"""`zoometer show`: everything known of one model."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from reports.cli.common import options
from reports.cli.common.help import examples
from reports.cli.common.opening import open_workspace, read_device_run
from reports.cli.common.output import print_answer

EXAMPLES = examples(
    "zoometer show timm/resnet50              with all of its weights",
    "zoometer show timm/resnet50.a1_in1k      one set of weights",
    "zoometer show timm/resnet50 --device s24 --dtype fp16   with its latency",
    "zoometer show torchvision/swin_t --format json",
    "zoometer show mine/mlp --config mine.yaml   a declared zoo",
    closing="What the cache does not have at the model's own input is counted now,\n and not kept.",
)


@options.sharing(options.DEVICE_RUN)
def show(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="zoo/arch or zoo/arch.weights.")],
    cache: options.Cache = None,
    config: options.ConfigFile = None,
    devices: options.DevicesFile = None,
    form: options.Form = "text",
    **shared: Any,
) -> None:
    """Show one model: cost at each size, where it is spent, weights with accuracy, and where each figure comes from."""
    from reports.models.model_details import details_record, gather_details
    from reports.models.model_lookup import look_up_models
    from reports.terminal.model_text import print_model

    workspace = open_workspace(cache, config)
    device_run = read_device_run(shared, devices, workspace.cache)
    with look_up_models([model], workspace.cache, workspace.declared_zoos, device_run=device_run) as lookup:
        details = gather_details(lookup, lookup.models[0])
    print_answer(form, lambda console: print_model(console, details), lambda: details_record(details))
