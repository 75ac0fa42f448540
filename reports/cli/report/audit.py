"""`zoometer audit`: hold a published cost table against our counts, and name the cause of every difference."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reports.cli.common.errors import ExitCode
from reports.cli.common.formats import TableFormat
from reports.cli.common.help import examples
from zoo.errors import AuditError, did_you_mean

if TYPE_CHECKING:
    from reports.audit.audit import Audit
    from reports.audit.counts import CachedCounts
    from reports.audit.tables import Row
    from zoo.adapters.base import Zoo
    from zoo.records import Architecture

EXAMPLES = examples(
    "zoometer audit torchvision",
    "zoometer audit timm --against benchmark-infer-amp-nhwc-rtx3090.csv",
    "zoometer audit timm --against t.csv --column model=Name --column macs=FLOPs:G",
    "zoometer audit timm --against paper.csv --explain resnet50",
    "zoometer audit timm --against old.csv --with new.csv",
    "zoometer audit timm --against table.csv --fail-on unexplained --format json",
    closing=(
        "Verdicts: agrees; explained, by the fewest causes that reproduce the row to\n"
        " its last digit; unexplained; unknown, where the zoo has no such model."
    ),
)


class FailOn(StrEnum):
    """Verdicts that make the exit code 4."""

    UNEXPLAINED = "unexplained"
    EXPLAINED = "explained"
    UNKNOWN = "unknown"


def audit(
    zoo: Annotated[str, typer.Argument(metavar="ZOO", help="Whose models the table is about.", show_default=False)],
    against: Annotated[
        Path | None, typer.Option(help="A CSV table. Default: what the zoo itself publishes.", show_default=False)
    ] = None,
    other: Annotated[
        Path | None, typer.Option("--with", help="A second table, to say where the two differ and why.", show_default=False)
    ] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(help="field=heading[:unit] for tables other than timm's: macs=GFLOPs:G. Repeatable.", show_default=False),
    ] = None,
    explain: Annotated[str | None, typer.Option(help="One model of the table, in full.", show_default=False)] = None,
    cache: Annotated[str, typer.Option(help="The cache counts come from; what it lacks is counted.")] = "cache/",
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that count. Default: one a core.")] = None,
    show_all: Annotated[bool, typer.Option("--all", help="Show the rows that agree too.")] = False,
    fail_on: Annotated[
        list[FailOn] | None, typer.Option(help="Exit with 4 if there is such a row. Repeatable.", show_default=False)
    ] = None,
    form: Annotated[TableFormat, typer.Option("--format", help="table, json or csv.")] = TableFormat.TABLE,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Compare published parameters, MACs and activations with exact counts, to the last printed digit."""
    from reports.audit.audit import class_labels
    from reports.audit.tables import Column
    from reports.cli.common.progress import listen
    from zoo.adapters.registry import open_zoo
    from zoo.refresh.fill_missing import list_architectures
    from zoo.settings import Execution

    opened = open_zoo(zoo)
    columns = [Column.parse(text) for text in column or ()]
    tables = _tables(opened, against, other, columns)
    with listen(quiet=quiet) as listener:
        from reports.audit.counts import CachedCounts

        counts = CachedCounts(cache, Execution(workers=workers), listener)
        architectures = list_architectures(cache, [zoo])
        audits = [_audit(title, rows, opened, architectures, counts) for title, rows in tables]
    _print(audits, class_labels(architectures), explain, form, show_all=show_all)
    failing = {verdict.value for verdict in fail_on or ()}
    if any(row.verdict.value in failing for one in audits for row in one.rows):
        raise typer.Exit(ExitCode.CHANGED)


def _tables(zoo: Zoo, against: Path | None, other: Path | None, columns: Sequence[object]) -> list[tuple[str, list[Row]]]:
    """The tables to hold against our counts, by title."""
    from reports.audit.tables import Column, read_csv, rows_of

    mapped = [column for column in columns if isinstance(column, Column)]
    if against is not None:
        return [(path.name, read_csv(path, mapped)) for path in (against, other) if path is not None]
    if other is not None:
        raise AuditError("--with compares a second table with the first: name that with --against.")
    rows = rows_of(zoo.published_costs())
    if not rows:
        raise AuditError(f"{zoo.name} publishes no costs with its weights. Name a table: --against table.csv.")
    return [(f"{zoo.name} {zoo.version()}, metadata of the weights", rows)]


def _audit(title: str, rows: list[Row], zoo: Zoo, architectures: Sequence[Architecture], counts: CachedCounts) -> Audit:
    from reports.audit.audit import audit as hold_against_counts

    return hold_against_counts(rows, title=title, zoo=zoo.name, architectures=architectures, aliases=zoo.aliases(), counts=counts)


def _print(audits: Sequence[Audit], labels: dict[str, str], explain: str | None, form: TableFormat, *, show_all: bool) -> None:
    from reports.audit import wording
    from reports.audit.compare import compare, shared
    from reports.terminal import audit_text as text
    from reports.terminal.summary import make_console

    if explain is not None:
        audits = [_narrow(one, explain) for one in audits]
    first, second = audits[0], audits[-1]
    found = compare(first, second, labels) if len(audits) == 2 else []
    if form is TableFormat.JSON:
        whole = [wording.document(one) for one in audits]
        differences = {"differences": wording.difference_records(found)} if len(audits) == 2 else {}
        typer.echo(json.dumps({"audits": whole, **differences} if differences else whole[0], indent=2))
    elif form is TableFormat.CSV:
        import pandas as pd

        records = [{"table": one.title, **record} for one in audits for record in wording.records(one)]
        typer.echo(pd.DataFrame(records).to_csv(index=False), nl=False)
    elif explain is not None:
        for one in audits:
            for row in one.rows:
                text.print_explained(make_console(), one, row)
    elif len(audits) == 2:
        text.print_differences(make_console(), first, second, found, shared(first, second))
    else:
        text.print_audit(make_console(), first, show_all=show_all)


def _narrow(audit: Audit, model: str) -> Audit:
    """The audit of the rows about one model."""
    import dataclasses

    plain = model.removeprefix(f"{audit.zoo}/")
    rows = tuple(
        row
        for row in audit.rows
        if row.published.name.removeprefix(f"{audit.zoo}/") == plain or (row.published.key and row.published.key.arch == plain)
    )
    if not rows:
        names = [row.published.name for row in audit.rows]
        raise AuditError(f"{audit.title} has no row about '{model}'.{did_you_mean(plain, names)}")
    return dataclasses.replace(audit, rows=rows)
