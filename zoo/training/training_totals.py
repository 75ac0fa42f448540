"""What is recorded of a training step: the operations of each phase with the modules they belong to, and the bytes alive."""

from __future__ import annotations

import bisect
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from zoo.counting.totals import Totals
from zoo.operators.device_layouts import TRAINING_SHORTCUTS
from zoo.operators.op_record import OpRecord
from zoo.recording.memo import CallEntry, Memo

_next_sequence_number = torch._C._autograd._get_sequence_nr
_running_node: Callable[[], Any] = torch._C._current_autograd_node


@dataclass(frozen=True)
class RecordedPhase:
    """What happened between two moments of a step."""

    calls: list[tuple[nn.Module | None, OpRecord]]
    peak_bytes: int  # most bytes alive in it, of what was made in the step
    peak_owner: Any  # the module whose operation made that peak; None where it was reached before the phase


class TrainingTotals(Totals):
    """A sink for `zoo.recording.recorder.Recorder`, for a pass with gradients.

    autograd numbers its nodes in the order of the forward pass. So an operation of the backward pass belongs to the module whose
    operation made the node that is running; one whose node made no recorded operation of its own, such as a view, to the next one's.
    """

    name = "training"
    shortcuts = TRAINING_SHORTCUTS

    def __init__(self, memo: Memo) -> None:
        super().__init__(memo)
        self._node_numbers: list[int] = []
        self._node_modules: list[nn.Module] = []
        self._phase_start = 0

    def add(
        self,
        entry: CallEntry,
        module: nn.Module | None,
        tensors: Sequence[Tensor],
        out: Any,
        made: Sequence[torch.UntypedStorage],
    ) -> None:
        if module is None:
            module = self._module_of_node()
        else:
            self._own_node(module)
        super().add(entry, module, tensors, out, made)

    def end_phase(self) -> RecordedPhase:
        """What was recorded since the last phase ended; starts the next one."""
        phase = RecordedPhase(self.calls[self._phase_start :], self.memory.peak, self.memory.peak_owner)
        self._phase_start = len(self.calls)
        self.memory.peak, self.memory.peak_owner = self.memory.live, None
        return phase

    def _own_node(self, module: nn.Module) -> None:
        """Notes whose the youngest node is: autograd makes an operation's node before it runs the operation."""
        number = _next_sequence_number() - 1
        if not self._node_numbers or number > self._node_numbers[-1]:
            self._node_numbers.append(number)
            self._node_modules.append(module)

    def _module_of_node(self) -> nn.Module | None:
        node = _running_node()
        if node is None:
            return None
        number = node._sequence_nr()
        position = bisect.bisect_left(self._node_numbers, min(number, sys.maxsize))
        return self._node_modules[position] if position < len(self._node_modules) else None
