"""Contexts for a pass that select where torch's dispatcher shows operators: whole, or as autograd decomposes them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn


@contextlib.contextmanager
def below_autograd() -> Iterator[None]:
    """Makes dispatch modes see operators whole (`conv2d`, `linear`), as in `torch.inference_mode()`.

    Tensors made in inference mode remain inference tensors: one that a model keeps, in a cache or a buffer, could not be used in training.
    Excluding autograd's dispatch keys has the same effect on dispatch, and makes normal tensors.
    """
    with torch.no_grad(), torch._C._AutoDispatchBelowADInplaceOrView():
        yield


@contextlib.contextmanager
def differentiating(model: nn.Module) -> Iterator[None]:
    """Enables gradients for a pass; the gradients in the model's tensors are restored when the context ends."""
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
