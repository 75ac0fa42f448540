"""`zoometer speeds`: the measured speeds that the cache has, and those of others that are brought into it."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reports.cli.common import options
from reports.cli.common.help import VerbGroup, examples, verb_with
from reports.cli.common.opening import open_cache, read_config
from reports.cli.common.output import TableFormat, TextFormat, note, print_json
from zoo.settings import DEFAULT_CACHE

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


class SpeedOrigin(StrEnum):
    """Where speeds come from."""

    MEASURED = "measured"
    PUBLISHED = "published"


_Text = str | None


def import_files(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Tables of speeds, as CSV.", show_default=False)],
    device: Annotated[_Text, typer.Option(metavar="ID", help="Where a table does not say it.")] = None,
    dtype: Annotated[_Text, typer.Option(help="Likewise: float32, float16, bfloat16, amp.")] = None,
    runtime: Annotated[_Text, typer.Option(help="Likewise: torch-2.9.1, onnxruntime-1.20.")] = None,
    layout: Annotated[_Text, typer.Option(help="Likewise: nchw or nhwc.")] = None,
    compiled: Annotated[bool | None, typer.Option("--compiled/--eager", help="Likewise.", show_default=False)] = None,
    devices: options.DevicesFile = None,
    cache: options.Cache = None,
    config: options.ConfigFile = None,
    form: options.Form = TextFormat.TEXT,
) -> None:
    """Bring measured speeds into the cache. Says how many rows joined, and which did not and why."""
    from zoo.devices.data_sheets import read_devices, shipped_devices
    from zoo.devices.device_names import DeviceNames
    from zoo.measurement.speed_imports import import_speeds

    loaded = read_config(config, cache) if config else None
    own = devices or (loaded.devices if loaded else None)
    known = DeviceNames({**shipped_devices(), **(read_devices(own) if own else {})}.values())
    stated = {"device": device, "runtime": runtime, "dtype": dtype, "layout": layout, "compiled": compiled}
    given = {column: value for column, value in stated.items() if value is not None}
    imported = import_speeds(loaded.cache if loaded else cache or DEFAULT_CACHE, files, known, given)
    if form is TextFormat.JSON:
        print_json([_record(one) for one in imported])
        return
    for one in imported:
        _print(one)


def list_speeds(
    models: Annotated[
        list[str] | None, typer.Argument(metavar="[MODEL]...", help="Globs on zoo/arch. Default: all.", show_default=False)
    ] = None,
    device: Annotated[_Text, typer.Option(metavar="ID", help="Only on this device.")] = None,
    only: Annotated[SpeedOrigin | None, typer.Option(help="measured, or published: by others.", show_default=False)] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Also what could not be measured.")] = False,
    cache: options.Cache = None,
    config: options.ConfigFile = None,
    form: options.TableForm = TableFormat.TABLE,
) -> None:
    """List the newest measurement of each model and way of running it, and what others published."""
    from reports.cli.measure.measure_run import print_rows
    from reports.selection.published_speeds import as_speed_rows, published_by_architecture
    from zoo.devices.data_sheets import shipped_devices
    from zoo.devices.device_names import DeviceNames

    device = DeviceNames(shipped_devices().values()).exactly(device) or device if device else None
    rows: list[dict[Any, Any]] = []
    if only is not SpeedOrigin.PUBLISHED:
        measured = _of_models(open_cache(cache, config).speeds(device, failed=failed), models).astype(object)
        rows = measured.where(measured.notna(), None).to_dict("records")
    published = _of_models(published_by_architecture(device), models)
    if only is None and not (models or device):
        note(f"{len(published):,} published speeds besides: name models or a device, or --only published.")
    is_wanted = only is SpeedOrigin.PUBLISHED or (only is None and bool(models or device))
    print_rows(rows, form.value, as_speed_rows(published) if is_wanted else None)


def _of_models(speeds: pd.DataFrame, globs: list[str] | None) -> pd.DataFrame:
    """The rows of models whose zoo/arch matches one of the globs."""
    import fnmatch

    import numpy as np

    names = speeds["zoo"] + "/" + speeds["arch"]
    wanted = [not globs or any(fnmatch.fnmatchcase(name, glob) for glob in globs) for name in names]
    return speeds.loc[np.array(wanted, dtype=bool)]


def _record(imported: Imported) -> dict[str, Any]:
    unmatched = [{"model": one.name, "input": one.input, "reason": one.reason} for one in imported.unmatched]
    return {"file": imported.file, "added": imported.added, "known": imported.known, "unmatched": unmatched}


def _print(imported: Imported) -> None:
    said = f"{imported.file}: {imported.added:,} rows added"
    if imported.known:
        said += f", {imported.known:,} were there already"
    typer.echo(f"{said}, {len(imported.unmatched):,} not used{':' if imported.unmatched else '.'}")
    reasons = Counter(_kind(one.reason) for one in imported.unmatched)
    for reason, count in reasons.most_common():
        names = list(dict.fromkeys(one.name for one in imported.unmatched if _kind(one.reason) == reason))
        more = f" and {len(names) - _EXAMPLES_SHOWN} more" if len(names) > _EXAMPLES_SHOWN else ""
        typer.echo(f"  {count:,}  {reason}: {', '.join(names[:_EXAMPLES_SHOWN])}{more}")


def _kind(reason: str) -> str:
    """A reason without what differs from row to row."""
    return "no such architecture is known" if reason.startswith("no architecture ") else reason


app.command("import", cls=verb_with(IMPORT_EXAMPLES))(import_files)
app.command("list", cls=verb_with(LIST_EXAMPLES))(list_speeds)
