"""Compares two audited tables: where they differ, and what the second did differently."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reports.audit.audit import Audit
from reports.audit.model_counts import QUANTITIES
from reports.audit.verdicts import AuditedRow, Verdict


@dataclass(frozen=True, slots=True)
class Difference:
    """A model and input for which two tables print different numbers."""

    first: AuditedRow
    second: AuditedRow
    quantities: tuple[str, ...]  # those whose printed numbers cannot be the same exact value
    causes: tuple[str, ...]  # what the second table did differently; empty where one of the rows is unexplained

    @property
    def verdict(self) -> Verdict:
        """Whether the causes are known."""
        return Verdict.EXPLAINED if self.causes else Verdict.UNEXPLAINED


@dataclass(frozen=True, slots=True)
class TableComparison:
    """Two tables, and their differences."""

    first: Audit
    second: Audit
    shared: int  # models and inputs that both tables have
    differences: tuple[Difference, ...]


def compare_tables(first: Audit, second: Audit, class_labels: Mapping[str, str]) -> TableComparison:
    """Every model and input in both tables whose printed numbers cannot be the same exact value."""
    others = {row.published.key: row for row in second.rows if row.published.key is not None}
    pairs = [(row, others[row.published.key]) for row in first.rows if row.published.key in others]
    differences = []
    for row, other in pairs:
        ours, theirs = row.published.numbers, other.published.numbers
        quantities = tuple(q for q in QUANTITIES if q in ours and q in theirs and not ours[q].overlaps(theirs[q]))
        if quantities:
            causes = row.hypothesis.causes(other.hypothesis, class_labels) if row.hypothesis and other.hypothesis else ()
            differences.append(Difference(row, other, quantities, causes))
    return TableComparison(first, second, len({row.published.key for row, _ in pairs}), tuple(differences))
