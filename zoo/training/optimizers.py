"""What an optimiser keeps between steps, and what it allocates in one: torch's own, run on parameters that hold nothing.

torch's optimisers update one parameter after another on the CPU and all together on a GPU (`foreach`). So each distinct shape is run once
in either way: the largest one's temporaries are a step's, or the sum of all.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from zoo.meta.new_tensors import META
from zoo.operators.op_record import tensors_in
from zoo.recording.memo import Memo
from zoo.recording.recorder import Recorder
from zoo.training.training_totals import TrainingTotals

OptimizerFactory = Callable[[Iterable[nn.Parameter]], Optimizer]
"""Makes an optimiser of parameters, such as `torch.optim.AdamW`."""

OPTIMIZERS: Mapping[str, OptimizerFactory] = {
    "sgd": functools.partial(SGD, lr=0.1),
    "sgd-momentum": functools.partial(SGD, lr=0.1, momentum=0.9),
    "adam": Adam,
    "adamw": AdamW,
}
"""Those of every count, by name, with torch's defaults."""


@dataclass(frozen=True, slots=True)
class OptimizerCost:
    """Memory of an optimiser."""

    state_bytes: (
        int  # kept between steps, of all parameters that get a gradient; numbers on the host, such as the step's, excluded
    )
    temporary_bytes: int  # most bytes that a step allocates and frees, beside parameters, gradients and state, one after another
    foreach_bytes: int  # the same where all parameters are updated together, as far as the optimiser can


def optimizer_cost(factory: OptimizerFactory, params: Sequence[Tensor], memo: Memo) -> OptimizerCost:
    """The memory of an optimiser of these parameters, all of which have a gradient."""
    alike = Counter((param.shape, param.stride(), param.dtype) for param in params)
    state, temporary, together = 0, 0, 0
    for (shape, strides, dtype), count in alike.items():
        param = nn.Parameter(torch.empty_strided(shape, strides, dtype=dtype, device=META))
        param.grad = torch.empty_like(param)
        optimizer = factory([param])
        optimizer.step()  # the first one makes the state
        state += count * _state_bytes(optimizer)
        temporary = max(temporary, _temporary_bytes(optimizer, memo))
        together += count * _temporary_bytes(_with_foreach(optimizer), memo)
    return OptimizerCost(state, temporary, together)


def _with_foreach(optimizer: Optimizer) -> Optimizer:
    for group in optimizer.param_groups:
        if "foreach" in group:
            group["foreach"] = True
    return optimizer


def _state_bytes(optimizer: Optimizer) -> int:
    kept: Any = list(optimizer.state.values())
    return sum(tensor.untyped_storage().nbytes() for tensor in tensors_in(kept) if tensor.is_meta)


def _temporary_bytes(optimizer: Optimizer, memo: Memo) -> int:
    totals = TrainingTotals(memo)
    with Recorder(totals, (), memo):
        optimizer.step()
    totals.stop()
    return totals.memory.peak
