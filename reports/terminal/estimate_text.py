"""The estimate of one model in the terminal and for programs."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from reports.columns.budget_columns import LATENCY, THROUGHPUT
from reports.columns.format import figure_text, value_text
from reports.selection.speeds.model_estimate import ModelEstimate
from reports.terminal.console import print_table, print_title

_FIGURES = ("latency_ms", "latency_low_ms", "latency_high_ms", "samples_per_s", "latency_from", "shares")


def print_estimate(console: Console, estimate: ModelEstimate, most: int) -> None:
    """The latency with its interval and its shares, and the `most` slowest layers."""
    origin = f"{estimate.latency_from[0].upper()}{estimate.latency_from[1:]}."
    console.print(Text(f"{estimate.model} at {estimate.input} on {estimate.device.name}", style="bold"))
    console.print(Text(estimate.run.describe(), style="dim"))
    if estimate.latency_ms is None:
        console.print(Text(origin, style="yellow"))
        return
    console.print(
        f"\n{value_text(LATENCY, estimate.latency_ms)} a step, {value_text(LATENCY, estimate.latency_low_ms)} to "
        f"{value_text(LATENCY, estimate.latency_high_ms)} nine times in ten; "
        f"{figure_text(THROUGHPUT, estimate.samples_per_s)} images/s"
    )
    shares = ", ".join(f"{name} {share:.0%}" for name, share in estimate.shares.items())
    console.print(Text(f"{origin} Of the time: {shares}.", style="dim"))
    layers = estimate.layers
    slowest = layers[layers["time_ms"] > 0].sort_values("time_ms", ascending=False, kind="stable").head(most)
    if len(slowest):
        print_title(console, f"The slowest {len(slowest)} of {len(layers)} layers, by themselves")
        rows = [
            [row["module"] or "(model)", row["operation"], f"{row['time_ms']:.3f}", f"{row['share']:.1%}", row["bound"]]
            for row in slowest.to_dict("records")
        ]
        print_table(console, ("module", "operation", "ms", "share", "bound by"), rows, right=("ms", "share"))


def estimate_record(estimate: ModelEstimate) -> dict[str, Any]:
    """Everything, with units in the names."""
    run = estimate.run.columns()
    return {
        "model": estimate.model,
        "input": estimate.input,
        "device": estimate.device.id,
        **{name: run[name] for name in ("runtime", "dtype", "layout", "compiled", "batch")},
        **{name: getattr(estimate, name) for name in _FIGURES},
        "layers": estimate.layers.to_dict("records"),
    }
