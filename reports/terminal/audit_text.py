"""Audits in the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.text import Text

from reports.audit.audit import Audit
from reports.audit.model_counts import QUANTITIES
from reports.audit.table_comparison import TableComparison
from reports.audit.verdicts import AuditedRow, Verdict
from reports.columns.format import UNKNOWN
from reports.terminal.console import print_table, print_title
from zoo.units import format_amount

_TITLES = {"params": "Parameters", "macs": "MACs", "activations": "Activations"}
_SUFFIXES = {"params": "params", "macs": "MACs", "activations": "act."}
_STYLES = {Verdict.AGREES: "green", Verdict.EXPLAINED: "yellow", Verdict.UNEXPLAINED: "red", Verdict.UNKNOWN: "dim"}
_MOST_ROWS = 40


def print_audit(console: Console, audit: Audit, *, show_all: bool = False) -> None:
    """The table's convention, the number of rows of each verdict, and the rows a person should look at."""
    _print_table_convention(console, audit, f"{len(audit.rows)} rows about {audit.zoo}")
    verdicts = [(f"{rows} {verdict}", _STYLES[verdict]) for verdict, rows in audit.verdicts.items() if rows]
    console.print(Text(", ").join(Text(*verdict) for verdict in verdicts))
    if audit.causes:
        print_title(console, "Causes")
        _print_causes(console, (("; ".join(causes), rows) for causes, rows in audit.causes))
    order = list(Verdict)[::-1]
    listed = [row for row in audit.rows if show_all or row.verdict is not Verdict.AGREES]
    listed.sort(key=lambda row: order.index(row.verdict))
    if listed:
        console.print()
        headers = ("Model", "Input", "Published", "Counted", "Verdict", "Why")
        rows = [_audit_cells(row) for row in listed[:_MOST_ROWS]]
        print_table(console, headers, rows, right=("Published", "Counted"), wraps=("Why",))
    if len(listed) > _MOST_ROWS:
        console.print(f"… and {len(listed) - _MOST_ROWS} more; --format csv lists all.", style="dim")


def _print_table_convention(console: Console, audit: Audit, what: str = "") -> None:
    console.print(Text.assemble((audit.title, "bold"), f": {what}" if what else ""))
    console.print(f"Counts as: {audit.convention}", markup=False)


def _print_causes(console: Console, causes: Iterable[tuple[str, int]]) -> None:
    for cause, rows in causes:
        console.print(f"{rows:>6}  {cause}", markup=False)


def _audit_cells(row: AuditedRow) -> list[str | Text]:
    """Name, input, the numbers that differ or all that are published, verdict and reason."""
    numbers = row.published.numbers
    differing = [q for q, number in numbers.items() if q in row.counted and not number.admits(row.counted[q])]
    quantities = [q for q in QUANTITIES if q in (differing or numbers)]
    counted = "\n".join(_amount(quantity, row.counted.get(quantity)) for quantity in quantities)
    verdict = Text(row.verdict, style=_STYLES[row.verdict])
    return [row.published.name, _input_text(row), _published_numbers(row, quantities), counted, verdict, row.reason]


def _input_text(row: AuditedRow) -> str:
    return row.published.key.input if row.published.key else UNKNOWN


def _published_numbers(row: AuditedRow, quantities: Sequence[str]) -> str:
    return "\n".join(_amount(quantity, float(row.published.numbers[quantity].middle)) for quantity in quantities)


def _amount(quantity: str, value: float | None) -> str:
    return f"{format_amount(value, digits=2)} {_SUFFIXES[quantity]}" if value is not None else UNKNOWN


def print_row_in_full(console: Console, audit: Audit, row: AuditedRow) -> None:
    """One row: each number as published and as counted, the verdict and its reason."""
    _print_table_convention(console, audit, f"line {row.published.line}, {row.published.name} at {_input_text(row)}")
    rows = []
    for quantity, number in row.published.numbers.items():
        exact = f"{float(number.low):,.0f} – {float(number.high):,.0f}"
        counted = row.counted.get(quantity)
        if counted is None:
            rows.append([_TITLES[quantity], number.text, exact, UNKNOWN, UNKNOWN])
        else:
            error = "agrees" if number.admits(counted) else f"{number.relative_error(counted):+.2%}"
            rows.append([_TITLES[quantity], number.text, exact, f"{counted:,}", error])
    headers = ("Quantity", "Published", "Exact range it stands for", "Counted", "Off by")
    console.print()
    print_table(console, headers, rows, right=headers[1:])
    console.print()
    console.print(Text.assemble((row.verdict, _STYLES[row.verdict]), f" {row.reason}".rstrip()))


def print_table_comparison(console: Console, comparison: TableComparison) -> None:
    """Where two tables differ, and why."""
    for audit in (comparison.first, comparison.second):
        _print_table_convention(console, audit)
    differences = comparison.differences
    console.print(f"\n{comparison.shared} models and inputs in both, {len(differences)} with different figures")
    causes = ["; ".join(difference.causes) or "unexplained" for difference in differences]
    _print_causes(console, Counter(causes).most_common())
    console.print()
    rows = []
    for difference, cause in zip(differences[:_MOST_ROWS], causes, strict=False):
        first, second = (_published_numbers(row, difference.quantities) for row in (difference.first, difference.second))
        rows.append([difference.first.published.name, _input_text(difference.first), first, second, cause])
    headers = ("Model", "Input", "First", "Second", "What the second did differently")
    print_table(console, headers, rows, wraps=headers[-1:])
