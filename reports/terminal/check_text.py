"""The check of a model against limits, in the terminal and for programs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.text import Text

from reports.columns.budget_columns import PEAK, WORKING
from reports.columns.format import value_text
from reports.selection.explanations import limit_text
from reports.selection.model_check import LimitCheck, ModelCheck


def check_record(check: ModelCheck) -> dict[str, Any]:
    """Everything, with exact figures."""
    counted = check.counted
    return {
        "model": counted.model,
        "input": counted.input,
        "batch": counted.batch,
        "status": counted.cost.status.value,
        "reason": counted.cost.reason,
        "assumption": check.note or None,
        "is_kept": check.is_met,
        "limits": [
            {
                "column": one.limit.column.key,
                "title": one.limit.title,
                "at_most": one.limit.bound,
                "value": one.value,
                "is_kept": one.is_met,
                "layers": [asdict(layer) for layer in one.layers],
            }
            for one in check.limits
        ],
    }


def print_checks(console: Console, checks: Iterable[ModelCheck]) -> None:
    """Each limit of each model with the model's figure, and the layers that cost most where it is exceeded."""
    for check in checks:
        counted = check.counted
        batch = f"  batch {counted.batch}" if counted.batch > 1 else ""
        console.print(Text.assemble((counted.model, "bold"), f"  {counted.input}{batch}"))
        for one in check.limits:
            _print_limit(console, one, check)
        for sentence in filter(None, (counted.cost.reason, check.note)):
            console.print(Text(f"! {sentence}", style="yellow"))


def _print_limit(console: Console, one: LimitCheck, check: ModelCheck) -> None:
    column, bound = one.limit.column, one.limit.bound
    mark = ("met     ", "green") if one.is_met else ("EXCEEDED", "red")
    has = "not known" if one.value is None else value_text(column, one.value)
    share = f", {one.value / bound:.0%} of it" if one.value is not None and bound else ""
    console.print(Text.assemble("  ", mark, f"  {limit_text(one.limit)}: it has {has}{share}"))
    if one.layers:
        console.print(f"            {_layers_title(one, check)}", style="dim")
    for layer in one.layers:
        value = value_text(column, layer.value)
        console.print(f"            {value:>12}  {layer.share:>4.0%}  {layer.module} ({layer.module_class})", soft_wrap=True)


def _layers_title(one: LimitCheck, check: ModelCheck) -> str:
    if one.limit.column in (PEAK, WORKING):
        return (
            f"reached in {check.counted.cost.peak_module or 'the model'}; the layers with the largest outputs, against the whole:"
        )
    return "the layers with the largest shares:"
