"""Published figures with exactly the precision they were printed in, and what a counted model amounts to beside them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from zoo.counting.convention_rules import FVCORE_RULES, Row
from zoo.counting.conventions import CONVENTIONS
from zoo.operators.operations import MATRIX_KINDS, Kind
from zoo.operators.recorded_shapes import parse_shapes

QUANTITIES = ("params", "macs", "activations")
"""What is compared: parameters, multiply-accumulates and elements written by matrix operations."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A number as printed: every exact value from `low` to `high` rounds to it."""

    text: str
    low: Fraction
    high: Fraction

    @classmethod
    def printed(cls, text: str, *, scale: int = 1, decimals: int | None = None) -> Figure:
        """The figure a table prints, half a unit of its last digit to each side.

        Args:
            text: the number; thousands may be set off by commas.
            scale: what one unit of the column stands for: 10**9 for a column in GMACs.
            decimals: digits after the point that the table prints, where trailing zeros were dropped from the text.

        Raises:
            ValueError: if the text is no number.
        """
        digits = text.strip().replace(",", "")
        value = Fraction(digits)
        printed = len(digits.partition(".")[2]) if decimals is None else decimals
        half = Fraction(1, 2 * 10**printed)
        return cls(text.strip(), (value - half) * scale, (value + half) * scale)

    def over(self, divisor: Fraction) -> Figure:
        """The figure of a quantity so many times smaller: MACs from FLOPs."""
        return Figure(self.text, self.low / divisor, self.high / divisor)

    @property
    def middle(self) -> Fraction:
        """The value as printed."""
        return (self.low + self.high) / 2

    def admits(self, value: int | Fraction) -> bool:
        """Whether an exact value would be printed as this; a tie may be rounded either way."""
        return self.low <= value <= self.high

    def is_double(self, value: int | Fraction) -> bool:
        """Whether this is twice what the value is printed as: somebody doubled the rounded number."""
        half_a_digit = (self.high - self.low) / 2
        return abs(self.middle / 2 - value) <= half_a_digit

    def excess(self, value: int | Fraction) -> float:
        """How far the figure is from a value, as a share of it: 0.02 for a figure 2 % too high, 0 for one that admits it."""
        if self.admits(value):
            return 0.0
        nearest = self.low if value < self.low else self.high
        return float(nearest / value - 1) if value else math.inf


@dataclass(frozen=True, slots=True)
class Tally:
    """What one counted model amounts to in every way of counting that an audit considers."""

    params: int
    activations: int  # elements written by matrix operations
    totals: Mapping[str, int]  # by convention, in the convention's own unit
    unseen: Mapping[str, int]  # of each total, what the convention's tool does not see, fused attention apart
    unseen_activations: Mapping[str, int]
    attention_macs: int  # products inside fused attention
    attention_out: int  # elements it writes
    attention_scores: int  # entries of softmax(q k^T), which attention as separate products writes as well
    training_norms: int  # what batch normalisation weighs more in fvcore when it trains
    standardisation: int  # what fvcore counts for normalising weights

    @classmethod
    def of(cls, params: int, rows: Iterable[Row]) -> Tally:
        """Adds up the recorded operations of one model."""
        rows = list(rows)
        fused = [row for row in rows if row.facts.kind == Kind.ATTENTION]
        others = [row for row in rows if row.facts.kind != Kind.ATTENTION]
        unseen = {name: [row for row in others if c.unseen_by_tool(row)] for name, c in CONVENTIONS.items()}
        training, standardisation = _batch_norms(rows)
        return cls(
            params=params,
            activations=_written(rows),
            totals={name: convention.total(rows) for name, convention in CONVENTIONS.items()},
            unseen={name: sum(map(CONVENTIONS[name].weight, left_out)) for name, left_out in unseen.items()},
            unseen_activations={name: _written(left_out) for name, left_out in unseen.items()},
            attention_macs=sum(row.facts.macs * row.calls for row in fused),
            attention_out=_written(fused),
            attention_scores=sum(_scores(row) for row in fused),
            training_norms=training,
            standardisation=standardisation,
        )


def _written(rows: Iterable[Row]) -> int:
    return sum(row.facts.elements_out * row.calls for row in rows if row.facts.kind in MATRIX_KINDS)


def _scores(row: Row) -> int:
    shapes = parse_shapes(row.facts.shapes)
    return math.prod(shapes.output()[:-1]) * shapes.input(1)[-2] * row.calls


def _batch_norms(rows: Iterable[Row]) -> tuple[int, int]:
    """What fvcore would count more for evaluating batch norms if they trained, and what it counts for those that always do."""
    rule = FVCORE_RULES["batch_norm"]
    training, always = 0, 0
    for row in rows:
        if row.facts.operation != "batch_norm":
            continue
        shapes = parse_shapes(row.facts.shapes)
        if row.facts.arguments.startswith("True"):
            always += rule(row.facts, shapes) * row.calls
        else:
            training += (_TRAINING[shapes.has(1)] - _EVALUATING[shapes.has(1)]) * shapes.elements(0) * row.calls
    return training, always


_TRAINING, _EVALUATING = {True: 5, False: 4}, {True: 2, False: 1}
"""fvcore's operations for an element of a batch norm, with and without an affine part (`fvcore.nn.jit_handles`)."""
