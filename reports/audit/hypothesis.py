"""Hypotheses about how a published row came about: which model was counted, and by which method.

The audit fits nothing: a hypothesis reproduces a row to its last printed digit, or it does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reports.audit.counting_method import DEFAULT_METHOD, CountingMethod, methods_at_distance
from reports.audit.model_counts import ModelCounts
from zoo.records import CostKey, Variant

CountsByKey = Mapping[CostKey, ModelCounts]


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """The model that was counted (variant, input size, classes), and the counting method."""

    key: CostKey
    method: CountingMethod = DEFAULT_METHOD

    def alternatives(self, counts: CountsByKey, changes: int) -> Iterator[Hypothesis]:
        """Hypotheses about counted models that differ from this one in exactly so many fields, of the key or of the method."""
        same_model = [key for key in counts if (key.zoo, key.arch, key.batch) == (self.key.zoo, self.key.arch, self.key.batch)]
        for key in sorted(same_model, key=lambda key: (key.variant, key.input, key.classes or 0)):
            differing = sum(mine != its for mine, its in zip(key, self.key, strict=True))
            if differing == changes:
                yield Hypothesis(key, self.method)
            elif differing < changes:
                yield from (Hypothesis(key, method) for method in methods_at_distance(self.method, changes - differing))

    def causes(self, other: Hypothesis, class_labels: Mapping[str, str]) -> tuple[str, ...]:
        """What was done differently in `other`, one phrase each.

        Args:
            other: what reproduces a row of a table that this hypothesis describes as a whole.
            class_labels: datasets by number of classes: {"21843": "imagenet-21k"}.
        """
        return (*_model_differences(self.key, other.key, class_labels), *self.method.differences(other.method))


def _model_differences(base: CostKey, other: CostKey, class_labels: Mapping[str, str]) -> Iterator[str]:
    if base.variant != other.variant:
        yield "of the re-parameterised model" if other.variant == Variant.DEPLOY else "of the model before re-parameterisation"
    if other.input.startswith(f"{base.input};"):
        limits = other.input.removeprefix(f"{base.input};").replace("=", " ").replace(";", ", ")
        yield f"for an image with {limits}, not for the maximum"
    elif base.input != other.input:
        yield f"at input {other.input}, not {base.input}"
    if base.classes != other.classes:
        label = class_labels.get(str(other.classes))
        named = f" ({label})" if label else ""
        yield f"with {other.classes} classes{named}, not {base.classes}" if other.classes else "without a classifier"
