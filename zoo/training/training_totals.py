"""Records a training step: the operations of each phase with their modules, live bytes, and what autograd saves for the backward pass."""

from __future__ import annotations

import bisect
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from zoo.counting.count_model import join_calls
from zoo.counting.totals import GradientTotals
from zoo.recording.lifetimes import LifetimeObserver
from zoo.recording.memo import CallEntry, Memo, Storages
from zoo.training.training_cost import PhaseCost

_next_sequence_number = torch._C._autograd._get_sequence_nr
_running_node: Callable[[], Any] = torch._C._current_autograd_node


class TrainingTotals(GradientTotals):
    """A sink for `zoo.recording.recorder.Recorder`, for the forward and the backward pass of a training step.

    autograd numbers its nodes in the order of the forward pass. So an operation of the backward pass belongs to the module whose
    forward operation made the running node. If that node belongs to no recorded operation, such as a view, the operation belongs to the
    module of the next node.
    """

    name = "training"

    def __init__(self, memo: Memo) -> None:
        super().__init__(memo)
        self._node_numbers: list[int] = []
        self._node_modules: list[nn.Module] = []
        self._phase_start = 0

    def add(self, entry: CallEntry, module: nn.Module | None, tensors: Sequence[Tensor], out: Any, made: Storages) -> None:
        if module is None:
            module = self._module_of_running_node()
        else:
            self._note_module_of_new_node(module)
        super().add(entry, module, tensors, out, made)

    def end_phase(self, names: Mapping[int, str]) -> PhaseCost:
        """The cost of all calls since the last phase ended; starts the next phase. `names` are paths of modules by their identity."""
        rows = join_calls(self.calls[self._phase_start :], names)
        phase = PhaseCost(rows, self.memory.peak, names.get(id(self.memory.peak_owner), ""))
        self._phase_start = len(self.calls)
        self.memory.peak, self.memory.peak_owner = self.memory.live, None
        return phase

    def _note_module_of_new_node(self, module: nn.Module) -> None:
        """Notes the module of the newest node: autograd makes an operation's node before it runs the operation."""
        number = _next_sequence_number() - 1
        if not self._node_numbers or number > self._node_numbers[-1]:
            self._node_numbers.append(number)
            self._node_modules.append(module)

    def _module_of_running_node(self) -> nn.Module | None:
        node = _running_node()
        if node is None:
            return None
        number = node._sequence_nr()
        position = bisect.bisect_left(self._node_numbers, min(number, sys.maxsize))
        return self._node_modules[position] if position < len(self._node_modules) else None


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
