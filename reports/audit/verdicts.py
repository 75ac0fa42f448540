"""The verdict on each published row: it agrees, is explained by the fewest causes that reproduce it, or stays unexplained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from reports.audit.hypothesis import CountsByKey, Hypothesis
from reports.audit.published_table import PublishedRow
from reports.audit.table_convention import TableConvention

_MAX_CAUSES = 2
"""With more, something would fit by chance."""
_MAX_NEAR_MISSES = 3


class Verdict(StrEnum):
    """The result of comparing a published row with the counts."""

    AGREES = "agrees"  # with the convention of its table, to the last printed digit
    EXPLAINED = "explained"  # reproduced to the last printed digit by the causes named
    UNEXPLAINED = "unexplained"  # no hypothesis reproduces it
    UNKNOWN = "unknown"  # the installed zoo has no such model, or it could not be counted


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A hypothesis that comes close to a row without reproducing it."""

    causes: str
    relative_error: float  # the largest of the row's numbers


@dataclass(frozen=True, slots=True)
class AuditedRow:
    """A row with its verdict."""

    published: PublishedRow
    verdict: Verdict
    explanations: tuple[tuple[str, ...], ...] = ()  # sets of causes; several where they cannot be told apart
    hypothesis: Hypothesis | None = None  # the first that reproduces the row
    counted: Mapping[str, int] = field(default_factory=dict)  # figures of the model by the table's convention
    near_misses: tuple[NearMiss, ...] = ()
    problem: str = ""  # of UNKNOWN

    @property
    def reason(self) -> str:
        """The causes, the near misses, or why the row cannot be judged."""
        match self.verdict:
            case Verdict.EXPLAINED:
                return ", or ".join("; ".join(causes) for causes in self.explanations)
            case Verdict.UNEXPLAINED:
                errors = [f" ({miss.relative_error:+.1%})" if miss.relative_error else "" for miss in self.near_misses]
                return "nearest: " + "; ".join(m.causes + error for m, error in zip(self.near_misses, errors, strict=True))
            case _:
                return self.problem


def judge(row: PublishedRow, convention: TableConvention, counts: CountsByKey, class_labels: Mapping[str, str]) -> AuditedRow:
    """The verdict on one row.

    Args:
        row: matched to its model.
        convention: how its table counts.
        counts: every model counted so far, among which hypotheses are looked for.
        class_labels: datasets by number of classes.
    """
    if row.key is None:
        return AuditedRow(row, Verdict.UNKNOWN, problem=row.problem)
    of_variant = row.key._replace(variant=convention.variant)
    base = Hypothesis(of_variant if of_variant in counts else row.key, convention.method)
    if base.key not in counts:
        return AuditedRow(row, Verdict.UNKNOWN, problem=f"{row.key.zoo}/{row.key.arch} was not counted at {row.key.input}")
    figures = base.method.figures(counts[base.key])
    counted = {quantity: round(figures[quantity]) for quantity in figures if quantity in row.numbers}
    if base.method.reproduces(row.numbers, counts[base.key]):
        return AuditedRow(row, Verdict.AGREES, hypothesis=base, counted=counted)
    for changes in range(1, _MAX_CAUSES + 1):
        matching = [h for h in base.alternatives(counts, changes) if h.method.reproduces(row.numbers, counts[h.key])]
        if matching:
            explanations = tuple(dict.fromkeys(base.causes(hypothesis, class_labels) for hypothesis in matching))
            return AuditedRow(row, Verdict.EXPLAINED, explanations, matching[0], counted)
    near = tuple(dict.fromkeys(_near_misses(row, base, counts, class_labels)))[:_MAX_NEAR_MISSES]
    return AuditedRow(row, Verdict.UNEXPLAINED, counted=counted, near_misses=near)


def _near_misses(row: PublishedRow, base: Hypothesis, counts: CountsByKey, class_labels: Mapping[str, str]) -> Iterator[NearMiss]:
    """Models whose figures the row has by mistake, then single causes and the convention itself by their error."""
    for key in counts:
        is_other_model = key.arch != base.key.arch and key.variant == base.key.variant
        if is_other_model and base.method.reproduces(row.numbers, counts[key]):
            yield NearMiss(f"the figures are those of {key.arch} at {key.input}", 0.0)
    plain = base.method.figures(counts[base.key])
    single_causes = [h for h in base.alternatives(counts, 1) if h.method.figures(counts[h.key]) != plain]
    near = [
        NearMiss(", ".join(base.causes(h, class_labels)) or "as the table counts", _largest_error(h, counts, row))
        for h in (base, *single_causes)
    ]
    yield from sorted(near, key=lambda miss: abs(miss.relative_error))


def _largest_error(hypothesis: Hypothesis, counts: CountsByKey, row: PublishedRow) -> float:
    figures = hypothesis.method.figures(counts[hypothesis.key])
    return max((number.relative_error(figures[quantity]) for quantity, number in row.numbers.items()), key=abs)
