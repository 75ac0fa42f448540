"""A comparison in the terminal: a column a model, a row a figure, and how it stands to the first model's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from reports.columns.column import Better, Column
from reports.columns.format import value_text
from reports.models.comparison import Compared, Comparison, is_accuracy
from reports.terminal.console import new_table

_LABEL_WIDTH, _MODEL_WIDTH, _CHANGE_WIDTH = 15, 20, 8
_UNKNOWN = "–"


def print_comparison(console: Console, comparison: Comparison) -> None:
    """As many models side by side as fit, the first in every block; then what a reader should know."""
    first, *others = comparison.models
    fitting = max(1, (console.width - _LABEL_WIDTH) // _MODEL_WIDTH - 1)
    for start in range(0, len(others), fitting):
        _print_block(console, comparison, [first, *others[start : start + fitting]])
        console.print()
    console.print(Text(f"× and differences are against {first.name}; the best figure of a row is bold.", style="dim"))
    for model in comparison.models:
        if model.cost["reason"]:
            console.print(Text.assemble((f"{model.name}  ", "bold"), (str(model.cost["reason"]), "yellow")))
    if now := [model.name for model in comparison.models if model.is_counted_now]:
        console.print(Text(f"Counted now, because the cache does not have it, and not kept: {', '.join(now)}.", style="yellow"))


def _print_block(console: Console, comparison: Comparison, models: Sequence[Compared]) -> None:
    """A column for the figures of each model, and beside all but the first one for how they stand to it."""
    table = new_table()
    table.add_column("")
    widest = max(_MODEL_WIDTH, (console.width - _LABEL_WIDTH) // len(models)) - _CHANGE_WIDTH
    for index, model in enumerate(models):
        table.add_column(Text(_heading(model.name, widest)), justify="right", header_style="bold", overflow="fold")
        if index:
            table.add_column("", justify="right", no_wrap=True)
    for title, figures, changes in _rows(comparison, models):
        first, *others = figures
        table.add_row(title, first, *(cell for pair in zip(others, changes[1:], strict=True) for cell in pair))
    console.print(table)


def _rows(comparison: Comparison, models: Sequence[Compared]) -> Iterator[tuple[str, list[Text], list[Text]]]:
    """Title of each row, what it says of each model, and how that stands to the first one."""
    nothing = [Text()] * len(models)
    yield "Input", [Text(model.input) for model in models], nothing
    for column in comparison.columns:
        figures = [_figure(comparison, model, column) for model in models]
        yield column.title, figures, [_change(comparison, model, column) for model in models]
    yield "Licence", [Text((model.weights and model.weights.license) or _UNKNOWN) for model in models], nothing
    yield "Status", [Text(str(model.cost["status"]), style=_status_style(model)) for model in models], nothing


def _heading(name: str, width: int) -> str:
    """A name on one line where it fits, else broken where its parts join."""
    return name if len(name) <= width else name.replace("/", "/\n", 1).replace(".", "\n.", 1)


def _figure(comparison: Comparison, model: Compared, column: Column) -> Text:
    value = model.figures[column.key]
    return Text(value_text(column, value), style="bold" if value is not None and value == comparison.best(column) else "")


def _change(comparison: Comparison, model: Compared, column: Column) -> Text:
    change = comparison.change(model, column)
    return Text(_change_text(column, change), style=_change_style(column, change))


def _change_text(column: Column, change: float | None) -> str:
    if change is None:
        return ""
    if is_accuracy(column):
        return f"{change:+.2f}"
    return f"×{change:.2f}" if change < 100 else f"×{change:.0f}"


def _change_style(column: Column, change: float | None) -> str:
    """Green for better than the first model, red for worse."""
    even = 0.0 if is_accuracy(column) else 1.0
    if change is None or column.better is Better.NEITHER or abs(change - even) < 0.005:
        return "dim"
    return "green" if (change > even) == (column.better is Better.HIGH) else "red"


def _status_style(model: Compared) -> str:
    return {"exact": "dim", "bound": "yellow"}.get(str(model.cost["status"]), "red")
