"""Latencies of single models in the terminal: a row each with its interval, and below how each is known."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from reports.columns.budget_columns import LATENCY, THROUGHPUT
from reports.columns.format import UNKNOWN, figure_text, value_text
from reports.models.model_latency import ModelLatency
from reports.terminal.console import print_table


def print_latencies(console: Console, latencies: Sequence[tuple[str, ModelLatency]], header: str) -> None:
    """A row for each latency under what it is of; what several share is printed once."""
    headers = [header, "Latency", "Nine in ten", "Images/s", "Which is"]
    rows = [
        [
            name,
            value_text(LATENCY, one.latency_ms),
            _interval_text(one),
            figure_text(THROUGHPUT, one.samples_per_s),
            one.kind or UNKNOWN,
        ]
        for name, one in latencies
    ]
    if any(one.kind for _, one in latencies):
        print_table(console, headers, rows, right=headers[1:4])
    for origin in dict.fromkeys(one.latency_from for _, one in latencies):
        names = [name for name, one in latencies if one.latency_from == origin]
        of_these = "" if len(names) == len(latencies) else f"{', '.join(names)}: "
        console.print(Text(f"  {of_these}{origin[0].upper()}{origin[1:].rstrip('.')}.", style="dim"))


def _interval_text(latency: ModelLatency) -> str:
    if latency.latency_high_ms is None:
        return UNKNOWN
    return f"{figure_text(LATENCY, latency.latency_low_ms)} – {value_text(LATENCY, latency.latency_high_ms)}"
