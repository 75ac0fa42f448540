"""`zoometer audit`: compare a published cost table with the counts, and name the cause of every difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reports.cli.common import options
from reports.cli.common.errors import ExitCode
from reports.cli.common.help import examples
from reports.cli.common.output import TableFormat, print_csv, print_json
from zoo.errors import AuditError, did_you_mean
from zoo.settings import DEFAULT_CACHE

if TYPE_CHECKING:
    from reports.audit.audit import Audit
    from reports.audit.published_table import ColumnMapping, PublishedRow
    from zoo.adapters.base import Zoo

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
    cache: options.Cache = None,
    workers: options.Workers = None,
    show_all: Annotated[bool, typer.Option("--all", help="Show the rows that agree too.")] = False,
    fail_on: Annotated[
        list[FailOn] | None, typer.Option(help="Exit with 4 if there is such a row. Repeatable.", show_default=False)
    ] = None,
    form: options.TableForm = TableFormat.TABLE,
) -> None:
    """Compare published parameters, MACs and activations with exact counts, to the last printed digit."""
    from reports.audit.audit import audit_table, label_classes
    from reports.audit.published_table import ColumnMapping
    from reports.cli.common.output import listen
    from zoo.adapters.registry import open_zoo
    from zoo.refresh.fill_missing import list_architectures
    from zoo.settings import Execution

    opened = open_zoo(zoo)
    tables = _read_tables(opened, against, other, [ColumnMapping.parse(text) for text in column or ()])
    with listen() as listener:
        from reports.audit.cached_counter import CachedCounter

        kept = cache or DEFAULT_CACHE
        counter = CachedCounter(kept, Execution(workers=workers), listener)
        architectures = list_architectures(kept, [zoo])
        audits = [
            audit_table(
                rows,
                title=title,
                zoo=zoo,
                architectures=architectures,
                aliases=opened.aliases(),
                count_models=counter.count_models,
            )
            for title, rows in tables
        ]
    shown = audits if explain is None else [_narrow(one, explain) for one in audits]
    _print(shown, label_classes(architectures), form, in_full=explain is not None, show_all=show_all)
    failing = {verdict.value for verdict in fail_on or ()}
    if any(row.verdict.value in failing for one in audits for row in one.rows):
        raise typer.Exit(ExitCode.CHANGED)


def _read_tables(
    zoo: Zoo, against: Path | None, other: Path | None, columns: Sequence[ColumnMapping]
) -> list[tuple[str, list[PublishedRow]]]:
    """The tables to audit, by title."""
    from reports.audit.published_table import read_csv, read_zoo_metadata

    if against is not None:
        return [(path.name, read_csv(path, columns)) for path in (against, other) if path is not None]
    if other is not None:
        raise AuditError("--with compares a second table with the first: name that with --against.")
    return [read_zoo_metadata(zoo)]


def _print(audits: Sequence[Audit], class_labels: Mapping[str, str], form: TableFormat, *, in_full: bool, show_all: bool) -> None:
    from reports.audit.records import audit_record, row_records, table_comparison_record
    from reports.audit.table_comparison import compare_tables
    from reports.terminal import audit_text
    from reports.terminal.console import make_console

    first = audits[0]
    comparison = compare_tables(first, audits[1], class_labels) if len(audits) == 2 else None
    if form is TableFormat.JSON:
        print_json(table_comparison_record(comparison) if comparison else audit_record(first))
    elif form is TableFormat.CSV:
        import pandas as pd

        records = [{"table": audit.title, **record} for audit in audits for record in row_records(audit)]
        print_csv(pd.DataFrame(records))
    elif in_full:
        for audit in audits:
            for row in audit.rows:
                audit_text.print_row_in_full(make_console(), audit, row)
    elif comparison:
        audit_text.print_table_comparison(make_console(), comparison)
    else:
        audit_text.print_audit(make_console(), first, show_all=show_all)


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
