"""`zoometer compare`: a few models side by side."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reports.cli.common import options
from reports.cli.common.help import examples
from reports.cli.common.opening import open_workspace, read_device_run
from reports.cli.common.output import note, print_answer
from zoo.errors import InputError

if TYPE_CHECKING:
    from reports.models.model_lookup import ModelLookup

EXAMPLES = examples(
    "zoometer compare timm/resnet50 timm/convnext_tiny torchvision/swin_t",
    "zoometer compare '*/resnet50'               the same network in every zoo",
    "zoometer compare timm/resnet50 timm/vit_base_patch16_224 --input 384",
    "zoometer compare timm/resnet50 timm/convnext_tiny --device s24 --dtype int8",
    "zoometer compare timm/resnet50.a1_in1k timm/resnet50.tv_in1k --format json",
    "zoometer compare timm/resnet50 torchvision/swin_t --html c.html --xlsx c.xlsx",
    closing="Accuracy is that of the named weights, or of an architecture's default ones.",
)


@options.sharing(options.DEVICE_RUN)
def compare(
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help="zoo/arch, zoo/arch.weights, or */arch: in every zoo.")],
    size: Annotated[
        str, typer.Option("--input", metavar="SIZE", help="Compare at this size: 224, 384x512. Default: each at its own.")
    ] = "native",
    cache: options.Cache = None,
    config: options.ConfigFile = None,
    devices: options.DevicesFile = None,
    form: options.Form = "text",
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page of just these models.")] = None,
    xlsx: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a workbook of just these models.")] = None,
    **shared: Any,
) -> None:
    """Compare models side by side: accuracy and cost, with differences from the first one."""
    from reports.models.comparison import compare_models, comparison_record
    from reports.models.groups import expand_names
    from reports.models.model_lookup import look_up_models
    from reports.terminal.comparison_text import print_comparison

    workspace = open_workspace(cache, config)
    names = expand_names(list(dict.fromkeys(models)), workspace.cache, workspace.declared_zoos)
    if len(names) < 2:
        raise InputError(
            f"There is nothing to compare {names[0]} with. Name two models or more; one alone: zoometer show {names[0]}"
        )
    device_run = read_device_run(shared, devices, workspace.cache)
    with look_up_models(names, workspace.cache, workspace.declared_zoos, size, device_run) as lookup:
        compared = compare_models(lookup, size)
        print_answer(form, lambda console: print_comparison(console, compared), lambda: comparison_record(compared))
        _write_reports(lookup, {"html": html, "xlsx": xlsx}, shlex.join(["zoometer", "compare", *names]))


def _write_reports(lookup: ModelLookup, files: dict[str, Path | None], command: str) -> None:
    """Write the report of these models in each requested format."""
    from reports.api.rendering import write_report
    from reports.models.comparison import build_comparison_report

    requested = {form: path for form, path in files.items() if path is not None}
    if not requested:
        return
    report = dataclasses.replace(build_comparison_report(lookup), command=command)
    for form, path in requested.items():
        write_report(report, path, form)
        note(f"Wrote {path}")
