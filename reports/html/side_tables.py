"""Parts of the page besides the leaderboard: answers to configured budgets, changes since the last run, audits, coverage."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import pandas as pd

from reports.columns.column import Column
from reports.columns.format import figure_text
from reports.columns.leaderboard_columns import LEADERBOARD_BY_KEY
from reports.columns.section_columns import AUDIT, CHANGES
from reports.leaderboard.report import AuditReport, ChangeReport, Report
from reports.selection.budget_answer import BudgetAnswer
from zoo.records import Status

_MOST_ROWS = 200
_BEST = 10
_UNFIT = "input: "
_CHANGE_COLUMNS = tuple(
    column
    for key in ("arch", "kind", "zoo", "input", "figure", "old", "new", "change", "old_status", "new_status", "cause")
    for column in CHANGES
    if column.key == key
)
_TO_READ = ("changed", "failed", "recovered", "not compared")
"""Kinds of changes that are listed; what was added or removed is only counted."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A table as text, cell by cell."""

    title: str
    columns: tuple[Column, ...]
    rows: list[list[str]]
    left_out: int = 0  # rows that are not listed


@dataclass(frozen=True, slots=True)
class Part:
    """A section of the page."""

    title: str
    lines: tuple[str, ...]
    listings: tuple[Listing, ...]
    is_answer: bool = False  # to a question of the configuration: unfolded when the page opens


@dataclass(frozen=True, slots=True)
class ModelGroup:
    """Models or published results that share a label (a status, or a source) and a reason."""

    label: str
    reason: str
    names: list[str]
    status: str = ""  # that the label is coloured by


def coverage_groups(table: pd.DataFrame) -> list[ModelGroup]:
    """What was not counted exactly: failures first, then the largest group."""
    groups = _group_names(table, "status", table["zoo"].fillna("–") + "/" + table["arch"].fillna("–"))
    return sorted(map(_with_label, groups), key=lambda group: group.status not in ("", Status.FAILED))


def unmatched_groups(table: pd.DataFrame) -> list[ModelGroup]:
    """Published results without a model, the largest group first."""
    return _group_names(table, "source", table["name"].fillna("–"))


def _group_names(table: pd.DataFrame, label: str, names: pd.Series[str]) -> list[ModelGroup]:
    named = table.assign(name=names + (" at " + table["input"]).fillna(""))[[label, "reason", "name"]].fillna("")
    groups = [
        ModelGroup(rows[label].iloc[0], rows["reason"].iloc[0], rows["name"].tolist())
        for _, rows in named.groupby([label, "reason"], sort=False)
    ]
    return sorted(groups, key=lambda group: -len(group.names))


def _with_label(group: ModelGroup) -> ModelGroup:
    """A size that an architecture cannot take is a property of it, not a failure."""
    if group.label == Status.FAILED and group.reason.startswith(_UNFIT):
        return replace(group, label="input does not fit", reason=group.reason.removeprefix(_UNFIT))
    return replace(group, status=group.label)


def parts_of(report: Report) -> list[Part]:
    """The sections a report has, in the order of the page."""
    budgets = [_budget_section(answer) for answer in report.budgets]
    changes = [_changes_section(report.changes)] if report.changes is not None else []
    return [*budgets, *changes, *map(_audit_section, report.audits)]


def group_notes(notes: Iterable[str]) -> list[str]:
    """Equal notes on several architectures merged into one: `timm/a, timm/b: text`."""
    groups: dict[str, list[str]] = {}
    for note in notes:
        name, _, text = note.partition(": ")
        is_about_one = bool(text) and " " not in name
        groups.setdefault(text if is_about_one else note, []).extend([name] if is_about_one else [])
    return [f"{', '.join(names)}: {text}" if names else text for text, names in groups.items()]


def _budget_section(answer: BudgetAnswer) -> Part:
    table = answer.selection.table
    identity = (LEADERBOARD_BY_KEY["model"], LEADERBOARD_BY_KEY["input"])
    columns = (*identity, *(column for column in answer.columns if column not in identity))
    listings = [_make_listing("The best that fit", table.iloc[answer.selection.fitting[:_BEST]], columns)]
    if answer.selection.misses:
        missing = table.iloc[list(answer.selection.misses)]
        listings.append(_make_listing("Nearest misses that would be picked instead", missing, columns))
    lines = (", ".join(answer.limits) or "No limit is set.", *answer.reasons, *answer.relaxations, *answer.notes)
    return Part(f"Budget {answer.name}", lines, tuple(listing for listing in listings if listing.rows), is_answer=True)


def _changes_section(changes: ChangeReport) -> Part:
    rows = changes.rows[changes.rows["kind"].isin(_TO_READ)]
    listing = _make_listing("", rows, _CHANGE_COLUMNS)
    return Part("Changes since the previous run", (changes.heading, str(changes)), (listing,) if listing.rows else ())


def _audit_section(audit: AuditReport) -> Part:
    rows = audit.rows[audit.rows["verdict"] != "agrees"].sort_values("verdict", ascending=False, kind="stable")
    causes = (f"{rows} explained by: {causes}" for causes, rows in audit.causes)
    listing = _make_listing(
        "Rows that do not simply agree", rows, tuple(c for c in AUDIT if c.key not in ("zoo", "arch", "line"))
    )
    lines = (f"Counts as: {audit.counts_as}", str(audit), *causes)
    return Part(f"Audit of {audit.title}", lines, (listing,) if listing.rows else ())


def _make_listing(title: str, table: pd.DataFrame, columns: tuple[Column, ...]) -> Listing:
    """The first rows, without columns that have no value."""
    shown = tuple(column for column in columns if column.key in table and table[column.key].notna().any())
    rows = [
        [figure_text(c, row[c.key]) for c in shown] for row in table.head(_MOST_ROWS)[[c.key for c in shown]].to_dict("records")
    ]
    return Listing(title, shown, rows, max(0, len(table) - _MOST_ROWS))
