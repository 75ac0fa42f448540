"""The estimate of one model in the terminal and for programs."""

from __future__ import annotations

import json

from rich.console import Console
from rich.text import Text

from reports.selection.speed_estimates import ModelEstimate
from reports.terminal.console import print_table

_DIGITS = 3


def print_estimate(console: Console, found: ModelEstimate, most: int) -> None:
    """The latency with its interval, what it is made of, and the layers that take longest."""
    console.print(Text(f"{found.model} at {found.input} on {found.device.name}", style="bold"))
    console.print(Text(found.run.describe(), style="dim"))
    if found.latency_ms is None:
        console.print(Text(f"{found.latency_from[0].upper()}{found.latency_from[1:]}.", style="yellow"))
        return
    console.print(
        f"\n{_ms(found.latency_ms)} a step, {_ms(found.latency_low_ms)} to {_ms(found.latency_high_ms)} nine times in ten; "
        f"{found.samples_per_s:,.0f} images/s"
    )
    shares = ", ".join(f"{name} {share:.0%}" for name, share in found.shares.items())
    console.print(Text(f"{found.latency_from[0].upper()}{found.latency_from[1:]}. Of the time: {shares}.", style="dim"))
    slowest = found.layers[found.layers["time_ms"] > 0].sort_values("time_ms", ascending=False, kind="stable").head(most)
    if len(slowest):
        console.print(Text(f"\nThe slowest {len(slowest)} of {len(found.layers)} layers, by themselves", style="bold"))
        rows = [
            [
                str(row["module"]) or "(model)",
                str(row["operation"]),
                f"{row['time_ms']:.{_DIGITS}f}",
                f"{row['share']:.1%}",
                str(row["bound"]),
            ]
            for row in slowest.to_dict("records")
        ]
        print_table(console, ("module", "operation", "ms", "share", "bound by"), rows, right=("ms", "share"))


def as_json(found: ModelEstimate) -> str:
    """Everything, with units in the names."""
    record = {
        "model": found.model,
        "input": found.input,
        "device": found.device.id,
        "dtype": found.run.precision.dtype,
        "layout": found.run.layout,
        "compiled": found.run.compiled,
        "batch": found.run.batch,
        "latency_ms": found.latency_ms,
        "latency_low_ms": found.latency_low_ms,
        "latency_high_ms": found.latency_high_ms,
        "samples_per_s": found.samples_per_s,
        "latency_from": found.latency_from,
        "shares": found.shares,
        "layers": found.layers.to_dict("records"),
    }
    return json.dumps(record, indent=2) + "\n"


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:,.2f} ms"
