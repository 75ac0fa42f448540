"""How a published table counts as a whole: the method and variant with which most of its rows agree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reports.audit.counting_method import DEFAULT_METHOD, CountingMethod, all_methods
from reports.audit.hypothesis import CountsByKey
from reports.audit.published_table import PublishedRow, group_equal
from zoo.records import Variant


@dataclass(frozen=True, slots=True)
class TableConvention:
    """The most likely counting method of a table, and the evidence for it."""

    method: CountingMethod
    variant: str
    agreeing: int  # rows that agree with it
    compared: int  # rows that could agree
    runner_up: CountingMethod | None  # the next best method that gives other figures for some row
    runner_up_agreeing: int = 0

    @property
    def is_sure(self) -> bool:
        """Whether most rows agree, and enough of them with no other method."""
        decisive = self.agreeing - self.runner_up_agreeing
        return 2 * self.agreeing > self.compared and decisive >= min(5, self.compared)

    def __str__(self) -> str:
        """The method, and the evidence for it."""
        variant = "" if self.variant == Variant.BASE else " of re-parameterised models"
        second = f"; next best, {self.runner_up}, {self.runner_up_agreeing}" if self.runner_up else ""
        unsure = "" if self.is_sure else "; not sure"
        return f"{self.method}{variant} ({self.agreeing} of {self.compared} rows agree{second}{unsure})"


def find_table_convention(rows: Sequence[PublishedRow], counts: CountsByKey) -> TableConvention:
    """The method with which most rows agree; of several that do equally well, the one closest to the default."""
    compared = [row for row in rows if row.key in counts]
    choices = [(method, variant) for variant in (Variant.BASE, Variant.DEPLOY) for method in all_methods()]
    distinct = group_equal(compared)
    agreeing = {choice: _agreeing_lines(distinct, counts, *choice) for choice in choices}
    best = max(
        choices,
        key=lambda choice: (len(agreeing[choice]), -len(DEFAULT_METHOD.differing_fields(choice[0])), choice[1] == Variant.BASE),
    )
    others = [choice for choice in choices if agreeing[choice] != agreeing[best]]
    second = max(others, key=lambda choice: len(agreeing[choice]), default=None)
    return TableConvention(
        *best,
        agreeing=len(agreeing[best]),
        compared=len(compared),
        runner_up=second[0] if second else None,
        runner_up_agreeing=len(agreeing[second]) if second else 0,
    )


def _agreeing_lines(
    rows: Iterable[Sequence[PublishedRow]], counts: CountsByKey, method: CountingMethod, variant: str
) -> frozenset[int]:
    """Lines of the rows that agree; equal rows stand together, so that each is compared once."""
    lines: set[int] = set()
    for row, *repeated in rows:
        assert row.key is not None
        of_variant = counts.get(row.key._replace(variant=variant), counts[row.key])
        if method.reproduces(row.numbers, of_variant):
            lines.update(one.line for one in (row, *repeated))
    return frozenset(lines)
