"""What autograd keeps of a forward pass for the backward pass, observed through its hooks for saved tensors."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from zoo.recording.lifetimes import LifetimeObserver


class SavedTensors(LifetimeObserver):
    """The storages that are saved at a moment, each once, with the module that was the first to save it.

    Args:
        modules: stack of the modules being called.
        excluded: tensors whose memory is not activations, such as parameters and buffers.
    """

    def __init__(self, modules: Sequence[nn.Module], excluded: Iterable[Tensor]) -> None:
        super().__init__()
        self._modules = modules
        self._excluded = {tensor.untyped_storage()._cdata for tensor in excluded}
        self._saved: dict[int, tuple[int, nn.Module | None]] = {}
        self._labels = 0

    def saving(self) -> contextlib.AbstractContextManager[None]:
        """Observes what is saved while the context lasts."""
        return torch.autograd.graph.saved_tensors_hooks(self._save, lambda tensor: tensor)

    def on_death(self, label: int) -> None:
        self._saved.pop(label, None)

    def nbytes(self) -> Counter[nn.Module | None]:
        """Bytes that are saved now, by module."""
        total: Counter[nn.Module | None] = Counter()
        for nbytes, module in self._saved.values():
            total[module] += nbytes
        return total

    def _save(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._excluded and self.observe(storage, storage._cdata, self._labels):
            self._saved[self._labels] = storage.nbytes(), self._modules[-1] if self._modules else None
            self._labels += 1
        return tensor
