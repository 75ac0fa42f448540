"""Counts a model on the arguments that its zoo gives for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import nullcontext

from torch import nn

from zoo.adapters.base import Example
from zoo.counting.cost import Cost
from zoo.counting.count_model import count_model
from zoo.counting.count_with_values import count_with_values
from zoo.counting.pass_mode import PassMode, run_in_simplest_mode
from zoo.recording.memo import Memo


def count_example(model: nn.Module, example: Example, memo: Memo, rebuild: Callable[[], nn.Module], *, keep: bool = True) -> Cost:
    """The cost of a zoo's model, as `zoo.count` counts it: with random values if its work depends on them, with gradients if it differentiates.

    Args:
        model: in evaluation mode, its parameters on the meta device.
        example: arguments of its forward pass.
        memo: results remembered from other passes.
        rebuild: makes the model again, because a pass that fails may leave anything in it.
        keep: leave the model as it was, if the first pass succeeds.

    Raises:
        ZooError: if the model's work depends on values, and a pass with them takes too much time or memory.
        Exception: whatever the model raises at first.
    """

    def count(mode: PassMode) -> Cost:
        is_first = mode == PassMode()
        return _count(model if is_first else rebuild(), example, memo, mode, keep=keep and is_first)

    return run_in_simplest_mode(count, raises_first_error=True)


def _count(model: nn.Module, example: Example, memo: Memo, mode: PassMode, *, keep: bool) -> Cost:
    def count(memo: Memo) -> Cost:
        if mode.has_values:
            return count_with_values(model, example.args, example.kwargs, has_gradients=mode.has_gradients)
        return count_model(model, example.args, memo, kwargs=example.kwargs, keep=keep, has_gradients=mode.has_gradients)

    return example_cost(example, count, memo)


def example_cost(example: Example, counting: Callable[[Memo], Cost], memo: Memo) -> Cost:
    """The cost of one pass inside the example's context, with the example's assumption and bytes of weights.

    Args:
        example: arguments of the model.
        counting: counts the pass with the memo that it gets.
        memo: results of other passes; not used for an example with a context, which changes results.
    """
    with example.context():
        cost = counting(memo if example.context is nullcontext else Memo())
    weight_bytes = cost.weight_bytes if example.weight_bytes is None else example.weight_bytes
    cost = dataclasses.replace(cost, weight_bytes=weight_bytes)
    return cost.assuming(example.assumption) if example.assumption else cost
