"""Two published tables held against each other: where they differ, and what was done otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reports.audit.audit import Audit
from reports.audit.readings import causes
from reports.audit.verdicts import Judged, Verdict


@dataclass(frozen=True, slots=True)
class Difference:
    """A model and input for which two tables print different figures."""

    first: Judged
    second: Judged
    causes: tuple[str, ...]  # what the second did otherwise than the first; empty where one of them is unexplained

    @property
    def verdict(self) -> Verdict:
        """Whether the causes are known."""
        return Verdict.EXPLAINED if self.causes else Verdict.UNEXPLAINED


def compare(first: Audit, second: Audit, labels: Mapping[str, str]) -> list[Difference]:
    """Every model and input in both tables whose figures cannot be the same number printed twice."""
    return list(_differences(first, second, labels))


def shared(first: Audit, second: Audit) -> int:
    """Models and inputs that both tables have."""
    keys = {row.published.key for row in first.rows} & {row.published.key for row in second.rows}
    return len(keys - {None})


def _differences(first: Audit, second: Audit, labels: Mapping[str, str]) -> Iterator[Difference]:
    others = {row.published.key: row for row in second.rows if row.published.key is not None}
    for row in first.rows:
        other = others.get(row.published.key) if row.published.key else None
        if other is None or not _differ(row, other):
            continue
        known = causes(row.reading, other.reading, labels) if row.reading and other.reading else ()
        yield Difference(row, other, known)


def _differ(first: Judged, second: Judged) -> bool:
    mine, theirs = first.published.figures, second.published.figures
    return any(mine[q].high < theirs[q].low or theirs[q].high < mine[q].low for q in mine.keys() & theirs.keys())
