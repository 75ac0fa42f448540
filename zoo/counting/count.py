"""Counting one forward pass: the way from a model and its inputs to a `Cost`."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from zoo.counting.build import META, without_collector
from zoo.counting.cost import Cost, OperationRow
from zoo.counting.modules import class_name, follow_modules, list_parts, unchanged
from zoo.counting.recorder import Memo, Recorder


def count_model(
    model: nn.Module, inputs: Sequence[Any], memo: Memo | None = None, *, kwargs: Mapping[str, Any] | None = None
) -> Cost:
    """Runs a model on inputs on the meta device and counts what happens.

    Args:
        model: in evaluation mode, its parameters on the meta device; it is not changed.
        inputs: positional arguments of `forward`, tensors on the meta device.
        kwargs: its keyword arguments.
        memo: results remembered from other passes; sharing one makes counting several times faster and changes no figure.

    Raises:
        Exception: whatever the model raises.
    """
    started = time.perf_counter()
    with contextlib.ExitStack() as contexts:
        contexts.enter_context(without_collector())
        contexts.enter_context(unchanged(model))
        contexts.enter_context(torch.backends.opt_einsum.flags(enabled=False))  # it would reorder products where it is installed
        contexts.enter_context(torch.inference_mode())
        modules = contexts.enter_context(follow_modules())
        recorder = Recorder(modules, memo)
        with recorder:
            model(*inputs, **(kwargs or {}))
    recorder.memory.forget()
    parts = list_parts(model)
    return Cost(
        params=sum(p.numel() for p in parts.params),
        buffers=sum(b.numel() for b in parts.buffers),
        weight_bytes=_storage_bytes([*parts.params, *parts.buffers]),
        peak_activation_bytes=recorder.memory.peak,
        peak_module=parts.names.get(id(recorder.memory.peak_owner), ""),
        rows=_rows(recorder, parts.names),
        modules=tuple(parts.modules),
        seconds=time.perf_counter() - started,
    )


def meta_input(shape: Sequence[int], *, batch: int = 1, dtype: torch.dtype = torch.float32) -> Tensor:
    """An empty input of this shape, the batch put before it."""
    return torch.empty((batch, *shape), dtype=dtype, device=META)


def _storage_bytes(tensors: Sequence[Tensor]) -> int:
    return sum({t.untyped_storage()._cdata: t.untyped_storage().nbytes() for t in tensors}.values())


def _rows(recorder: Recorder, names: dict[int, str]) -> tuple[OperationRow, ...]:
    """Joins equal calls of a module, in the order of their first call."""
    joined: dict[tuple[int, int], list[Any]] = {}
    for position, call in enumerate(recorder.recorded()):
        key = (id(call.module), id(call.facts))  # equal facts are one object
        if key in joined:
            joined[key][3] += 1
        else:
            joined[key] = [position, call.module, call.facts, 1]
    return tuple(
        OperationRow(position, names.get(id(module), ""), class_name(module), facts, calls)
        for position, module, facts, calls in joined.values()
    )
