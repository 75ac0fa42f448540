"""Counting what a zoo says a model is called with."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import nullcontext

from zoo.adapters.base import Example
from zoo.counting.cost import Cost
from zoo.recording.memo import Memo


def example_cost(example: Example, counting: Callable[[Memo], Cost], memo: Memo) -> Cost:
    """The cost of one pass inside the example's context, with what the example says of it.

    Args:
        example: what the model is called with.
        counting: counts the pass, sharing the results remembered in the memo it is given.
        memo: results of other passes; not shared with an example that has a context, whose answers hold for it alone.
    """
    with example.context():
        cost = counting(memo if example.context is nullcontext else Memo())
    weight_bytes = cost.weight_bytes if example.weight_bytes is None else example.weight_bytes
    cost = dataclasses.replace(cost, weight_bytes=weight_bytes)
    return cost.assuming(example.assumption) if example.assumption else cost
