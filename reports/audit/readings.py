"""Ways of arriving at a published figure, and in what two of them differ.

A *reading* says what was counted (variant, input size, classes) and how (convention, what became of attention, MACs or FLOPs).
The audit never fits anything: a reading reproduces a row to its last printed digit, or it does not.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from fractions import Fraction

from reports.audit.figures import Tally
from zoo.counting.conventions import CONVENTIONS
from zoo.records import CostKey, Variant


class Attention(StrEnum):
    """What became of fused attention in a count."""

    COUNTED = "counted"  # as one operation: its products, and the elements of its result
    SEPARATE = "separate"  # as two products with the scores between them: more elements are written
    MISSED = "missed"  # the tool had no rule for it


class Measure(StrEnum):
    """What a figure under the heading of MACs really is."""

    MACS = "MACs"
    FLOPS = "FLOPs"
    HALVES = "halves of MACs"  # MACs taken for FLOPs, and divided by two once more


_FACTORS = {Measure.MACS: Fraction(1), Measure.FLOPS: Fraction(2), Measure.HALVES: Fraction(1, 2)}


@dataclass(frozen=True, slots=True)
class Counting:
    """How a model was counted. The plain way is the `matmul` convention with nothing left out."""

    convention: str = "matmul"
    attention: Attention = Attention.COUNTED
    measure: Measure = Measure.MACS
    misses_unseen: bool = False  # operations its tool has no rule for, fused attention apart, count as nothing
    training_norms: bool = False  # batch norms were counted as if the model trained
    skips_standardisation: bool = False  # the normalisation of weights was not counted, though the convention counts norms

    def figures(self, tally: Tally) -> dict[str, Fraction]:
        """What a table in this way of counting states of a model; MACs in MACs, exactly."""
        name = self.convention
        amount, written = tally.totals[name], tally.activations
        if self.attention is Attention.MISSED:
            amount, written = amount - tally.attention_macs, written - tally.attention_out
        if self.attention is Attention.SEPARATE:
            written += tally.attention_scores
        if self.misses_unseen:
            amount, written = amount - tally.unseen[name], written - tally.unseen_activations[name]
        if name == "fvcore":
            amount += tally.training_norms if self.training_norms else 0
            amount -= tally.standardisation if self.skips_standardisation else 0
        per_mac = 1 if CONVENTIONS[name].unit == "MACs" else 2
        macs = Fraction(amount, per_mac) * _FACTORS[self.measure]
        return {"params": Fraction(tally.params), "macs": macs, "activations": Fraction(written)}


@dataclass(frozen=True, slots=True)
class Reading:
    """What was counted, and how."""

    key: CostKey
    counting: Counting = Counting()


_CONVENTION_CHOICES = ("matmul", "fvcore", "ptflops-aten", "ptflops-pytorch", "all")


def countings() -> tuple[Counting, ...]:
    """Every way in which a whole table may have been counted, the plainest first."""
    ways = [
        Counting(convention, attention, measure, misses, training, skips)
        for convention, attention, measure, misses, training, skips in itertools.product(
            _CONVENTION_CHOICES, Attention, Measure, (False, True), (False, True), (False, True)
        )
        if (not (training or skips) or convention == "fvcore") and (not misses or convention != "all")
    ]
    return tuple(sorted(ways, key=lambda way: len(differences(Counting(), way))))


def differences(base: Counting, other: Counting) -> tuple[str, ...]:
    """Names of the fields in which two ways of counting differ."""
    return tuple(field.name for field in fields(Counting) if getattr(base, field.name) != getattr(other, field.name))


def neighbours(base: Counting, changes: int) -> Iterator[Counting]:
    """Ways of counting that differ from one in exactly so many fields."""
    return (way for way in countings() if len(differences(base, way)) == changes)


def describe(counting: Counting) -> str:
    """A way of counting in words: its convention, and what is not plain about it."""
    plain = Counting(counting.convention)
    return ", ".join(
        [f"convention {counting.convention}", *(_said(name, plain, counting) for name in differences(plain, counting))]
    )


def causes(base: Reading, other: Reading, names: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """What was done otherwise in `other` than in `base`, one sentence each.

    Args:
        base: how the table counts as a whole.
        other: what reproduces a row of it.
        names: what else the classes of a head stand for, by number: {"21843": "imagenet-21k"}.
    """
    said = [_said(name, base.counting, other.counting) for name in differences(base.counting, other.counting)]
    return (*_structural(base.key, other.key, names or {}), *said)


def _structural(base: CostKey, other: CostKey, names: Mapping[str, str]) -> Iterator[str]:
    if base.variant != other.variant:
        yield (
            "of the re-parameterised model"
            if other.variant == Variant.DEPLOY
            else "of the model as it trains, not re-parameterised"
        )
    if other.input.startswith(f"{base.input};"):
        found = other.input.removeprefix(f"{base.input};").replace("=", " ").replace(";", ", ")
        yield f"for an image with {found}, not for the most that can be found"
    elif base.input != other.input:
        yield f"at input {other.input}, not {base.input}"
    if base.classes != other.classes:
        if other.classes == 0:
            yield "without a classifier"
        else:
            known = names.get(str(other.classes))
            yield f"with {other.classes} classes{f' ({known})' if known else ''}, not {base.classes}"


def _said(field: str, base: Counting, other: Counting) -> str:
    """One difference in words."""
    match field:
        case "convention":
            return f"convention {other.convention}, not {base.convention}"
        case "attention":
            return _ATTENTION[other.attention]
        case "measure":
            is_more = _FACTORS[other.measure] > _FACTORS[base.measure]
            return "FLOPs where MACs are meant, twice as many" if is_more else "MACs taken for FLOPs and halved"
        case "misses_unseen":
            tool = CONVENTIONS[other.convention].version
            return f"operations that {tool} has no rule for {'not ' if other.misses_unseen else ''}counted"
        case "training_norms":
            return f"normalisation counted in {'training' if other.training_norms else 'evaluation'} mode"
        case _:
            return f"normalisation of weights {'not ' if other.skips_standardisation else ''}counted"


_ATTENTION = {
    Attention.COUNTED: "fused attention counted as one operation",
    Attention.SEPARATE: "attention as separate products, whose scores are written too",
    Attention.MISSED: "fused attention not counted",
}
