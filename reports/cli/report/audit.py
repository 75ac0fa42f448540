"""`zoometer audit`: compare a published cost table with the counts, and name the cause of every difference."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from reports.cli.common import options
from reports.cli.common.errors import ExitCode
from reports.cli.common.help import examples
from reports.cli.common.opening import open_workspace
from reports.cli.common.output import print_answer
from zoo.errors import AuditError, did_you_mean

if TYPE_CHECKING:
    from rich.console import Console

    from reports.audit.audit import Audit

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
    """Verdicts that make the exit code 4."""  # typer takes no list of literals

    UNEXPLAINED = "unexplained"
    EXPLAINED = "explained"
    UNKNOWN = "unknown"


@options.sharing(options.COUNTING, only=("workers",))
def audit(
    zoo: Annotated[str, typer.Argument(metavar="ZOO", help="Whose models the table is about.")],
    against: Annotated[Path | None, typer.Option(help="A CSV table. Default: what the zoo itself publishes.")] = None,
    other: Annotated[Path | None, typer.Option("--with", help="A second table, to say where the two differ and why.")] = None,
    column: Annotated[
        list[str] | None,
        typer.Option(help="field=heading[:unit] for tables other than timm's: macs=GFLOPs:G. Repeatable."),
    ] = None,
    explain: Annotated[str | None, typer.Option(help="One model of the table, in full.")] = None,
    cache: options.Cache = None,
    show_all: Annotated[bool, typer.Option("--all", help="Show the rows that agree too.")] = False,
    fail_on: Annotated[
        list[FailOn] | None,
        typer.Option(help="Exit with 4 if there is such a row. Repeatable."),
    ] = None,
    form: options.TableForm = "table",
    **shared: Any,
) -> None:
    """Compare published parameters, MACs and activations with exact counts, to the last printed digit."""
    from reports.audit.audit import label_classes
    from reports.audit.cached_counter import CachedCounter
    from reports.audit.published_table import ColumnMapping, read_published
    from reports.cli.common.output import listen
    from zoo.adapters.registry import open_zoo
    from zoo.refresh.fill_missing import list_architectures
    from zoo.settings import Execution

    opened, columns = open_zoo(zoo), [ColumnMapping.parse(text) for text in column or ()]
    if other and not against:
        raise AuditError("--with compares a second table with the first: name that with --against.")
    tables = [read_published(opened, path, columns) for path in (against, *([other] if other else []))]
    with listen() as listener:
        address = open_workspace(cache, None).cache
        counter = CachedCounter(address, Execution(workers=shared["workers"]), listener)
        architectures = list_architectures(address, [zoo])
        audits = [counter.audit(rows, title, opened, architectures) for title, rows in tables]
    shown = audits if explain is None else [_only_rows_about(one, explain) for one in audits]
    _print_audits(shown, label_classes(architectures), form, in_full=explain is not None, show_all=show_all)
    if any(row.verdict.value in (fail_on or ()) for one in audits for row in one.rows):
        raise typer.Exit(ExitCode.CHANGED)


def _print_audits(audits: Sequence[Audit], class_labels: Mapping[str, str], form: str, *, in_full: bool, show_all: bool) -> None:
    from reports.audit.records import audit_record, audits_table, table_comparison_record
    from reports.audit.table_comparison import compare_tables
    from reports.terminal import audit_text

    first = audits[0]
    comparison = compare_tables(first, audits[1], class_labels) if len(audits) == 2 else None

    def print_text(console: Console) -> None:
        if in_full:
            for audit in audits:
                for row in audit.rows:
                    audit_text.print_row_in_full(console, audit, row)
        elif comparison:
            audit_text.print_table_comparison(console, comparison)
        else:
            audit_text.print_audit(console, first, show_all=show_all)

    print_answer(
        form,
        print_text,
        lambda: table_comparison_record(comparison) if comparison else audit_record(first),
        lambda: audits_table(audits),
    )


def _only_rows_about(audit: Audit, model: str) -> Audit:
    """The audit, narrowed to the rows about one model."""
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
