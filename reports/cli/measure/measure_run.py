"""The settings of `zoometer measure` from its options, its progress on stderr, and tables of measured speeds."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

import pandas as pd
from rich.console import Console

from reports.cli.common.options import option_of
from reports.cli.common.output import print_csv, print_json
from reports.columns.table_rows import records
from reports.config.config import Config
from reports.config.measure_section import MeasureSection
from reports.config.workspace import Workspace
from reports.terminal.console import make_console, print_table
from zoo.cache.schema.tables import table_of
from zoo.cache.store import to_pandas
from zoo.devices.data_sheets import read_devices, shipped_devices
from zoo.errors import ConfigError, did_you_mean
from zoo.measurement.settings import MeasureListener, MeasureSettings
from zoo.settings import ZooSettings
from zoo.units import format_bytes, format_seconds

_SHOWN = ("half_width", "achieved_gflops_per_s", "share_of_peak", "spread", "peak_memory_bytes", "layout", "compiled")
_COLUMNS = ("model", "input", "batch", "latency", "±", "images/s", "GFLOP/s", "of peak", "spread", "memory", "device", "way")


@dataclasses.dataclass(frozen=True, slots=True)
class MeasureRequest:
    """The arguments and options of the command line."""

    targets: tuple[str, ...]
    options: Mapping[str, Any]  # keys of `MeasureSection`
    inputs: tuple[str, ...] = ()
    cache: str | None = None
    devices: Path | None = None
    rebuild: bool = False


def read_settings(request: MeasureRequest) -> MeasureSettings:
    """The settings of the configuration, changed by the options of the command line.

    Raises:
        ConfigError: if something is wrong; the message names the option or the line.
        DeviceError: if the file of devices cannot be read.
    """
    paths = [target for target in request.targets if target.endswith((".yaml", ".yml"))]
    if len(paths) > 1:
        raise ConfigError(f"'{paths[0]}' and '{paths[1]}' are two configurations; measure them one after another.")
    workspace = Workspace.open(paths[0] if paths else None, request.cache)
    config, globs = workspace.config, _globs_by_zoo([target for target in request.targets if target not in paths])
    section = MeasureSection.from_options(request.options, option_of, config.measure if config else None)
    own = workspace.devices_file(request.devices)
    devices = {**shipped_devices(), **(read_devices(own) if own else {})}
    zoos = _select_models(config, globs, request.inputs)
    return section.settings(workspace.cache, zoos, devices, rebuild=request.rebuild)


def _globs_by_zoo(targets: Iterable[str]) -> dict[str, tuple[str, ...]]:
    globs: dict[str, tuple[str, ...]] = {}
    for target in targets:
        zoo, slash, glob = target.partition("/")
        if not slash or ":" in target:
            raise ConfigError(
                f"'{target}' names no model of a zoo. Write zoo/architecture, such as timm/resnet50, or the file of a configuration; "
                "a model of your own is declared in one."
            )
        globs[zoo] = (*globs.get(zoo, ()), glob)
    return globs


def _select_models(
    config: Config | None, globs: Mapping[str, tuple[str, ...]], inputs: tuple[str, ...]
) -> dict[str, ZooSettings]:
    """Which architectures of which zoo, at which inputs."""
    zoos = config.refresh_settings().zoos if config else {name: ZooSettings() for name in globs}
    for name in globs:
        if name not in zoos:
            raise ConfigError(f"The configuration has no zoo '{name}'.{did_you_mean(name, zoos)}")
    for name in globs or zoos:
        selection = dataclasses.replace(zoos[name].selection, include=globs[name]) if globs else zoos[name].selection
        at_inputs: dict[str, Any] = {"inputs": inputs, "inputs_for": ()} if inputs else {}
        zoos[name] = dataclasses.replace(zoos[name], selection=selection, **at_inputs)
    return {name: zoos[name] for name in zoos if name in globs or not globs}


class Progress(MeasureListener):
    """Prints a line for each measurement on stderr."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._to_measure = self._done = 0

    def planned(self, total: int, to_measure: int, expected_s: float, most_s: float) -> None:
        self._to_measure = to_measure
        takes = f"; about {format_seconds(expected_s)}, at most {format_seconds(most_s)}" if to_measure else ""
        self.notify(f"{total:,} measurements, {total - to_measure:,} in the cache, {to_measure:,} to make{takes}")

    def measured(self, row: Mapping[Any, Any], left_s: float) -> None:
        self._done += 1
        name = f"{row['zoo']}/{row['arch']} {row['input']}, batch {row['batch']}, {_run_text(row)}"
        left = f"; {format_seconds(left_s)} left" if self._done < self._to_measure and left_s else ""
        self.notify(f"{self._done:,} of {max(self._done, self._to_measure):,}  {name}: {_result_text(row)}{left}")

    def notify(self, message: str) -> None:
        print(f"{datetime.now():%H:%M:%S}  {message}", file=self._stream, flush=True)


def print_rows(rows: Sequence[Mapping[Any, Any]], form: str, published: pd.DataFrame | None = None) -> None:
    """Rows of the table `speed`, as `table`, `json` or `csv`; then published ones, as `reports.selection.speeds.published_speeds` gives them."""
    frame = to_pandas(table_of("speed", rows))
    for name in ("measured_at", "added_at"):
        frame[name] = frame[name].dt.strftime("%Y-%m-%dT%H:%M:%S%z").astype("string")
    if published is not None and form != "table":
        frame = pd.concat([frame.astype(object), published.astype(object)], ignore_index=True) if len(published) else frame
    if form == "json":
        print_json([_speed_record(row) for row in records(frame)])
    elif form == "csv":
        print_csv(frame)
    else:
        console = make_console()
        shown = list(records(frame))
        print_table(console, _COLUMNS, [_speed_cells(row) for row in shown], right=_COLUMNS[2:-2])
        for row in shown:
            if row["reason"]:
                console.print(f"! {row['zoo']}/{row['arch']} {row['input']}, batch {row['batch']}: {row['reason']}", markup=False)
        if published is not None and len(published):
            _print_published(console, published)


def _print_published(console: Console, published: pd.DataFrame) -> None:
    columns = ("model", "input", "batch", "published latency", "images/s", "device", "way", "source")
    cells = []
    for row in records(published):
        model, input, batch, latency, _, rate, *_, device, _ = _speed_cells({name: row.get(name) for name in _SHOWN} | row)
        cells.append((model, input, batch, latency, rate, device, row["way"], row["source"]))
    print_table(console, columns, cells, right=columns[2:5])


def _speed_record(row: dict[str, Any]) -> dict[str, Any]:
    """A row for programs, its environment as a mapping instead of JSON text."""
    return row | {"environment": json.loads(row["environment"]) if row["environment"] else None}


def _speed_cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    def cell(name: str, form: str) -> str:
        value = row[name]
        return "–" if value is None else format(value, form)

    return (
        f"{row['zoo']}/{row['arch']}",
        row["input"] if row["variant"] == "base" else f"{row['input']} {row['variant']}",
        str(row["batch"]),
        f"{row['latency_ms']:.4g} ms" if row["latency_ms"] is not None else row["status"],
        cell("half_width", ".1%"),
        _format_rate(row["samples_per_s"]),
        _format_rate(row["achieved_gflops_per_s"]),
        cell("share_of_peak", ".0%"),
        cell("spread", ".1%"),
        format_bytes(row["peak_memory_bytes"]),
        row["device"],
        _run_text(row),
    )


def _format_rate(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _run_text(row: Mapping[Any, Any]) -> str:
    words = [row["runtime"], row["dtype"], row["layout"]]
    words.append(None if row["compiled"] is None else "compiled" if row["compiled"] else "eager")
    words.append(None if row["threads"] is None else f"{row['threads']} thread{'s' if row['threads'] > 1 else ''}")
    return ", ".join(word for word in words if word)


def _result_text(row: Mapping[Any, Any]) -> str:
    if row["status"] == "failed":
        return f"failed: {row['reason']}"
    known = "" if row["half_width"] is None else f" ±{row['half_width']:.1%}"
    rate = "" if row["achieved_gflops_per_s"] is None else f", {_format_rate(row['achieved_gflops_per_s'])} GFLOP/s"
    share = "" if row["share_of_peak"] is None else f" ({row['share_of_peak']:.0%} of the peak)"
    return f"{row['latency_ms']:.4g} ms{known}, {_format_rate(row['samples_per_s'])} images/s{rate}{share}"
