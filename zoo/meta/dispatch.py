"""Where in torch's dispatcher a pass is seen: before operators are decomposed, and without marks on the tensors that it makes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn


@contextlib.contextmanager
def below_autograd() -> Iterator[None]:
    """Lets a dispatch mode see operators whole (`conv2d`, `linear`), as `torch.inference_mode()` does.

    Tensors made in inference mode are inference tensors for ever: one that a model keeps, in a cache or a buffer, could never take
    part in training again. Leaving out autograd's dispatch keys has the same effect on dispatch, and the tensors are plain ones.
    """
    with torch.no_grad(), torch._C._AutoDispatchBelowADInplaceOrView():
        yield


@contextlib.contextmanager
def differentiating(model: nn.Module) -> Iterator[None]:
    """Lets a pass compute gradients, as in training; those that its tensors hold are put back when the context ends."""
    attributes = (value for module in model.modules() for value in vars(module).values())
    tensors = {
        id(one): one for one in (*model.parameters(), *model.buffers(), *attributes) if isinstance(one, Tensor) and one.is_leaf
    }
    kept = [(tensor, tensor.grad) for tensor in tensors.values()]
    try:
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        for tensor, grad in kept:
            tensor.grad = grad
