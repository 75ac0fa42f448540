"""One model in the terminal: what it costs at each size, how good its weights are, where it spends, and where each figure is from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from reports.columns.accuracy_columns import ACCURACY_COLUMNS
from reports.models.model_facts import ModelFacts, is_counted, known_metrics
from reports.terminal.console import print_table
from zoo.accuracy.snapshot import is_of_snapshot
from zoo.records import Accuracy, Variant, Weights
from zoo.units import format_amount, format_bytes

_BAR_WIDTH = 20
_UNKNOWN = "–"
_PLAIN_METRICS = {"top1": "top-1 %", "top5": "top-5 %"}  # of datasets that have no column of their own


def print_model(console: Console, facts: ModelFacts) -> None:
    """The whole page."""
    _print_head(console, facts)
    _print_costs(console, facts)
    _print_parts(console, facts)
    _print_weights(console, facts)
    _print_origins(console, facts)


def _print_head(console: Console, facts: ModelFacts) -> None:
    architecture = facts.architecture
    said = [architecture.task, f"family {architecture.family}" if architecture.family else "", f"made for {architecture.input}"]
    said.append(
        "no classifier" if architecture.classes == 0 else f"{architecture.classes:,} classes" if architecture.classes else ""
    )
    console.print(Text(facts.model, style="bold"))
    console.print(Text(" · ".join(part for part in said if part), style="dim"))
    if facts.is_counted_now:
        console.print("The cache has no cost of it at its own input: counted now, and not kept.", style="yellow")
    if architecture.note:
        console.print(Text(f"Note: {architecture.note}."))


def _print_costs(console: Console, facts: ModelFacts) -> None:
    """A row a cost; what differs from the model's own head, form and batch is named."""
    _print_title(console, "Cost", "of one forward pass")
    rows, reasons = [], []
    for row in facts.rows:
        name = str(row["input"]) + "".join(f", {part}" for part in _differences(facts, row))
        if not is_counted(row):
            reasons.append((name, str(row["reason"])))
            continue
        if row["reason"]:
            reasons.append((name, f"bound: {row['reason']}"))
        rows.append([name, *_cost_cells(row)])
    headers = ["Input", "MACs", "Params", "Activations", "Peak memory", "Weights", "FLOPs", "Status"]
    if rows:
        print_table(console, headers, rows, right=headers[1:-1])
    for name, reason in reasons:
        console.print(Text.assemble((f"  {name}  ", "bold"), (reason, "yellow")))


def _differences(facts: ModelFacts, row: Mapping[str, Any]) -> list[str]:
    """What sets a cost apart from the model's own: another head, form or batch."""
    parts = []
    if row["variant"] != Variant.BASE:
        parts.append(str(row["variant"]))
    elif row["classes"] != facts.native["classes"]:
        parts.append(f"{row['classes']:,} classes" if row["classes"] else "no classifier")
    if row["batch"] > 1:
        parts.append(f"batch {row['batch']}")
    return parts


def _cost_cells(row: Mapping[str, Any]) -> list[str]:
    return [
        format_amount(row["macs"]),
        format_amount(row["params"]),
        format_amount(row["activations"]),
        format_bytes(row["peak_activation_bytes"]),
        format_bytes(row["weight_bytes"]),
        format_amount(row["flops"]),
        str(row["status"]),
    ]


def _print_parts(console: Console, facts: ModelFacts) -> None:
    """Where the native cost is spent, by stage and by class of operation."""
    for by, title in (("stage", "Stages"), ("operation", "Operations")):
        parts = facts.breakdown[facts.breakdown["by"] == by] if len(facts.breakdown) else facts.breakdown
        if len(parts):
            _print_title(console, title, f"at {facts.native['input']}; traffic is bytes read and written, weights included")
            headers = [title[:-1], "MACs", "share", "Traffic", "share ", ""]
            print_table(console, headers, _part_rows(parts), right=headers[1:-1])


def _part_rows(parts: pd.DataFrame) -> list[list[str]]:
    """Each part with its share of MACs and of traffic, and a bar for the MACs."""
    macs, moved = max(1, int(parts["macs"].sum())), max(1, int(parts["bytes_moved"].sum()))
    largest = max(1, int(parts["macs"].max()))
    return [
        [
            part["part"],
            format_amount(part["macs"]),
            f"{part['macs'] / macs:.1%}",
            format_bytes(part["bytes_moved"]),
            f"{part['bytes_moved'] / moved:.1%}",
            "█" * round(part["macs"] / largest * _BAR_WIDTH),
        ]
        for part in parts.to_dict("records")
    ]


def _print_weights(console: Console, facts: ModelFacts) -> None:
    """A row a set of weights with its results at its own input, the default one first; a named one in full."""
    if not facts.weights:
        _print_title(console, "Weights", "the zoo has none for this architecture")
        return
    metrics = known_metrics(facts)
    if len(facts.weights) == 1:
        _print_one(console, facts, facts.weights[0], metrics)
        return
    _print_title(console, "Weights", f"{len(facts.weights)} sets, the default one first; results at the input they are for")
    headers = [
        "Weights",
        "Input",
        *map(metric_title, metrics[:2]),
        "Trained on",
        "Licence",
        "File",
        *map(metric_title, metrics[2:]),
    ]
    rows = []
    for w in facts.weights:
        results = [_number(facts.value_of(w, *metric)) for metric in metrics]
        file = format_bytes(w.file_bytes)
        rows.append(
            [w.tag or "(unnamed)", w.input, *results[:2], w.dataset or _UNKNOWN, w.license or _UNKNOWN, file, *results[2:]]
        )
    print_table(console, headers, rows, right=["File", *map(metric_title, metrics)])


def _print_one(console: Console, facts: ModelFacts, weights: Weights, metrics: Sequence[tuple[str, str]]) -> None:
    _print_title(console, "Weights", weights.tag or "the only set")
    described = {
        "Input": weights.input,
        "Trained on": weights.dataset,
        "Licence": weights.license,
        "File": format_bytes(weights.file_bytes) if weights.file_bytes else None,
        "Card": weights.source,
        "Recipe": weights.recipe,
    }
    for name, value in described.items():
        console.print(Text.assemble((f"  {name:<11}", "dim"), value or _UNKNOWN), soft_wrap=True)
    if not metrics:
        return
    _print_title(console, "Accuracy", "published results")
    inputs = list(dict.fromkeys([weights.input, *sorted({a.input for a in facts.accuracy})]))
    measured = [input for input in inputs if any(a.input == input for a in facts.accuracy)]
    rows = [[metric_title(m), *(_number(facts.value_of(weights, *m, input)) for input in measured)] for m in metrics]
    print_table(console, ["Result", *measured], rows, right=measured)


def metric_title(metric: tuple[str, str]) -> str:
    """`Top-1 %`, `ReaL top-1 %`, as the reports' columns have it."""
    for published in ACCURACY_COLUMNS:
        if (published.dataset, published.metric) == metric:
            return f"{published.column.title} {published.column.unit}".rstrip()
    dataset, name = metric
    return f"{dataset} {_PLAIN_METRICS.get(name, name)}"


def _number(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:.2f}"


def _print_origins(console: Console, facts: ModelFacts) -> None:
    """Where each figure comes from."""
    _print_title(console, "Where this comes from", "")
    table = Table.grid(padding=(0, 2, 0, 0))
    for name, text in origins(facts):
        table.add_row(Text(f"  {name}", style="dim"), Text(text, overflow="fold"))
    console.print(table)


def origins(facts: ModelFacts) -> list[tuple[str, str]]:
    """What kind of figure comes from where, and when it was had."""
    zoo = facts.architecture.zoo
    said = []
    if len(facts.costs):
        row = facts.native
        versions = f"{zoo} {row['library_version']}, torch {row['torch_version']}, counter {row['counter_version']}"
        said.append(("Cost", f"counted on torch's meta device with {versions}, {row['counted_at']:%Y-%m-%d}"))
        said.append(
            ("Again", f"zoometer count {facts.model}" if facts.architecture.declared is None else "zoometer run CONFIG --rebuild")
        )
    by_day: dict[str, set[str]] = {}
    for result in facts.accuracy:
        when, source = _origin(result)
        by_day.setdefault(when, set()).add(source)
    said += [("Accuracy", ", ".join(sorted(sources)) + (f"; {day}" if day else "")) for day, sources in sorted(by_day.items())]
    if facts.weights and not by_day:
        hint = " zoometer run CONFIG looks for newer tables of timm's." if zoo == "timm" else ""
        said.append(("Accuracy", f"none is known.{hint}"))
    if facts.weights:
        said.append(("Weights", f"the registry of {zoo}; nothing of them was downloaded"))
    return said


def _origin(result: Accuracy) -> tuple[str, str]:
    """Since when a result is known, and its source; the tables that come with zoometer are one."""
    day, name = result.retrieved_at[:10], result.source
    if is_of_snapshot(name):
        return f"of {day}", f"timm's result tables {name[name.rindex('(') :]}"
    return day and f"had on {day}", name


def _print_title(console: Console, title: str, note: str) -> None:
    console.print()
    console.print(Text.assemble((title, "bold"), (f"  {note}" if note else "", "dim")))
