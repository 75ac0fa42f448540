"""Counting what a zoo says a model is called with."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import nullcontext

from torch import nn

from zoo.adapters.base import Example
from zoo.counting.cost import Cost
from zoo.counting.count_model import count_model
from zoo.counting.count_with_values import count_with_values
from zoo.counting.ways import Way
from zoo.errors import ZooError, message_of
from zoo.recording.memo import Memo


def count_example(model: nn.Module, example: Example, memo: Memo, rebuild: Callable[[], nn.Module], *, keep: bool = True) -> Cost:
    """The cost of a zoo's model, as `zoo.count` counts it: with random values where it decides by them, with gradients if it differentiates.

    Args:
        model: in evaluation mode, its parameters on the meta device.
        example: what it is called with.
        memo: results remembered from other passes.
        rebuild: makes the model again, because a pass that fails may leave anything in it.
        keep: leave the model as it was, if the first pass succeeds.

    Raises:
        ZooError: if the model decides by values, and a pass with them takes too much time or memory.
        Exception: whatever the model raises at first.
    """
    way, first = Way(), None
    while True:
        try:
            return _count(rebuild() if first else model, example, memo, way, keep=keep and not first)
        except Exception as error:
            following = way.after(error)
            if following is None:
                if first is None or isinstance(error, ZooError) or is_out_of_memory(error):
                    raise
                raise first from error
            way, first = following, first or error.with_traceback(None)  # whose frames would keep all tensors alive


def _count(model: nn.Module, example: Example, memo: Memo, way: Way, *, keep: bool) -> Cost:
    def count(memo: Memo) -> Cost:
        if way.has_values:
            return count_with_values(model, example.args, example.kwargs, has_gradients=way.has_gradients)
        return count_model(model, example.args, memo, kwargs=example.kwargs, keep=keep, has_gradients=way.has_gradients)

    return example_cost(example, count, memo)


def is_out_of_memory(error: Exception) -> bool:
    """Whether Python or torch could not allocate memory."""
    return isinstance(error, MemoryError) or "allocate memory" in message_of(error)


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
