"""The cost of one model for the terminal and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.console import Console
from rich.text import Text

from reports.terminal.console import new_table
from zoo.units import FLOPS_PER_MAC, format_amount, format_bytes

if TYPE_CHECKING:
    from zoo.api.named import Counted
    from zoo.counting.conventions import Convention
    from zoo.traces import Trace

_AMOUNTS = ("params", "macs", "flops", "activations", "elements_in", "elements_out")
_BYTES = ("bytes_in", "bytes_out")
_TRACE_COLUMNS = ("module", "operation", "shapes", "dtypes", "macs", "bytes_in", "bytes_out")
_CALL_COLUMNS = ("module", "operation", "shapes", "calls", "elements_out", "bytes_in", "bytes_out")


@dataclass(frozen=True, slots=True)
class View:
    """What of a cost is shown."""

    convention: Convention
    by: str  # module, operation or call
    depth: int
    digits: int
    as_tool: bool


def table(counted: Counted, view: View) -> pd.DataFrame:
    """The rows asked for, with exact figures."""
    name = view.convention.name
    if counted.trace is not None:
        return counted.trace.to_frame()
    if view.by == "module":
        return counted.cost.by_module(view.depth, name)
    if view.by == "operation":
        return counted.cost.by_operation(name)
    frame = counted.cost.to_frame()
    weights = [view.convention.weight(row) for row in counted.cost.rows]
    frame = frame[list(_CALL_COLUMNS)]
    frame.insert(3, view.convention.unit.lower(), weights)
    return frame


def joined_table(counted: Sequence[Counted], view: View) -> pd.DataFrame:
    """The tables of several inputs under each other."""
    frames = []
    for one in counted:
        frame = table(one, view)
        frame.insert(0, "input", one.input)
        frame.insert(0, "model", one.model)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def record(counted: Counted, view: View) -> dict[str, Any]:
    """Everything for programs: exact numbers, units in the names."""
    cost, trace, frame = counted.cost, counted.trace, table(counted, view)
    return {
        "model": counted.model,
        "input": counted.input,
        "batch": counted.batch,
        "status": cost.status.value,
        "reason": cost.reason,
        "macs": cost.macs,
        "flops": cost.flops,
        "params": cost.params,
        "weight_bytes": cost.weight_bytes,
        "activations": cost.activations,
        "peak_activation_bytes": cost.peak_activation_bytes,
        "peak_module": cost.peak_module,
        "convention": {
            "name": view.convention.name,
            "unit": view.convention.unit,
            "version": view.convention.version,
            "as_tool": view.as_tool,
            "total": cost.total(view.convention.name, as_tool=view.as_tool),
        },
        **({} if trace is None else {"precision": trace.precision, "layout": trace.layout, "storages": _storages(trace)}),
        "rows": frame.astype(object).where(frame.notna(), None).to_dict("records"),
    }


def _storages(trace: Trace) -> list[dict[str, Any]]:
    """What the numbers under `reads` and `writes` stand for, in order."""
    return [storage._asdict() for storage in trace.storages]


def print_cost(console: Console, counted: Counted, view: View) -> None:
    """Totals, then a table."""
    cost, convention, digits = counted.cost, view.convention, view.digits
    batch = f"  batch {counted.batch}" if counted.batch > 1 else ""
    console.print(Text.assemble((counted.model, "bold"), f"  {counted.input}{batch}", (f"  {cost.status}", "dim")))
    total = cost.total(convention.name, as_tool=view.as_tool)
    macs = total if convention.unit == "MACs" else total / FLOPS_PER_MAC
    flops = format_amount(FLOPS_PER_MAC * macs, "FLOPs", digits=digits, like=macs)
    _print_total(console, "MACs", format_amount(macs, "MACs", digits=digits), f"convention {convention.name}, see below")
    _print_total(console, "FLOPs", flops, "two for each MAC; an amount of work, not a rate")
    _print_total(console, "Params", format_amount(cost.params, digits=digits), f"{format_bytes(cost.weight_bytes)} with buffers")
    _print_total(console, "Activations", format_amount(cost.activations, digits=digits), "elements written by matrix products")
    where = f"in {cost.peak_module}; " if cost.peak_module else ""
    _print_total(
        console, "Peak memory", format_bytes(cost.peak_activation_bytes, digits=digits),
        f"{where}without input, weights and scratch inside kernels",
    )  # fmt: skip
    if cost.reason:
        console.print(f"! {cost.reason}", style="yellow")
    console.print()
    frame = table(counted, view)
    console.print(_rich_table(frame if counted.trace is None else frame[list(_TRACE_COLUMNS)], view))
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
        f"Calls as on a GPU: precision {trace.precision}, layout {trace.layout}, batch {trace.batch}; peak memory then {peak}. "
        "--format csv or json also has strides, arguments, and which memory a call reads and writes."
    )


def _print_total(console: Console, name: str, value: str, note: str) -> None:
    console.print(Text.assemble(f"  {name:<12}", (f"{value:>16}", "bold"), (f"   {note}", "dim")))


def _rich_table(frame: pd.DataFrame, view: View) -> Any:
    unit = view.convention.unit.lower()
    whole = frame[unit].max() if view.by == "module" else frame[unit].sum()
    shown = new_table()
    figures = {*_AMOUNTS, *_BYTES, "calls"}
    for name in frame.columns:
        is_figure = name in figures
        shown.add_column(name.replace("_", " "), justify="right" if is_figure else "left", overflow="fold", no_wrap=is_figure)
        if name == unit:
            shown.add_column("%", justify="right")
    for row in frame.to_dict("records"):
        cells = []
        for key, value in row.items():
            cells.append(_cell(str(key), value, view.digits))
            if key == unit:
                cells.append(f"{100 * value / whole:.1f}" if whole else "–")
        shown.add_row(*cells)
    return shown


def _cell(name: str, value: Any, digits: int) -> str:
    if name in _AMOUNTS:
        return format_amount(value, digits=digits)
    if name in _BYTES:
        return format_bytes(value)
    if name == "calls":
        return f"{value:,}"
    return str(value) or "(all)"
