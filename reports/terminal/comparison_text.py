"""A comparison in the terminal: a column for each model, a row for each figure, and how it compares to the first model's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from reports.columns.column import Better, Column
from reports.columns.format import UNKNOWN, value_text
from reports.models.comparison import ComparedModel, Comparison, is_accuracy
from reports.terminal.console import new_table, print_title
from reports.terminal.latency_text import print_latencies

_LABEL_WIDTH, _MODEL_WIDTH, _CHANGE_WIDTH = 15, 20, 8
_STATUS_STYLES = {"exact": "dim", "bound": "yellow"}


def print_comparison(console: Console, comparison: Comparison) -> None:
    """As many models side by side as fit, each time beside the first; then what a reader should know."""
    first, *others = comparison.models
    fitting = max(1, (console.width - _LABEL_WIDTH) // _MODEL_WIDTH - 1)
    for start in range(0, len(others), fitting):
        _print_block(console, comparison, [first, *others[start : start + fitting]])
        console.print()
    console.print(Text(f"× and differences are against {first.name}; the best figure of a row is bold.", style="dim"))
    if device_run := comparison.device_run:
        print_title(console, "Latency", f"on {device_run.device.name}, {device_run.run.describe()}")
        print_latencies(console, [(model.name, model.latency) for model in comparison.models if model.latency], "Model")
    for note in dict.fromkeys(model.memory_note for model in comparison.models if model.memory_note):
        console.print(Text(f"! {note}", style="dim"))
    for model in comparison.models:
        if model.cost["reason"]:
            console.print(Text.assemble((f"{model.name}  ", "bold"), (str(model.cost["reason"]), "yellow")))
    if now := [model.name for model in comparison.models if model.is_counted_now]:
        console.print(Text(f"Counted now, because the cache does not have it, and not kept: {', '.join(now)}.", style="yellow"))


def _print_block(console: Console, comparison: Comparison, models: Sequence[ComparedModel]) -> None:
    """A column for the figures of each model, and another one for the changes of all but the first."""
    table = new_table()
    table.add_column("")
    widest = max(_MODEL_WIDTH, (console.width - _LABEL_WIDTH) // len(models)) - _CHANGE_WIDTH
    for index, model in enumerate(models):
        name = model.name if len(model.name) <= widest else model.name.replace("/", "/\n", 1).replace(".", "\n.", 1)
        table.add_column(Text(name), justify="right", header_style="bold", overflow="fold")
        if index:
            table.add_column("", justify="right", no_wrap=True)
    for title, cells, changes in _comparison_rows(comparison, models):
        table.add_row(title, cells[0], *(cell for pair in zip(cells[1:], changes, strict=True) for cell in pair))
    console.print(table)


def _comparison_rows(comparison: Comparison, models: Sequence[ComparedModel]) -> Iterator[tuple[str, list[Text], list[Text]]]:
    """The title of each row, a cell for each model, and the changes of all but the first."""
    unchanged = [Text()] * (len(models) - 1)
    yield "Input", [Text(model.cost["input"]) for model in models], unchanged
    for column in comparison.columns:
        changes = [_change_cell(column, comparison.change(model, column)) for model in models[1:]]
        yield column.title, [_figure_cell(comparison, model, column) for model in models], changes
    yield "Licence", [Text((model.weights and model.weights.license) or UNKNOWN) for model in models], unchanged
    statuses = [str(model.cost["status"]) for model in models]
    yield "Status", [Text(status, style=_STATUS_STYLES.get(status, "red")) for status in statuses], unchanged


def _figure_cell(comparison: Comparison, model: ComparedModel, column: Column) -> Text:
    value = model.figures[column.key]
    return Text(value_text(column, value), style="bold" if value is not None and value == comparison.best(column) else "")


def _change_cell(column: Column, change: float | None) -> Text:
    """A difference or a ratio: green for better than the first model, red for worse."""
    if change is None:
        return Text()
    text = f"{change:+.2f}" if is_accuracy(column) else f"×{change:.2f}" if change < 100 else f"×{change:.0f}"
    even = 0.0 if is_accuracy(column) else 1.0
    if column.better is Better.NEITHER or abs(change - even) < 0.005:
        return Text(text, style="dim")
    return Text(text, style="green" if (change > even) == (column.better is Better.HIGH) else "red")
