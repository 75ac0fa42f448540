"""One model in the terminal: its cost at each size, where it is spent, its weights with their accuracy, and the origin of each figure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from reports.columns.accuracy_columns import ACCURACY_COLUMNS
from reports.columns.budget_columns import LATENCY
from reports.columns.format import UNKNOWN, value_text
from reports.columns.leaderboard_columns import TRAINING
from reports.columns.table_rows import records
from reports.models.model_details import ModelDetails, known_metrics
from reports.models.model_latency import DeviceRun
from reports.models.run_memory import MEMORY_COLUMNS
from reports.terminal.console import print_table, print_title
from reports.terminal.latency_text import print_latencies
from zoo.accuracy.snapshot import is_of_snapshot
from zoo.records import Accuracy, Status, Variant, Weights
from zoo.units import format_amount, format_bytes

_BAR_WIDTH = 20
_MOST_SPEEDS = 20
_PLAIN_METRICS = {"top1": "top-1 %", "top5": "top-5 %"}  # of datasets that have no column of their own


def print_model(console: Console, details: ModelDetails) -> None:
    """Print all details of a model."""
    _print_head(console, details)
    _print_costs(console, details)
    _print_training(console, details)
    _print_breakdown(console, details)
    _print_weights(console, details)
    if details.device_run:
        print_title(console, "Latency", f"on {details.device_run.device.name}, {details.device_run.run.describe()}")
        print_latencies(console, [(latency.input, latency) for latency in details.latencies], "Input")
        _print_memory(console, details, details.device_run)
    else:
        _print_speeds(console, details)
    _print_origins(console, details)


def _print_head(console: Console, details: ModelDetails) -> None:
    architecture = details.architecture
    classes = "no classifier" if architecture.classes == 0 else f"{architecture.classes or 0:,} classes"
    family = [f"family {architecture.family}"] if architecture.family else []
    described = [architecture.task, *family, f"made for {architecture.input}"]
    described += [] if architecture.classes is None else [classes]
    console.print(Text(details.model, style="bold"))
    console.print(Text(" · ".join(described), style="dim"))
    if details.is_counted_now:
        console.print("The cache has no cost of it at its own input: counted now, and not kept.", style="yellow")
    if architecture.note:
        console.print(Text(f"Note: {architecture.note}."))


def _print_costs(console: Console, details: ModelDetails) -> None:
    """A row for each cost, and below it why some are only bounds or failed."""
    print_title(console, "Cost", "of one forward pass")
    rows, reasons = [], []
    for row in details.rows:
        name = _cost_name(details, row)
        if row["status"] != Status.FAILED:
            amounts = [format_amount(row[key]) for key in ("macs", "params", "activations")]
            sizes = [format_bytes(row[key]) for key in ("peak_activation_bytes", "weight_bytes")]
            rows.append([name, *amounts, *sizes, format_amount(row["flops"]), str(row["status"])])
        if row["reason"]:
            reasons.append((name, f"{'' if row['status'] == Status.FAILED else 'bound: '}{row['reason']}"))
    headers = ["Input", "MACs", "Params", "Activations", "Peak memory", "Weights", "FLOPs", "Status"]
    if rows:
        print_table(console, headers, rows, right=headers[1:-1])
    for name, reason in reasons:
        console.print(Text.assemble((f"  {name}  ", "bold"), (reason, "yellow")))


def _print_training(console: Console, details: ModelDetails) -> None:
    """A row for each cost beside which a step of training was counted."""
    rows = [row for row in details.rows if row["training_status"] is not None]
    if not rows:
        return
    print_title(
        console, "Training", "one step of the batch; the memory of a step has weights, input, gradients and the optimiser's state"
    )
    columns = [c for c in TRAINING if c.key.endswith(("_macs", "_bytes"))]
    headers = ["Input", *(c.title for c in columns)]
    cells = [
        [_cost_name(details, row), *((format_bytes if c.key.endswith("_bytes") else format_amount)(row[c.key]) for c in columns)]
        for row in rows
        if row["training_status"] != Status.FAILED
    ]
    if cells:
        print_table(console, headers, cells, right=headers[1:])
    for row in rows:
        if row["training_reason"]:
            console.print(Text.assemble((f"  {row['input']}  ", "bold"), (str(row["training_reason"]), "yellow")))


def _cost_name(details: ModelDetails, row: Mapping[str, Any]) -> str:
    """`3x224x224, no classifier, batch 8`: the input, and everything that differs from the model's own cost."""
    words = [str(row["input"])]
    if row["variant"] != Variant.BASE:
        words.append(str(row["variant"]))
    elif row["classes"] != details.native["classes"]:
        words.append(f"{row['classes']:,} classes" if row["classes"] else "no classifier")
    return ", ".join([*words, *([f"batch {row['batch']}"] if row["batch"] > 1 else [])])


def _print_breakdown(console: Console, details: ModelDetails) -> None:
    """The native cost by stage and by class of operation."""
    for by, title in (("stage", "Stages"), ("operation", "Operations")):
        parts = details.breakdown[details.breakdown["by"] == by]
        if len(parts):
            print_title(console, title, f"at {details.native['input']}; traffic is bytes read and written, weights included")
            headers = [title[:-1], "MACs", "share", "Traffic", "share ", ""]
            print_table(console, headers, _part_rows(parts), right=headers[1:-1])


def _part_rows(parts: pd.DataFrame) -> list[list[str]]:
    """Each part with its shares of MACs and traffic, and a bar for the MACs."""
    macs, moved, largest = (max(1, int(n)) for n in (parts["macs"].sum(), parts["bytes_moved"].sum(), parts["macs"].max()))
    rows = []
    for part in parts.to_dict("records"):
        share, traffic_share = part["macs"] / macs, part["bytes_moved"] / moved
        bar = "█" * round(part["macs"] / largest * _BAR_WIDTH)
        amounts = [format_amount(part["macs"]), f"{share:.1%}", format_bytes(part["bytes_moved"]), f"{traffic_share:.1%}"]
        rows.append([part["part"], *amounts, bar])
    return rows


def _print_weights(console: Console, details: ModelDetails) -> None:
    """A row for each set of weights with its results at its own input; a single set in full."""
    metrics = known_metrics(details)
    if not details.weights:
        print_title(console, "Weights", "the zoo has none for this architecture")
    elif len(details.weights) == 1:
        _print_single_weights(console, details, details.weights[0], metrics)
    else:
        print_title(console, "Weights", f"{len(details.weights)} sets, the default one first; results at the input they are for")
        titles = list(map(metric_title, metrics))
        rows = []
        for w in details.weights:
            results = [_percent_text(details.accuracy_of(w, metric)) for metric in metrics]
            described = [w.dataset or UNKNOWN, w.license or UNKNOWN, format_bytes(w.file_bytes)]
            rows.append([w.tag or "(unnamed)", w.input, *results[:2], *described, *results[2:]])
        headers = ["Weights", "Input", *titles[:2], "Trained on", "Licence", "File", *titles[2:]]
        print_table(console, headers, rows, right=["File", *titles])


def _print_single_weights(console: Console, details: ModelDetails, weights: Weights, metrics: Sequence[tuple[str, str]]) -> None:
    print_title(console, "Weights", weights.tag or "the only set")
    described = {
        "Input": weights.input,
        "Trained on": weights.dataset,
        "Licence": weights.license,
        "File": format_bytes(weights.file_bytes) if weights.file_bytes else None,
        "Card": weights.source,
        "Recipe": weights.recipe,
    }
    for name, value in described.items():
        console.print(Text.assemble((f"  {name:<11}", "dim"), value or UNKNOWN), soft_wrap=True)
    if metrics:
        print_title(console, "Accuracy", "published results")
        evaluated = {a.input for a in details.accuracy}
        inputs = sorted(evaluated, key=lambda input: (input != weights.input, input))
        rows = [[metric_title(m), *(_percent_text(details.accuracy_of(weights, m, input)) for input in inputs)] for m in metrics]
        print_table(console, ["Result", *inputs], rows, right=inputs)


def _print_memory(console: Console, details: ModelDetails, device_run: DeviceRun) -> None:
    """At each input, at the dtype and batch of the run configuration."""
    print_title(console, "Memory", f"in {device_run.run.precision.dtype}, batch {device_run.run.batch}")
    headers = ["Input", *(column.title for column in MEMORY_COLUMNS)]
    rows = [
        [_cost_name(details, row), *(value_text(one, row[one.key]) for one in MEMORY_COLUMNS)]
        for row in records(details.memory.assign(batch=1))
    ]
    print_table(console, headers, rows, right=headers[1:])
    if details.memory_note:
        console.print(Text(f"  {details.memory_note}", style="dim"))


def _print_speeds(console: Console, details: ModelDetails) -> None:
    """On each device the fastest run configuration at batch 1 in each dtype, measured before published."""
    rows = details.speeds[details.speeds["batch"] == 1]
    fastest = rows.drop_duplicates(["input", "variant", "device", "dtype", "status"])
    if fastest.empty:
        return
    print_title(console, "Speed", "at batch 1, the fastest way of running in each dtype; estimates: --device NAME")
    cells = [
        [str(row["device"]), str(row["input"]), value_text(LATENCY, row["latency_ms"]), str(row["status"]), _run_text(row)]
        for row in fastest.head(_MOST_SPEEDS).to_dict("records")
    ]
    print_table(console, ["Device", "Input", "Latency", "Which is", "Way"], cells, right=["Latency"])
    if len(fastest) > _MOST_SPEEDS:
        name = f"{details.architecture.zoo}/{details.architecture.name}"
        console.print(f"  and {len(fastest) - _MOST_SPEEDS:,} more: zoometer speeds list {name}", style="dim")


def _run_text(row: Mapping[Any, Any]) -> str:
    if isinstance(row["way"], str):
        return row["way"]
    return ", ".join(str(row[name]) for name in ("runtime", "dtype", "layout") if isinstance(row[name], str))


def metric_title(metric: tuple[str, str]) -> str:
    """`Top-1 %`, `ReaL top-1 %`, as the reports' columns have it."""
    for published in ACCURACY_COLUMNS:
        if (published.dataset, published.metric) == metric:
            return f"{published.column.title} {published.column.unit}".rstrip()
    dataset, name = metric
    return f"{dataset} {_PLAIN_METRICS.get(name, name)}"


def _percent_text(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.2f}"


def _print_origins(console: Console, details: ModelDetails) -> None:
    print_title(console, "Where this comes from")
    table = Table.grid(padding=(0, 2, 0, 0))
    for name, text in _figure_origins(details):
        table.add_row(Text(f"  {name}", style="dim"), Text(text, overflow="fold"))
    console.print(table)


def _figure_origins(details: ModelDetails) -> Iterator[tuple[str, str]]:
    """The origin of each kind of figure, with its date."""
    zoo = details.architecture.zoo
    if details.rows:
        row = details.native
        versions = f"{zoo} {row['library_version']}, torch {row['torch_version']}, counter {row['counter_version']}"
        yield "Cost", f"counted on torch's meta device with {versions}, {row['counted_at']:%Y-%m-%d}"
        is_declared = details.architecture.declared is not None
        yield "Again", "zoometer run CONFIG --rebuild" if is_declared else f"zoometer count {details.model}"
    by_day: dict[str, set[str]] = {}
    for result in details.accuracy:
        when, source = _accuracy_origin(result)
        by_day.setdefault(when, set()).add(source)
    for day, sources in sorted(by_day.items()):
        yield "Accuracy", ", ".join(sorted(sources)) + (f"; {day}" if day else "")
    if details.weights and not by_day:
        hint = " zoometer run CONFIG looks for newer tables of timm's." if zoo == "timm" else ""
        yield "Accuracy", f"none is known.{hint}"
    if details.weights:
        yield "Weights", f"the registry of {zoo}; nothing of them was downloaded"


def _accuracy_origin(result: Accuracy) -> tuple[str, str]:
    """The date of a result, and its source; the tables that come with zoometer are one source."""
    day, name = result.retrieved_at[:10], result.source
    if is_of_snapshot(name):
        return f"of {day}", f"timm's result tables {name[name.rindex('(') :]}"
    return day and f"had on {day}", name
