"""The verdict on each published row: agrees, is explained by the fewest causes that reproduce it, or stays unexplained."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from reports.audit.figures import Figure, Tally
from reports.audit.readings import Counting, Measure, Reading, causes, countings, differences, neighbours
from zoo.records import CostKey, Variant

_MOST_CAUSES = 2
"""With more at once, something would fit by chance."""
_NEAREST = 3


class Verdict(StrEnum):
    """What became of a published row."""

    AGREES = "agrees"  # with the way its table counts, to the last printed digit
    EXPLAINED = "explained"  # reproduced to the last printed digit by the causes named
    UNEXPLAINED = "unexplained"  # nothing considered reproduces it
    UNKNOWN = "unknown"  # the model does not exist in the installed zoo, or could not be counted


@dataclass(frozen=True, slots=True)
class Published:
    """One row of a published table, joined to the model it is about."""

    line: int
    name: str
    key: CostKey | None  # None where the zoo has no such model
    figures: Mapping[str, Figure]  # by quantity; MACs in MACs, whatever the table's unit
    trouble: str = ""  # why there is no key


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something that comes near a row without reproducing it."""

    says: str
    excess: float  # how far the worst figure of the row is from it, as a share


@dataclass(frozen=True, slots=True)
class Judged:
    """A row with its verdict."""

    published: Published
    verdict: Verdict
    explanations: tuple[tuple[str, ...], ...] = ()  # each a set of causes; several where they cannot be told apart
    reading: Reading | None = None  # what reproduces the row, the first where there are several
    counted: Mapping[str, int] = field(default_factory=dict)  # what the table's way of counting gives for the model
    nearest: tuple[Candidate, ...] = ()
    reason: str = ""  # of UNKNOWN

    @property
    def worst(self) -> float:
        """The largest share by which a published figure exceeds (or falls short of) what its table's way of counting gives."""
        return max(
            (f.excess(self.counted[q]) for q, f in self.published.figures.items() if q in self.counted), key=abs, default=0.0
        )


Tallies = Mapping[CostKey, Tally]


@dataclass(frozen=True, slots=True)
class Manner:
    """How a whole table counts, as far as its rows tell."""

    counting: Counting
    variant: str
    agreeing: int  # rows that agree with it
    judged: int  # rows that could agree
    runner_up: Counting | None  # the next best way that gives other figures for some row
    runner_up_agreeing: int = 0

    @property
    def is_sure(self) -> bool:
        """Whether most rows agree, and enough of them with no other way of counting."""
        decisive = self.agreeing - self.runner_up_agreeing
        return 2 * self.agreeing > self.judged and decisive >= min(5, self.judged)


def find_manner(rows: Sequence[Published], tallies: Tallies) -> Manner:
    """The way of counting with which most rows agree, the plainest of those that do equally well."""
    joined = [row for row in rows if row.key is not None and row.key in tallies]
    ways = [(counting, variant) for variant in (Variant.TRAIN, Variant.DEPLOY) for counting in countings()]
    agreeing = {way: frozenset(_agreeing(joined, tallies, *way)) for way in ways}
    best = max(ways, key=lambda way: (len(agreeing[way]), -len(differences(Counting(), way[0])), way[1] == Variant.TRAIN))
    others = [way for way in ways if agreeing[way] != agreeing[best]]
    second = max(others, key=lambda way: len(agreeing[way]), default=None)
    return Manner(
        best[0], best[1], len(agreeing[best]), len(joined),
        second[0] if second else None, len(agreeing[second]) if second else 0,
    )  # fmt: skip


def _agreeing(rows: Iterable[Published], tallies: Tallies, counting: Counting, variant: str) -> Iterator[int]:
    for row in rows:
        assert row.key is not None
        tally = tallies.get(row.key._replace(variant=variant), tallies[row.key])
        if reproduces(counting, tally, row):
            yield row.line


def reproduces(counting: Counting, tally: Tally, row: Published) -> bool:
    """Whether a way of counting gives every figure of the row."""
    given = counting.figures(tally)
    doubled = counting.measure is Measure.FLOPS
    return all(
        figure.admits(given[quantity]) or (doubled and quantity == "macs" and figure.is_double(given[quantity] / 2))
        for quantity, figure in row.figures.items()
    )


def judge(row: Published, manner: Manner, tallies: Tallies, labels: Mapping[str, str]) -> Judged:
    """The verdict on one row.

    Args:
        row: the published figures.
        manner: how its table counts.
        tallies: every model counted so far; what the row may really be about is looked for among them.
        labels: what numbers of classes stand for.
    """
    if row.key is None:
        return Judged(row, Verdict.UNKNOWN, reason=row.trouble)
    base = Reading(_in_variant(row.key, manner.variant, tallies), manner.counting)
    if base.key not in tallies:
        return Judged(row, Verdict.UNKNOWN, reason=f"{row.key.zoo}/{row.key.arch} was not counted at {row.key.input}")
    counted = {q: round(value) for q, value in base.counting.figures(tallies[base.key]).items() if q in row.figures}
    if reproduces(base.counting, tallies[base.key], row):
        return Judged(row, Verdict.AGREES, reading=base, counted=counted)
    for changes in range(1, _MOST_CAUSES + 1):
        found = [r for r in _readings(base, tallies, changes) if reproduces(r.counting, tallies[r.key], row)]
        if found:
            explanations = tuple(dict.fromkeys(causes(base, reading, labels) for reading in found))
            return Judged(row, Verdict.EXPLAINED, explanations, found[0], counted)
    return Judged(row, Verdict.UNEXPLAINED, counted=counted, nearest=_nearest(row, base, tallies, labels))


def _in_variant(key: CostKey, variant: str, tallies: Tallies) -> CostKey:
    """The key in the table's variant, where the model has one."""
    wanted = key._replace(variant=variant)
    return wanted if wanted in tallies else key


def _readings(base: Reading, tallies: Tallies, changes: int) -> Iterator[Reading]:
    """Readings that differ from the base in exactly so many things: fields of the key, or of the counting."""
    alike = [key for key in tallies if (key.zoo, key.arch, key.batch) == (base.key.zoo, base.key.arch, base.key.batch)]
    for key in sorted(alike, key=lambda key: (key.variant, key.input, key.classes or 0)):
        structural = sum(mine != its for mine, its in zip(key, base.key, strict=True))
        if structural == changes:
            yield Reading(key, base.counting)
        elif structural < changes:
            yield from (Reading(key, counting) for counting in neighbours(base.counting, changes - structural))


def _nearest(row: Published, base: Reading, tallies: Tallies, labels: Mapping[str, str]) -> tuple[Candidate, ...]:
    """What comes nearest: a row it was mixed up with, else single causes and the model as it is."""
    mixed_up = [
        Candidate(f"the figures are those of {key.arch} at {key.input}", 0.0)
        for key in tallies
        if key.arch != base.key.arch and key.variant == base.key.variant and reproduces(base.counting, tallies[key], row)
    ]
    plain = base.counting.figures(tallies[base.key])
    telling = [reading for reading in _readings(base, tallies, 1) if reading.counting.figures(tallies[reading.key]) != plain]
    near = [
        Candidate(", ".join(causes(base, reading, labels)) or "as the table counts", _distance(reading, tallies, row))
        for reading in (base, *telling)
    ]
    ranked = sorted(near, key=lambda candidate: abs(candidate.excess))
    return tuple(dict.fromkeys([*mixed_up, *ranked]))[:_NEAREST]


def _distance(reading: Reading, tallies: Tallies, row: Published) -> float:
    given = reading.counting.figures(tallies[reading.key])
    return max((figure.excess(given[quantity]) for quantity, figure in row.figures.items()), key=abs)


def further_keys(row: Published, inputs: Iterable[str], classes: Iterable[int]) -> Iterator[CostKey]:
    """What else of a row's architecture is worth counting when nothing counted explains it: other sizes, other heads."""
    assert row.key is not None
    yield from (row.key._replace(input=size) for size in inputs if size != row.key.input)
    yield from (row.key._replace(classes=number) for number in classes if number != row.key.classes)
