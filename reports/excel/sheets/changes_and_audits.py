"""The sheets *Changes* and *Audit*: what the last run changed, and published tables compared with the counts."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from reports.columns.section_columns import AUDIT, CHANGES
from reports.excel.writer import styles
from reports.excel.writer.sheet import Book, TableSpec, write_table
from reports.excel.writer.text import sheet_name
from reports.leaderboard.report import AuditReport

_MOST_CAUSES = 5


def write_changes(book: Book) -> None:
    """Write the changes of the last run, if there was a run before it."""
    changes = book.report.changes
    if changes is None:
        return
    table = changes.rows.sort_values("kind", key=_sort_by_order(changes.KINDS), kind="stable")
    write_table(book, TableSpec(
        sheet_name("Changes", book.taken), "Changes", f"Changes of the last run: {changes}", CHANGES, table, empty="No value changed.",
    ))  # fmt: skip


def write_audits(book: Book) -> None:
    """Write a sheet for each audited table, rows that do not agree first."""
    for number, audit in enumerate(book.report.audits, start=1):
        table = audit.rows.sort_values("verdict", key=_sort_by_order(audit.VERDICTS), kind="stable")
        write_table(book, TableSpec(
            sheet_name("Audit" if len(book.report.audits) == 1 else f"Audit {number} {audit.zoo}", book.taken),
            f"Audit{number}", f"{audit.title}, compared with the counts: {audit}", AUDIT, table,
            empty="The table has no rows.", colour=styles.ACCENT,
        ))  # fmt: skip


def explain_audit(audit: AuditReport) -> str:
    """How a published table counts, and why it differs from the counts."""
    causes = "; ".join(f"{causes} ({rows:,} rows)" for causes, rows in audit.causes[:_MOST_CAUSES])
    more = len(audit.causes) - _MOST_CAUSES
    return f"Counts as: {audit.counts_as}. {audit}. {causes and f'Most frequent causes: {causes}'}{f'; and {more} more' if more > 0 else ''}"


def _sort_by_order(order: tuple[str, ...]) -> Callable[[pd.Series[str]], pd.Series[int]]:
    """A sorting key: the place of each word in this order."""
    places = {word: place for place, word in enumerate(order)}
    return lambda words: words.map(places).fillna(len(order)).astype(int)
