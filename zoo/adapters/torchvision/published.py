"""What torchvision states of the cost of its weights, in their metadata."""

from __future__ import annotations

from collections.abc import Iterable

from torchvision.models import get_model_weights

from zoo.records import Architecture, PublishedCost

_DECIMALS = 3
"""`_ops` is in units of 10**9 multiply-accumulates, to three decimals (torchvision's `test_ops` rounds so)."""


def published_costs(architectures: Iterable[Architecture]) -> list[PublishedCost]:
    """`num_params` and `_ops` of all weights, at the input these are evaluated at."""
    costs = []
    for architecture in architectures:
        for weights in architecture.weights:
            meta = get_model_weights(architecture.name)[weights.tag].meta
            costs.append(
                PublishedCost(architecture.name, weights.tag, weights.input, meta.get("num_params"), meta.get("_ops"), _DECIMALS)
            )
    return costs
