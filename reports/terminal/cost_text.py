"""The cost of one model for the terminal and for programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.console import Console
from rich.text import Text

from reports.columns.format import UNKNOWN
from reports.columns.table_rows import records
from reports.terminal.console import print_table
from zoo.units import FLOPS_PER_MAC, format_amount, format_bytes

if TYPE_CHECKING:
    from zoo.api.count_by_name import Counted
    from zoo.counting.conventions import Convention
    from zoo.traces import Trace
    from zoo.training.training_cost import TrainingCost

_AMOUNTS = ("params", "macs", "flops", "activations", "elements_in", "elements_out", "forward_macs", "backward_macs")
_BYTES = ("bytes_in", "bytes_out", "saved_bytes")
_FIGURES = {*_AMOUNTS, *_BYTES, "calls"}
_TOTALS = ("reason", "macs", "flops", "params", "weight_bytes", "activations", "peak_activation_bytes", "peak_module")
_TRACE_COLUMNS = ("module", "operation", "shapes", "dtypes", "macs", "bytes_in", "bytes_out")
_CALL_COLUMNS = ("module", "operation", "shapes", "calls", "elements_out", "bytes_in", "bytes_out")


@dataclass(frozen=True, slots=True)
class View:
    """The selected part of a cost."""

    convention: Convention
    by: str  # module, operation or call
    depth: int
    digits: int
    as_tool: bool


def cost_table(counted: Counted, view: View) -> pd.DataFrame:
    """A row for each module, operation or call, with exact figures."""
    name = view.convention.name
    if counted.trace is not None:
        return counted.trace.to_frame()
    if counted.training is not None:
        return counted.training.by_module(view.depth)
    if view.by == "module":
        return counted.cost.by_module(view.depth, name)
    if view.by == "operation":
        return counted.cost.by_operation(name)
    frame = counted.cost.to_frame()[list(_CALL_COLUMNS)]
    frame.insert(3, view.convention.unit.lower(), [view.convention.weight(row) for row in counted.cost.rows])
    return frame


def joined_table(counted: Sequence[Counted], view: View) -> pd.DataFrame:
    """The tables of several inputs, one below the other."""
    tables = [cost_table(one, view) for one in counted]
    for one, table in zip(counted, tables, strict=True):
        table.insert(0, "input", one.input)
        table.insert(0, "model", one.model)
    return pd.concat(tables, ignore_index=True)


def cost_record(counted: Counted, view: View) -> dict[str, Any]:
    """Everything, with exact numbers and units in the names."""
    cost, trace, convention = counted.cost, counted.trace, view.convention
    traced = {}
    if trace is not None:  # `reads` and `writes` of a call are numbers of storages, in this order
        traced = {"precision": trace.precision, "layout": trace.layout, "storages": [s._asdict() for s in trace.storages]}
    return {
        "model": counted.model,
        "input": counted.input,
        "batch": counted.batch,
        "status": cost.status.value,
        **{name: getattr(cost, name) for name in _TOTALS},
        "convention": {
            "name": convention.name,
            "unit": convention.unit,
            "version": convention.version,
            "as_tool": view.as_tool,
            "total": cost.total(convention.name, as_tool=view.as_tool),
        },
        **traced,
        **({} if counted.training is None else {"training": training_record(counted.training)}),
        "rows": list(records(cost_table(counted, view))),
    }


def training_record(training: TrainingCost) -> dict[str, Any]:
    """A step of training, with exact numbers and units in the names."""
    return {
        "status": training.status.value,
        "reason": training.reason,
        "forward_macs": training.forward.macs,
        "backward_macs": training.backward.macs,
        "trainable_params": training.trainable_params,
        **{name: getattr(training, name) for name in ("weight_bytes", "input_bytes", "saved_bytes", "gradient_bytes")},
        "optimizers": {
            name: {"state_bytes": training.optimizer_state_bytes(name), "step_bytes": training.step_bytes(name)}
            for name in training.optimizers
        },
        "never_called": list(training.never_called),
    }


def print_costs(console: Console, counted: Iterable[Counted], view: View) -> None:
    """Of each model at each input the totals, then a table."""
    for one in counted:
        _print_cost(console, one, view)


def _print_cost(console: Console, counted: Counted, view: View) -> None:
    cost, convention, digits = counted.cost, view.convention, view.digits
    batch = f"  batch {counted.batch}" if counted.batch > 1 else ""
    console.print(Text.assemble((counted.model, "bold"), f"  {counted.input}{batch}", (f"  {cost.status}", "dim")))
    total = cost.total(convention.name, as_tool=view.as_tool)
    macs = total if convention.unit == "MACs" else total / FLOPS_PER_MAC
    flops = format_amount(FLOPS_PER_MAC * macs, "FLOPs", digits=digits, like=macs)
    module = f"in {cost.peak_module}; " if cost.peak_module else ""
    for name, value, note in (
        ("MACs", format_amount(macs, "MACs", digits=digits), f"convention {convention.name}, see below"),
        ("FLOPs", flops, "two for each MAC; an amount of work, not a rate"),
        ("Params", format_amount(cost.params, digits=digits), f"{format_bytes(cost.weight_bytes)} with buffers"),
        ("Activations", format_amount(cost.activations, digits=digits), "elements written by matrix products"),
        ("Peak memory", format_bytes(cost.peak_activation_bytes, digits=digits), f"{module}without input, weights and scratch inside kernels"),
    ):  # fmt: skip
        console.print(Text.assemble(f"  {name:<12}", (f"{value:>16}", "bold"), (f"   {note}", "dim")))
    if cost.reason:
        console.print(f"! {cost.reason}", style="yellow")
    if counted.training is not None:
        console.print("\n  A step of training", style="bold")
        for name, value in counted.training.summary(digits=digits).items():
            console.print(Text.assemble((f"  {name:<36}", "dim"), value))
    console.print()
    table = cost_table(counted, view)
    _print_rows(console, table if counted.trace is None else table[list(_TRACE_COLUMNS)], view)
    console.print()
    if counted.trace is not None:
        console.print(_trace_note(counted.trace), style="dim")
    console.print(f"{convention.name} counts {convention.meaning}.", style="dim")
    for defect in () if view.as_tool else convention.defects:
        console.print(f"{convention.version} itself can differ: {defect}.", style="dim")
    console.print()


def _trace_note(trace: Trace) -> str:
    peak = format_bytes(trace.peak_activation_bytes)
    return (
        f"Calls as on a GPU: precision {trace.precision}, layout {trace.layout}, batch {trace.batch}; peak memory {peak}. "
        "--format csv or json also has strides, arguments, and which memory a call reads and writes."
    )


def _print_rows(console: Console, table: pd.DataFrame, view: View) -> None:
    """The table with a column of shares behind the convention's totals."""
    columns: dict[str, list[str]] = {}
    for name in table.columns:
        columns[name.replace("_", " ")] = [_cost_cell(name, value, view.digits) for value in table[name]]
        if name == view.convention.unit.lower():
            whole = table[name].max() if view.by == "module" else table[name].sum()
            columns["%"] = [f"{100 * value / whole:.1f}" if whole else UNKNOWN for value in table[name]]
    right = [header for header in columns if header == "%" or header.replace(" ", "_") in _FIGURES]
    wraps = [header for header in columns if header not in right]
    print_table(console, list(columns), list(zip(*columns.values(), strict=True)), right=right, wraps=wraps)


def _cost_cell(name: str, value: Any, digits: int) -> str:
    if name in _AMOUNTS:
        return format_amount(value, digits=digits)
    if name in _BYTES:
        return format_bytes(value)
    return f"{value:,}" if name == "calls" else str(value) or "(all)"
