"""Audits for the terminal and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table

from reports.audit.audit import Audit
from reports.audit.compare import Difference
from reports.audit.figures import QUANTITIES
from reports.audit.verdicts import Judged, Verdict
from reports.audit.wording import manner_text, why
from zoo.units import format_amount

_TITLES = {"params": "Parameters", "macs": "MACs", "activations": "Activations"}
_STYLES = {Verdict.AGREES: "green", Verdict.EXPLAINED: "yellow", Verdict.UNEXPLAINED: "red", Verdict.UNKNOWN: "dim"}
_MOST_ROWS = 40


def print_audit(console: Console, audit: Audit, *, show_all: bool = False) -> None:
    """How the table counts, what became of its rows, and the rows a person should look at."""
    console.print(f"[bold]{audit.title}[/bold]: {len(audit.rows)} rows about {audit.zoo}", highlight=False)
    console.print(f"Counts as: {manner_text(audit)}", highlight=False)
    console.print(", ".join(f"[{_STYLES[v]}]{audit.count(v)} {v}[/]" for v in Verdict if audit.count(v)), highlight=False)
    if audit.causes:
        console.print("\n[bold]Causes[/bold]", highlight=False)
        for found, rows in audit.causes:
            console.print(f"{rows:>6}  {'; '.join(found)}", highlight=False)
    wanted = [row for row in audit.rows if show_all or row.verdict is not Verdict.AGREES]
    shown = sorted(wanted, key=lambda row: list(Verdict)[::-1].index(row.verdict))
    if shown:
        console.print()
        console.print(_rows_table(shown[:_MOST_ROWS]))
    if len(shown) > _MOST_ROWS:
        console.print(f"… and {len(shown) - _MOST_ROWS} more; --format csv lists all.", style="dim", highlight=False)


def _rows_table(rows: Sequence[Judged]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Model", overflow="fold")
    table.add_column("Input", no_wrap=True)
    table.add_column("Published", justify="right", no_wrap=True)
    table.add_column("Counted", justify="right", no_wrap=True)
    table.add_column("Verdict", no_wrap=True)
    table.add_column("Why", overflow="fold", ratio=1)
    for row in rows:
        table.add_row(
            row.published.name,
            row.published.key.input if row.published.key else "–",
            "\n".join(_published(row)),
            "\n".join(_counted(row)),
            f"[{_STYLES[row.verdict]}]{row.verdict}[/]",
            why(row),
        )
    return table


def _published(row: Judged) -> Iterator[str]:
    """Only what differs, unless nothing does."""
    for quantity in _interesting(row):
        yield _amount(quantity, float(row.published.figures[quantity].middle))


def _counted(row: Judged) -> Iterator[str]:
    for quantity in _interesting(row):
        yield _amount(quantity, row.counted.get(quantity))


def _interesting(row: Judged) -> list[str]:
    figures = row.published.figures
    differing = [q for q in QUANTITIES if q in figures and q in row.counted and not figures[q].admits(row.counted[q])]
    return differing or [q for q in QUANTITIES if q in figures]


_SUFFIXES = {"params": "params", "macs": "MACs", "activations": "act."}


def _amount(quantity: str, value: float | None) -> str:
    return f"{format_amount(value, digits=2)} {_SUFFIXES[quantity]}" if value is not None else "–"


def print_explained(console: Console, audit: Audit, row: Judged) -> None:
    """One row in full: every figure as published and as counted, the verdict and its reasons."""
    where = f" at {row.published.key.input}" if row.published.key else ""
    console.print(f"[bold]{row.published.name}[/bold]{where}, line {row.published.line} of {audit.title}", highlight=False)
    console.print(f"The table counts as: {manner_text(audit)}\n", highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("", "Published", "Exact range it stands for", "Counted", "Off by"):
        table.add_column(title, justify="left" if not title else "right")
    for quantity in QUANTITIES:
        if quantity in row.published.figures:
            figure, counted = row.published.figures[quantity], row.counted.get(quantity)
            span = f"{float(figure.low):,.0f} – {float(figure.high):,.0f}"
            excess = "–" if counted is None else "agrees" if figure.admits(counted) else f"{figure.excess(counted):+.2%}"
            table.add_row(_TITLES[quantity], figure.text, span, "–" if counted is None else f"{counted:,}", excess)
    console.print(table)
    console.print(f"\n[{_STYLES[row.verdict]}]{row.verdict}[/] {why(row)}".rstrip(), highlight=False)


def print_differences(console: Console, first: Audit, second: Audit, found: Sequence[Difference], both: int) -> None:
    """Where two tables differ, and why."""
    for audit in (first, second):
        console.print(f"[bold]{audit.title}[/bold] counts as: {manner_text(audit)}", highlight=False)
    console.print(f"\n{both} models and inputs in both, {len(found)} with different figures", highlight=False)
    tally = Counter("; ".join(difference.causes) or "unexplained" for difference in found)
    for causes, rows in tally.most_common():
        console.print(f"{rows:>6}  {causes}", highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("Model", "Input", "First", "Second", "What the second did otherwise"):
        table.add_column(title, overflow="fold", no_wrap=title in ("Input", "First", "Second"))
    for difference in found[:_MOST_ROWS]:
        name, key = difference.first.published.name, difference.first.published.key
        quantities = [q for q in QUANTITIES if _differs(difference, q)]
        columns = [
            "\n".join(_amount(q, float(row.published.figures[q].middle)) for q in quantities)
            for row in (difference.first, difference.second)
        ]
        table.add_row(name, key.input if key else "–", *columns, "; ".join(difference.causes) or "unexplained")
    console.print()
    console.print(table)


def _differs(difference: Difference, quantity: str) -> bool:
    mine, theirs = difference.first.published.figures.get(quantity), difference.second.published.figures.get(quantity)
    return bool(mine and theirs and (mine.high < theirs.low or theirs.high < mine.low))
