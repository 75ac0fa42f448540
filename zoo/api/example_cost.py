"""Counting what a zoo says a model is called with."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from contextlib import nullcontext

from torch import nn

from zoo.adapters.base import Example
from zoo.counting.cost import Cost
from zoo.counting.count_model import count_model
from zoo.counting.count_with_values import count_with_values, needs_values
from zoo.errors import ZooError
from zoo.recording.memo import Memo


def count_example(model: nn.Module, example: Example, memo: Memo, rebuild: Callable[[], nn.Module], *, keep: bool = True) -> Cost:
    """The cost of a zoo's model: without values, or with random ones where it decides by them, as `zoo.count` does.

    Args:
        model: in evaluation mode, its parameters on the meta device.
        example: what it is called with.
        memo: results remembered from other passes.
        rebuild: makes the model again, because a pass that fails may leave anything in it.
        keep: leave the model as it was, if the first pass succeeds.

    Raises:
        ZooError: if the model decides by values, and a pass with them takes too much time or memory.
        Exception: whatever the model raises without values.
    """
    try:
        counting = functools.partial(count_model, model, example.args, kwargs=example.kwargs, keep=keep)
        return example_cost(example, counting, memo)
    except Exception as error:
        if not needs_values(error):
            raise
        failure = error
    try:
        return example_cost(example, lambda _: count_with_values(rebuild(), example.args, example.kwargs), memo)
    except Exception as error:
        if isinstance(error, ZooError) or is_out_of_memory(error):
            raise
        raise failure from error


def is_out_of_memory(error: Exception) -> bool:
    """Whether Python or torch could not allocate memory."""
    return isinstance(error, MemoryError) or "allocate memory" in str(error)


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
