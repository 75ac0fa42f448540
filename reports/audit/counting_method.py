"""The methods by which published tables count: convention, treatment of attention and norms, unit of the MACs column."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from fractions import Fraction

from reports.audit.model_counts import ModelCounts
from reports.audit.printed_number import PrintedNumber
from zoo.counting.conventions import CONVENTIONS


class Attention(StrEnum):
    """How fused attention was counted."""

    COUNTED = "counted"  # as one operation: its products, and the elements of its result
    SEPARATE = "separate"  # as two products with the scores between them: more elements are written
    MISSED = "missed"  # the tool had no rule for it


class MacsUnit(StrEnum):
    """The quantity in the MACs column."""

    MACS = "MACs"
    FLOPS = "FLOPs"
    HALVES = "halves of MACs"  # MACs mistaken for FLOPs and divided by two


_FACTORS = {MacsUnit.MACS: Fraction(1), MacsUnit.FLOPS: Fraction(2), MacsUnit.HALVES: Fraction(1, 2)}


@dataclass(frozen=True, slots=True)
class CountingMethod:
    """How a model was counted. The default is the `matmul` convention with nothing left out."""

    convention: str = "matmul"
    attention: Attention = Attention.COUNTED
    unit: MacsUnit = MacsUnit.MACS
    misses_unseen: bool = False  # operations that the tool has no rule for count as zero, fused attention apart
    training_norms: bool = False  # batch norms were counted in training mode
    skips_standardisation: bool = False  # weight standardisation was not counted, though the convention counts norms

    def figures(self, counts: ModelCounts) -> dict[str, Fraction]:
        """The exact figures that this method gives for a model, MACs in MACs."""
        name = self.convention
        amount, written = counts.totals[name], counts.activations
        if self.attention is Attention.MISSED:
            amount, written = amount - counts.attention_macs, written - counts.attention_out
        if self.attention is Attention.SEPARATE:
            written += counts.attention_scores
        if self.misses_unseen:
            amount, written = amount - counts.unseen[name], written - counts.unseen_activations[name]
        if name == "fvcore":
            amount += counts.training_norms if self.training_norms else 0
            amount -= counts.standardisation if self.skips_standardisation else 0
        per_mac = 1 if CONVENTIONS[name].unit == "MACs" else 2
        macs = Fraction(amount, per_mac) * _FACTORS[self.unit]
        return {"params": Fraction(counts.params), "macs": macs, "activations": Fraction(written)}

    def reproduces(self, printed: Mapping[str, PrintedNumber], counts: ModelCounts) -> bool:
        """Whether this method gives every printed number of a row; a table in FLOPs may have doubled rounded MACs."""
        figures = self.figures(counts)
        is_doubled = self.unit is MacsUnit.FLOPS
        return all(
            number.admits(figures[quantity]) or (is_doubled and quantity == "macs" and number.is_double(figures[quantity] / 2))
            for quantity, number in printed.items()
        )

    def differing_fields(self, other: CountingMethod) -> tuple[str, ...]:
        """Names of the fields in which two methods differ."""
        return tuple(field.name for field in fields(self) if getattr(self, field.name) != getattr(other, field.name))

    def differences(self, other: CountingMethod) -> list[str]:
        """What `other` does differently from this method, one phrase for each field."""
        phrases = _phrases(self, other)
        return [phrases[name] for name in self.differing_fields(other)]

    def __str__(self) -> str:
        """The convention, then everything that is not the default: `convention fvcore, fused attention not counted`."""
        return ", ".join([f"convention {self.convention}", *CountingMethod(self.convention).differences(self)])


def _phrases(base: CountingMethod, other: CountingMethod) -> dict[str, str]:
    is_more = _FACTORS[other.unit] > _FACTORS[base.unit]
    tool = CONVENTIONS[other.convention].version
    return {
        "convention": f"convention {other.convention}, not {base.convention}",
        "attention": _ATTENTION[other.attention],
        "unit": "FLOPs instead of MACs, twice as many" if is_more else "MACs mistaken for FLOPs and halved",
        "misses_unseen": f"operations that {tool} has no rule for {'not ' if other.misses_unseen else ''}counted",
        "training_norms": f"normalisation counted in {'training' if other.training_norms else 'evaluation'} mode",
        "skips_standardisation": f"weight standardisation {'not ' if other.skips_standardisation else ''}counted",
    }


_ATTENTION = {
    Attention.COUNTED: "fused attention counted as one operation",
    Attention.SEPARATE: "attention counted as separate products, scores included",
    Attention.MISSED: "fused attention not counted",
}
_CONVENTIONS = ("matmul", "fvcore", "ptflops-aten", "ptflops-pytorch", "all")
DEFAULT_METHOD = CountingMethod()


@functools.cache
def all_methods() -> tuple[CountingMethod, ...]:
    """Every method by which a table may have been counted, those closest to the default first."""
    flags = (False, True)
    methods = [CountingMethod(*choice) for choice in itertools.product(_CONVENTIONS, Attention, MacsUnit, flags, flags, flags)]
    sensible = [
        method
        for method in methods
        if (not (method.training_norms or method.skips_standardisation) or method.convention == "fvcore")
        and (not method.misses_unseen or method.convention != "all")
    ]
    return tuple(sorted(sensible, key=lambda method: len(DEFAULT_METHOD.differing_fields(method))))


def methods_at_distance(base: CountingMethod, changes: int) -> list[CountingMethod]:
    """The methods that differ from one in exactly this number of fields."""
    return [method for method in all_methods() if len(base.differing_fields(method)) == changes]
