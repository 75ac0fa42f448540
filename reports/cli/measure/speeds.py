"""`zoometer speeds`: the measured speeds that the cache has, and those of others that are brought into it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from reports.cli.common import options
from reports.cli.common.help import VerbGroup, examples, verb_with
from reports.cli.common.opening import open_cache, open_workspace
from reports.cli.common.output import note, print_answer

if TYPE_CHECKING:
    import pandas as pd

    from zoo.measurement.speed_imports import Imported

app = typer.Typer(cls=VerbGroup, help="List the measured speeds of the cache; import those that others measured.")

_EXAMPLES_SHOWN = 3

IMPORT_EXAMPLES = examples(
    "zoometer speeds import speed-infer-amp-nhwc-pt240-cu124-rtx4090.csv",
    "zoometer speeds import mine.csv --device my-board --dtype fp16",
    "zoometer speeds import bench/*.csv --format json",
    closing="""timm's tables (benchmark-infer-*.csv, speed-infer-*.csv) are known by their
 columns; their name says device, dtype, layout and torch. A table of your own
 is a CSV with these columns; the model and one of the two speeds must be there:

   model           zoo/arch, or arch where one zoo alone has it
   latency_ms      of a step, in milliseconds
   samples_per_s   images a second
   batch           images in a step; left out: 1
   input           224, 384x512 or 3x224x224; left out: native
   device, dtype   in each row, or as --device and --dtype
   runtime, layout, compiled, variant, threads, spread_percent, source,
   measured_at     all optional""",
)
LIST_EXAMPLES = examples(
    "zoometer speeds list",
    "zoometer speeds list 'timm/resnet*' --device rtx-4090",
    "zoometer speeds list --device galaxy-s25 --only published",
    "zoometer speeds list --failed --format csv > speeds.csv",
    closing="""Published speeds, which come with zoometer, are listed of the models or the
 device that is named, and with --only published.""",
)


_Text = str | None


def import_files(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Tables of speeds, as CSV.")],
    device: Annotated[_Text, typer.Option(metavar="ID", help="Where a table does not say it.")] = None,
    dtype: Annotated[_Text, typer.Option(help="Likewise: float32, float16, bfloat16, amp.")] = None,
    runtime: Annotated[_Text, typer.Option(help="Likewise: torch-2.9.1, onnxruntime-1.20.")] = None,
    layout: Annotated[_Text, typer.Option(help="Likewise: nchw or nhwc.")] = None,
    compiled: Annotated[bool | None, typer.Option("--compiled/--eager", help="Likewise.")] = None,
    devices: options.DevicesFile = None,
    cache: options.Cache = None,
    config: options.ConfigFile = None,
    form: options.Form = "text",
) -> None:
    """Bring measured speeds into the cache. Says how many rows joined, and which did not and why."""
    from zoo.devices.data_sheets import read_devices, shipped_devices
    from zoo.devices.device_names import DeviceNames
    from zoo.measurement.speed_imports import import_speeds

    workspace = open_workspace(cache, config)
    own = workspace.devices_file(devices)
    known = DeviceNames({**shipped_devices(), **(read_devices(own) if own else {})}.values())
    stated = {"device": device, "runtime": runtime, "dtype": dtype, "layout": layout, "compiled": compiled}
    given = {column: value for column, value in stated.items() if value is not None}
    imports = import_speeds(workspace.cache, files, known, given)
    print_answer(form, lambda _: _echo_imports(imports), lambda: [_import_record(one) for one in imports])


def list_speeds(
    models: Annotated[list[str] | None, typer.Argument(metavar="[MODEL]...", help="Globs on zoo/arch. Default: all.")] = None,
    device: Annotated[_Text, typer.Option(metavar="ID", help="Only on this device.")] = None,
    only: Annotated[Literal["measured", "published"] | None, typer.Option(help="measured, or published: by others.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Also what could not be measured.")] = False,
    cache: options.Cache = None,
    config: options.ConfigFile = None,
    form: options.TableForm = "table",
) -> None:
    """List the newest measurement of each model and way of running it, and what others published."""
    from reports.cli.measure.measure_run import print_rows
    from reports.selection.speeds.published_speeds import as_speed_rows, published_by_architecture
    from zoo.devices.data_sheets import shipped_devices
    from zoo.devices.device_names import DeviceNames

    device = DeviceNames(shipped_devices().values()).exactly(device) or device if device else None
    rows: list[dict[Any, Any]] = []
    if only != "published":
        measured = _of_models(open_cache(cache, config).speeds(device, failed=failed), models).astype(object)
        rows = measured.where(measured.notna(), None).to_dict("records")
    published = _of_models(published_by_architecture(device), models)
    if only is None and not (models or device):
        note(f"{len(published):,} published speeds besides: name models or a device, or --only published.")
    with_published = only == "published" or (only is None and bool(models or device))
    print_rows(rows, form, as_speed_rows(published) if with_published else None)


def _of_models(speeds: pd.DataFrame, globs: list[str] | None) -> pd.DataFrame:
    """The rows of models whose zoo/arch matches one of the globs."""
    import fnmatch

    import numpy as np

    names = speeds["zoo"] + "/" + speeds["arch"]
    is_named = [not globs or any(fnmatch.fnmatchcase(name, glob) for glob in globs) for name in names]
    return speeds.loc[np.array(is_named, dtype=bool)]


def _import_record(imported: Imported) -> dict[str, Any]:
    unmatched = [{"model": one.name, "input": one.input, "reason": one.reason} for one in imported.unmatched]
    return {"file": imported.file, "added": imported.added, "known": imported.known, "unmatched": unmatched}


def _echo_imports(imports: Iterable[Imported]) -> None:
    for imported in imports:
        said = f"{imported.file}: {imported.added:,} rows added"
        if imported.known:
            said += f", {imported.known:,} were there already"
        typer.echo(f"{said}, {len(imported.unmatched):,} not used{':' if imported.unmatched else '.'}")
        reasons = Counter(_reason_kind(one.reason) for one in imported.unmatched)
        for reason, count in reasons.most_common():
            names = list(dict.fromkeys(one.name for one in imported.unmatched if _reason_kind(one.reason) == reason))
            more = f" and {len(names) - _EXAMPLES_SHOWN} more" if len(names) > _EXAMPLES_SHOWN else ""
            typer.echo(f"  {count:,}  {reason}: {', '.join(names[:_EXAMPLES_SHOWN])}{more}")


def _reason_kind(reason: str) -> str:
    """A reason without what differs from row to row."""
    return "no such architecture is known" if reason.startswith("no architecture ") else reason


app.command("import", cls=verb_with(IMPORT_EXAMPLES))(import_files)
app.command("list", cls=verb_with(LIST_EXAMPLES))(list_speeds)
