"""Stand-ins for a model's parameters and buffers in a training step, which writes gradients and statistics into them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from zoo.meta.module_stack import unchanged
from zoo.meta.new_tensors import META
from zoo.meta.weights import exchanged_tensors


@contextlib.contextmanager
def trainable_stand_ins(model: nn.Module) -> Iterator[None]:
    """Gives a model new parameters and buffers for the time of a step, and training mode; it is as before when the context ends.

    Floating-point ones hold nothing, others are copies, because their values may decide what is done. What is shared stays shared,
    what needs no gradient needs none. A model that is in training mode already keeps the mode of each of its modules, so that a
    frozen part in evaluation mode stays there; any other is put into it by its own `train()`.
    """
    with unchanged(model), exchanged_tensors(model, _stand_in, lambda module: (module._parameters, module._buffers)):
        if not model.training:
            with torch.no_grad():
                model.train()
        yield


def _stand_in(tensor: Tensor) -> Tensor:
    data = tensor.detach()
    twin = torch.empty_like(data, device=META) if data.is_floating_point() else data.clone()
    return nn.Parameter(twin, requires_grad=tensor.requires_grad) if isinstance(tensor, nn.Parameter) else twin
