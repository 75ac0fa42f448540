"""`zoometer devices`: what is known of each device, and from which document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reports.cli.common import options
from reports.cli.common.help import examples
from reports.cli.common.output import note, print_answer

if TYPE_CHECKING:
    from rich.console import Console

    from zoo.devices.device import Device, Figure

EXAMPLES = examples(
    "zoometer devices                        all of them",
    "zoometer devices rtx-4090               one, with the source of each figure",
    "zoometer devices 'galaxy s24'           by the name people give it",
    "zoometer devices --kind phone           a group, or a kind of it: laptop-gpu",
    "zoometer devices --kind microcontroller --format json",
    "zoometer devices --devices mine.yaml    with those of your own",
    closing="""A device of your own, in mine.yaml; every figure is optional and has its unit:

   devices:
     my-board:
       source: data sheet DS-123, table 4
       memory: 2 GiB
       memory_bandwidth: 12.8 GB/s
       peak: {fp32_vector: 60 GFLOP/s, int8_tensor: 4 TOP/s}""",
)

# Of each column, the kinds of peak rates: the first that the data sheet has is shown.
_PEAKS = {
    "FP32": ("fp32_vector",),
    "FP16": ("fp16_tensor_fp32_acc", "fp16_tensor", "fp16_tensor_fp16_acc", "fp16_vector"),
    "INT8": ("int8_tensor_int32_acc", "int8_tensor", "int8_vector"),
}
_UNITS = {"bytes_per_s": "B/s", "bytes": "B", "hz": "Hz", "w": "W"}


def devices(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", autocompletion=options.complete_device, help="Only these, each in full with its sources."),
    ] = None,
    kind: Annotated[str | None, typer.Option(help="Only this group or kind: cloud GPU, Jetson, phone, CPU, ….")] = None,
    own: options.DevicesFile = None,
    form: options.Form = "text",
) -> None:
    """List the devices that are known, with peak rates, memory and the source of each figure."""
    from zoo.devices.data_sheets import read_devices, shipped_devices
    from zoo.devices.device_names import find_device
    from zoo.devices.kinds import find_kinds

    mine = read_devices(own) if own else {}
    known = {**shipped_devices(), **mine}
    chosen = [find_device(name, mine) for name in names or known]
    if kind:
        kinds = find_kinds(kind)
        chosen = [device for device in chosen if device.kind in kinds]
    print_answer(
        form,
        lambda console: (_print_in_full if names else _print_device_table)(console, chosen),
        lambda: [device_record(device) for device in chosen],
    )


def device_record(device: Device) -> dict[str, Any]:
    """A device for programs: the unit of every figure is in its name, peaks are in FLOP/s or operations a second."""
    words = {name: getattr(device, name) for name in ("id", "name", "kind", "architecture", "chip", "note")}
    clusters = [
        {"cores": one.cores, "clock_hz": one.clock_hz, "core": one.core, "source": one.source.title, "url": one.source.url}
        for one in device.clusters
    ]
    peaks = {name: _figure_record(figure) for name, figure in device.peak_per_s.items()}
    rest = {name: _figure_record(figure) for name, figure in device.figures() if name not in device.peak_per_s}
    return {**words, "aliases": list(device.aliases), "peak_per_s": peaks, **rest, "clusters": clusters}


def _figure_record(figure: Figure) -> dict[str, Any]:
    return {"value": figure.value, "source": figure.source.title, "url": figure.source.url}


def _format_figure(name: str, figure: Figure | None) -> str:
    """A figure in its unit, which its name says: `82.6 TFLOP/s`, `24.0 GiB`; a dash where it is not known."""
    from zoo.units import format_amount

    if figure is None:
        return "–"
    if name.endswith("_bytes"):  # capacities are powers of 1024
        power = next((p for p in (3, 2, 1) if figure.value >= 1024**p), 0)
        return f"{figure.value / 1024**power:.4g} {('', 'Ki', 'Mi', 'Gi')[power]}B"
    unit = next((unit for ending, unit in _UNITS.items() if name.endswith(f"_{ending}")), "")
    if name.partition("_")[0] in ("int8", "int4"):
        unit = "OP/s"
    elif name.split("_")[1:2] in (["vector"], ["tensor"]):
        unit = "FLOP/s"
    amount, prefixed = format_amount(figure.value, unit, digits=4).partition(" ")[::2]
    return f"{float(amount):g} {prefixed}".rstrip()


def _print_in_full(console: Console, chosen: Sequence[Device]) -> None:
    from rich.text import Text

    from reports.terminal.console import print_table

    for device in chosen:
        about = ", ".join(filter(None, (device.kind, device.architecture, device.chip)))
        console.print(Text.assemble((device.id, "bold"), f"  {device.name}  ", (about, "dim")))
        rows = [(name, _format_figure(name, figure), figure.source.title) for name, figure in device.figures()]
        for one in device.clusters:
            clock = f" at {one.clock_hz / 1e9:g} GHz" if one.clock_hz else ""
            rows.append(("cluster", f"{one.cores} x {one.core or 'cores'}{clock}", one.source.title))
        print_table(console, ("figure", "value", "source"), rows, right=("value",))
        for title, url in dict.fromkeys((figure.source.title, figure.source.url) for _, figure in device.figures()):
            if url:
                console.print(Text(f"{title}: {url}", style="dim"), soft_wrap=True)
        if device.note:
            console.print(Text(f"! {device.note}"))
        console.print()


def _print_device_table(console: Console, chosen: Sequence[Device]) -> None:
    from reports.terminal.console import print_table
    from zoo.devices.kinds import group_devices

    headers = ("device", *_PEAKS, "bandwidth", "memory", "name", "cache", "power")
    rows: list[tuple[str, ...]] = []
    for title, devices_of_group in group_devices(chosen).items():
        rows += [("", *[""] * (len(headers) - 1))] if rows else []
        rows += [(title, *[""] * (len(headers) - 1)), *map(_device_cells, devices_of_group)]
    print_table(console, headers, rows, right=[header for header in headers[1:] if header != "name"])
    note(
        "Peaks are dense; FP16 and INT8 are those of matrix units where there are any.\nThe source of each figure: zoometer devices NAME"
    )


def _device_cells(device: Device) -> tuple[str, ...]:
    peaks = [
        next(((name, device.peak_per_s[name]) for name in names if name in device.peak_per_s), ("", None))
        for names in _PEAKS.values()
    ]
    rest = ("memory_bandwidth_bytes_per_s", "memory_bytes", "cache_bytes", "power_w")
    *figures, cache, power = (_format_figure(name, figure) for name, figure in [*peaks, *((x, getattr(device, x)) for x in rest)])
    return f"  {device.id}", *figures, device.name, cache, power
