"""Memory of optimisers: their state between steps, and what a step allocates. torch's optimisers run on parameters without data.

They update one parameter after another on the CPU and all together on a GPU (`foreach`). So each distinct shape is run once with either
setting. A step takes the largest temporary memory of a shape, or with `foreach` the sum over all parameters.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from zoo.counting.totals import GradientTotals
from zoo.meta.new_tensors import META
from zoo.operators.op_record import tensors_in
from zoo.recording.memo import Memo
from zoo.recording.recorder import Recorder

OptimizerFactory = Callable[[Iterable[nn.Parameter]], Optimizer]
"""Makes an optimiser for parameters, such as `torch.optim.AdamW`."""

OPTIMIZERS: Mapping[str, OptimizerFactory] = {
    "sgd": functools.partial(SGD, lr=0.1),
    "sgd-momentum": functools.partial(SGD, lr=0.1, momentum=0.9),
    "adam": Adam,
    "adamw": AdamW,
}
"""Optimisers of every count by name, with torch's defaults."""


@dataclass(frozen=True, slots=True)
class OptimizerCost:
    """Memory of an optimiser."""

    state_bytes: int  # between steps, of all parameters with a gradient; numbers on the host, such as the step count, excluded
    temporary_bytes: int  # peak of what a step allocates and frees, if it updates one parameter after another
    foreach_bytes: int  # the same if it updates all parameters together, where the optimiser supports that


def optimizer_cost(factory: OptimizerFactory, params: Sequence[Tensor], memo: Memo) -> OptimizerCost:
    """The memory of an optimiser of these parameters, all of which have a gradient."""
    alike = Counter((param.shape, param.stride(), param.dtype) for param in params)
    state, temporary, together = 0, 0, 0
    for (shape, strides, dtype), count in alike.items():
        param = nn.Parameter(torch.empty_strided(shape, strides, dtype=dtype, device=META))
        param.grad = torch.empty_like(param)
        optimizer = factory([param])
        optimizer.step()  # the first step makes the state
        state_tensors = tensors_in(list(optimizer.state.values()))
        state += count * sum(tensor.untyped_storage().nbytes() for tensor in state_tensors if tensor.is_meta)
        temporary = max(temporary, _temporary_bytes(optimizer, memo))
        for group in optimizer.param_groups:
            group.update({"foreach": True} if "foreach" in group else {})
        together += count * _temporary_bytes(optimizer, memo)
    return OptimizerCost(state, temporary, together)


def _temporary_bytes(optimizer: Optimizer, memo: Memo) -> int:
    totals = GradientTotals(memo)
    with Recorder(totals, (), memo):
        optimizer.step()
    totals.stop()
    return totals.memory.peak
