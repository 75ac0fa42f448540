"""Records of a pass for counts: the operations of each module, and the bytes of live activations.

Sizes are those of storages, before any allocator's rounding; scratch memory inside kernels depends on the backend and is excluded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from zoo.operators.device_layouts import CPU_SHORTCUTS, TRAINING_SHORTCUTS
from zoo.operators.op_record import OpRecord, make_op_record
from zoo.operators.operator_kinds import UNRECORDED, Kind
from zoo.recording.lifetimes import LifetimeObserver
from zoo.recording.memo import CallEntry, Memo, Operator, Storages


class LiveBytes(LifetimeObserver):
    """Sum of the bytes alive now, and its maximum."""

    def __init__(self) -> None:
        super().__init__()
        self.live = 0
        self.peak = 0
        self.peak_owner: Any = None

    def add(self, storage: torch.UntypedStorage, nbytes: int, owner: Any) -> None:
        """Adds a new storage, unless it was added before; keeps `owner` if the sum is a new maximum."""
        if self.observe(storage, storage._cdata, nbytes):
            self.live += nbytes
            if self.live > self.peak:
                self.peak = self.live
                self.peak_owner = owner

    def on_death(self, label: int) -> None:
        self.live -= label


class Totals:
    """A sink for `zoo.recording.recorder.Recorder`: each operation with its module, and the peak of memory."""

    name = "totals"
    shortcuts = CPU_SHORTCUTS
    inlines_parts = False
    follows_values = False
    has_gradients = False  # whether the pass may differentiate

    def __init__(self, memo: Memo) -> None:
        self._memo = memo
        self.calls: list[tuple[nn.Module | None, OpRecord]] = []
        self.composites: set[str] = set()
        self.memory = LiveBytes()

    def describe(self, operator: Operator, args: Any, kwargs: Any, out: Any, is_fresh: bool) -> tuple[OpRecord, ...]:
        """The record of a call that computes or moves data; empty for other calls."""
        operation = operator.operation
        is_work = is_fresh or operator.is_mutable or operation.macs is not None or operation.kind == Kind.UNKNOWN
        if operation.kind in UNRECORDED or not is_work:
            return ()
        return (self._shared_record(make_op_record(operator.name, operation, args, kwargs, out)),)

    def _shared_record(self, record: OpRecord) -> OpRecord:
        """The one object for all equal records, so that they compare by identity."""
        shared: OpRecord = self._memo.records.setdefault(record, record)
        return shared

    def describe_parts(self) -> tuple[OpRecord, ...]:
        self.stop()
        return tuple([record for _, record in self.calls])

    def empty(self) -> Totals:
        return type(self)(self._memo)

    def stop(self) -> None:
        self.memory.stop()

    def operation_at(self, position: int) -> str:
        return self.calls[position][1].operation

    def mark_contraction(self, position: int) -> None:
        module, record = self.calls[position]
        contraction = replace(record, operation="einsum", kind=Kind.MATMUL, macs=record.elements_out)
        self.calls[position] = module, self._shared_record(contraction)

    def add(self, entry: CallEntry, module: nn.Module | None, tensors: Sequence[Tensor], out: Any, made: Storages) -> None:
        for record in entry.description:
            self.calls.append((module, record))
        for storage in made:
            self.memory.add(storage, storage.nbytes(), module)


class GradientTotals(Totals):
    """The same for a pass with gradients: operators arrive as autograd decomposes them, such as `linear` as `addmm`."""

    name = "totals with gradients"
    shortcuts = TRAINING_SHORTCUTS
    has_gradients = True
