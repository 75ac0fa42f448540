"""Counts one forward pass: from a model and its inputs to a `Cost`."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from zoo.counting.cost import Cost
from zoo.counting.rows import OperationRow
from zoo.counting.totals import GradientTotals, Totals
from zoo.meta.build import without_collector
from zoo.meta.dispatch import below_autograd, differentiating
from zoo.meta.module_stack import Parts, class_name, follow_calls, list_parts, unchanged
from zoo.meta.new_tensors import META
from zoo.operators.op_record import OpRecord, storage_of
from zoo.recording.memo import Memo
from zoo.recording.recorder import Recorder


def count_model(
    model: nn.Module,
    inputs: Sequence[Any],
    memo: Memo | None = None,
    *,
    kwargs: Mapping[str, Any] | None = None,
    keep: bool = True,
    has_gradients: bool = False,
) -> Cost:
    """Runs a model on inputs on the meta device and counts its operations and memory.

    Args:
        model: in evaluation mode, its parameters on the meta device.
        inputs: positional arguments of `forward`, tensors on the meta device.
        kwargs: its keyword arguments.
        memo: results remembered from other passes; sharing one makes counting several times faster and changes no figure.
        keep: restore the model after the pass. Not restoring it is faster, and enough for its last pass.
        has_gradients: for a model whose forward pass differentiates, such as one that computes forces from an energy.

    Raises:
        Exception: whatever the model raises.
    """
    started = time.perf_counter()
    with without_collector(), unchanged(model) if keep else contextlib.nullcontext():
        parts = list_parts(model)  # before the pass, which may add tensors to the model
        totals = (GradientTotals if has_gradients else Totals)(Memo() if memo is None else memo)
        return cost_of_pass(model, inputs, kwargs or {}, totals, memo, parts, started)


def cost_of_pass(  # noqa: PLR0913, PLR0917  # called once without and once with values
    model: nn.Module,
    inputs: Sequence[Any],
    kwargs: Mapping[str, Any],
    totals: Totals,
    memo: Memo | None,
    parts: Parts,
    started: float,
) -> Cost:
    """Runs one pass and returns its cost.

    Args:
        model: in evaluation mode.
        inputs: positional arguments of `forward`.
        kwargs: its keyword arguments.
        totals: an empty sink for the pass.
        memo: results remembered from other passes; None remembers nothing.
        parts: of the model, listed before the pass.
        started: `time.perf_counter()` when the count began.

    Raises:
        Exception: whatever the model raises.
    """
    with contextlib.ExitStack() as contexts:
        contexts.enter_context(without_collector())
        contexts.enter_context(torch.backends.opt_einsum.flags(enabled=False))  # it would reorder products where it is installed
        contexts.enter_context(differentiating(model) if totals.has_gradients else below_autograd())
        modules, called = contexts.enter_context(follow_calls())
        with Recorder(totals, modules, memo) as recorder:
            model(*inputs, **kwargs)
    totals.memory.stop()
    return Cost(
        params=sum(p.numel() for p in parts.params),
        buffers=sum(b.numel() for b in parts.buffers),
        weight_bytes=storage_bytes([*parts.params, *parts.buffers]),
        peak_activation_bytes=totals.memory.peak,
        peak_module=parts.names.get(id(totals.memory.peak_owner), ""),
        rows=join_calls(totals.calls, parts.names),
        modules=tuple(parts.modules),
        never_called=parts.never_called(called),
        seconds=time.perf_counter() - started,
        assumption="; ".join(recorder.assumptions) or None,
    )


def meta_input(shape: Sequence[int], *, batch: int = 1, dtype: torch.dtype = torch.float32) -> Tensor:
    """An input of this shape without data, with the batch before it."""
    return torch.empty((batch, *shape), dtype=dtype, device=META)


def storage_bytes(tensors: Iterable[Tensor]) -> int:
    """Bytes of the storages of tensors, each once."""
    return sum({storage._cdata: storage.nbytes() for t in tensors if (storage := storage_of(t)) is not None}.values())


def join_calls(calls: Iterable[tuple[nn.Module | None, OpRecord]], names: Mapping[int, str]) -> tuple[OperationRow, ...]:
    """A row for all equal calls of a module, in the order of first calls; `names` are paths of modules by their identity."""
    joined: dict[tuple[int, int], list[Any]] = {}
    for position, (module, op) in enumerate(calls):
        row = joined.get((id(module), id(op)))  # equal records are one object
        if row is None:
            joined[id(module), id(op)] = [position, module, op, 1]
        else:
            row[3] += 1
    return tuple(
        [
            OperationRow(position, names.get(id(module), ""), class_name(module), op, calls)
            for position, module, op, calls in joined.values()
        ]
    )
