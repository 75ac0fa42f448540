"""Audits in the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from reports.audit.audit import Audit
from reports.audit.model_counts import QUANTITIES
from reports.audit.table_comparison import TableComparison
from reports.audit.verdicts import AuditedRow, Verdict
from zoo.units import format_amount

_TITLES = {"params": "Parameters", "macs": "MACs", "activations": "Activations"}
_SUFFIXES = {"params": "params", "macs": "MACs", "activations": "act."}
_STYLES = {Verdict.AGREES: "green", Verdict.EXPLAINED: "yellow", Verdict.UNEXPLAINED: "red", Verdict.UNKNOWN: "dim"}
_MOST_ROWS = 40
_UNKNOWN = "–"


def print_audit(console: Console, audit: Audit, *, show_all: bool = False) -> None:
    """The table's convention, the number of rows of each verdict, and the rows a person should look at."""
    console.print(f"[bold]{audit.title}[/bold]: {len(audit.rows)} rows about {audit.zoo}")
    console.print(f"Counts as: {audit.convention}")
    console.print(", ".join(f"[{_STYLES[verdict]}]{rows} {verdict}[/]" for verdict, rows in audit.verdicts.items() if rows))
    if audit.causes:
        console.print("\n[bold]Causes[/bold]")
        _print_causes(console, [("; ".join(causes), rows) for causes, rows in audit.causes])
    order = list(Verdict)[::-1]
    listed = [row for row in audit.rows if show_all or row.verdict is not Verdict.AGREES]
    listed.sort(key=lambda row: order.index(row.verdict))
    if listed:
        console.print()
        console.print(_rows_table(listed[:_MOST_ROWS]))
    if len(listed) > _MOST_ROWS:
        console.print(f"… and {len(listed) - _MOST_ROWS} more; --format csv lists all.", style="dim")


def _print_causes(console: Console, causes: Sequence[tuple[str, int]]) -> None:
    for cause, rows in causes:
        console.print(f"{rows:>6}  {cause}")


def _rows_table(rows: Sequence[AuditedRow]) -> Table:
    table = _new_table()
    table.add_column("Model", overflow="fold")
    table.add_column("Input", no_wrap=True)
    table.add_column("Published", justify="right", no_wrap=True)
    table.add_column("Counted", justify="right", no_wrap=True)
    table.add_column("Verdict", no_wrap=True)
    table.add_column("Why", overflow="fold", ratio=1)
    for row in rows:
        published = row.published
        differing = [q for q, n in published.numbers.items() if q in row.counted and not n.admits(row.counted[q])]
        quantities = [q for q in QUANTITIES if q in (differing or published.numbers)]
        table.add_row(
            published.name,
            published.key.input if published.key else _UNKNOWN,
            _published_amounts(row, quantities),
            "\n".join(_amount(quantity, row.counted.get(quantity)) for quantity in quantities),
            f"[{_STYLES[row.verdict]}]{row.verdict}[/]",
            row.reason,
        )
    return table


def _new_table() -> Table:
    return Table(box=None, pad_edge=False, header_style="bold")


def _published_amounts(row: AuditedRow, quantities: Sequence[str]) -> str:
    return "\n".join(_amount(quantity, float(row.published.numbers[quantity].middle)) for quantity in quantities)


def _amount(quantity: str, value: float | None) -> str:
    return f"{format_amount(value, digits=2)} {_SUFFIXES[quantity]}" if value is not None else _UNKNOWN


def print_row_in_full(console: Console, audit: Audit, row: AuditedRow) -> None:
    """One row: each number as published and as counted, the verdict and its reason."""
    published = row.published
    at_input = f" at {published.key.input}" if published.key else ""
    console.print(f"[bold]{published.name}[/bold]{at_input}, line {published.line} of {audit.title}")
    console.print(f"The table counts as: {audit.convention}\n")
    table = _new_table()
    for title in ("", "Published", "Exact range it stands for", "Counted", "Off by"):
        table.add_column(title, justify="left" if not title else "right")
    for quantity in QUANTITIES:
        if number := published.numbers.get(quantity):
            counted = row.counted.get(quantity)
            interval = f"{float(number.low):,.0f} – {float(number.high):,.0f}"
            if counted is None:
                compared = (_UNKNOWN, _UNKNOWN)
            else:
                compared = (f"{counted:,}", "agrees" if number.admits(counted) else f"{number.relative_error(counted):+.2%}")
            table.add_row(_TITLES[quantity], number.text, interval, *compared)
    console.print(table)
    console.print(f"\n[{_STYLES[row.verdict]}]{row.verdict}[/] {row.reason}".rstrip())


def print_comparison(console: Console, comparison: TableComparison) -> None:
    """Where two tables differ, and why."""
    for audit in (comparison.first, comparison.second):
        console.print(f"[bold]{audit.title}[/bold] counts as: {audit.convention}")
    differences = comparison.differences
    console.print(f"\n{comparison.shared} models and inputs in both, {len(differences)} with different figures")
    causes = ["; ".join(difference.causes) or "unexplained" for difference in differences]
    _print_causes(console, Counter(causes).most_common())
    table = _new_table()
    for title in ("Model", "Input", "First", "Second", "What the second did differently"):
        table.add_column(title, overflow="fold", no_wrap=title in ("Input", "First", "Second"))
    for difference, cause in zip(differences[:_MOST_ROWS], causes, strict=False):
        published = difference.first.published
        amounts = [_published_amounts(row, difference.quantities) for row in (difference.first, difference.second)]
        table.add_row(published.name, published.key.input if published.key else _UNKNOWN, *amounts, cause)
    console.print()
    console.print(table)
