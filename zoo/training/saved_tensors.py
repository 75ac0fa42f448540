"""Observes what autograd saves for the backward pass, through its hooks for saved tensors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from torch import Tensor, nn

from zoo.recording.lifetimes import LifetimeObserver


class SavedTensors(LifetimeObserver):
    """The storages that are saved now, each once, with the first module that saved it.

    Args:
        modules: the stack of running modules.
        excluded: tensors whose memory is not activations, such as parameters and buffers.
    """

    def __init__(self, modules: Sequence[nn.Module], excluded: Iterable[Tensor]) -> None:
        super().__init__()
        self._modules = modules
        self._excluded = {tensor.untyped_storage()._cdata for tensor in excluded}
        self._saved: dict[int, tuple[int, nn.Module | None]] = {}
        self._labels = 0

    def on_death(self, label: int) -> None:
        self._saved.pop(label, None)

    def nbytes(self) -> Counter[nn.Module | None]:
        """Bytes that are saved now, by module."""
        total: Counter[nn.Module | None] = Counter()
        for nbytes, module in self._saved.values():
            total[module] += nbytes
        return total

    def save(self, tensor: Tensor) -> Tensor:
        """The hook that autograd calls with a tensor to be saved."""
        storage = tensor.untyped_storage()
        if storage._cdata not in self._excluded and self.observe(storage, storage._cdata, self._labels):
            self._saved[self._labels] = storage.nbytes(), self._modules[-1] if self._modules else None
            self._labels += 1
        return tensor
