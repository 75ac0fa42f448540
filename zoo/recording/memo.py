"""Calls seen before: what is remembered of an operator and of each distinct call of it.

A meta kernel's result depends only on the operator and on its arguments' shapes, strides and dtypes. For each such call the memo
keeps what the result looks like and its description, so that the second layer of a kind costs a dictionary look-up instead of a
kernel. Only operators that return fresh storage are answered from the memo; views and in-place ones always run.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from zoo.operators.operator_kinds import MATRIX_KINDS, Kind, Operation, operator_name
from zoo.operators.own_formulas import formulas_in_force, known_operation
from zoo.operators.run_operator import is_composite, is_view
from zoo.recording.autocast import Autocast, Policy


class Action:
    """What to do when a call is seen again."""

    CALL = 0  # run the operator; its result aliases an argument, or depends on values
    TRACK = 1  # run it; some of its results may be fresh
    FIRST = 2  # it returns its first argument
    FRESH = 3  # its results are known: make empty tensors like them


Storages = Sequence[torch.UntypedStorage]


class CallEntry:
    """What is remembered of one distinct call."""

    __slots__ = ("action", "description", "result", "results", "sequence")

    def __init__(self, action: int, description: Any) -> None:
        self.action = action
        self.description = description  # what the sink made of the call
        self.result: tuple[Any, ...] | None = None  # (shape, strides, dtype) of the only one
        self.results: tuple[Any, ...] = ()  # the same of several, None for an absent one
        self.sequence: type | None = None  # which holds them


class Operator:
    """An operator, what the tables say of it, and its distinct calls."""

    __slots__ = ("arguments", "calls", "func", "is_composite", "is_mutable", "is_view", "name", "operation", "policy")

    def __init__(self, func: Any, policies: Mapping[str, Policy] | None) -> None:
        self.func = func  # kept alive, so that its identity is never used twice
        self.name = operator_name(func)
        self.policy = policies.get(func.name()) if policies is not None else None
        operation = known_operation(self.name)
        # Autocast looks into composites that it does not list, such as a convolution with padding="same".
        is_hidden = policies is not None and self.policy is None and operation is not None and operation.kind in MATRIX_KINDS
        self.is_composite = is_composite(func) and (operation is None or is_hidden)
        self.operation = operation or Operation(Kind.UNKNOWN)
        self.is_view = is_view(func)
        self.is_mutable = bool(func._schema.is_mutable)
        self.arguments = tuple([argument.name for argument in func._schema.arguments])
        self.calls: dict[Any, CallEntry] = {}


class Memo:
    """Operators and calls seen so far, shared by any number of passes in one process."""

    def __init__(self) -> None:
        self._operators: dict[tuple[str, str, Hashable], dict[int, Operator]] = {}
        self.records: dict[Any, Any] = {}  # one object for equal descriptions, so that they compare by identity

    def __len__(self) -> int:
        return sum(len(operator.calls) for operators in self._operators.values() for operator in operators.values())

    def operators(self, sink: str, autocast: Autocast | None) -> dict[int, Operator]:
        """Operators by identity (hashing one is a Python call), apart for each kind of sink, of autocast, and a user's formulas."""
        return self._operators.setdefault((sink, autocast.device_type if autocast else "", formulas_in_force()), {})


_NUMBERS = frozenset({int, float, bool})


def signature(values: Sequence[Any], kwargs: Mapping[str, Any], tensors: list[Tensor]) -> tuple[Any, ...]:
    """All that a meta kernel can see of its arguments, as a hashable value. Types are kept: 1, 1.0 and True are equal.

    Args:
        values: positional arguments.
        kwargs: keyword arguments.
        tensors: gets the tensors among them, in order.
    """
    parts: list[Any] = []
    for value in values:
        kind = value.__class__
        if kind is Tensor or kind is nn.Parameter or isinstance(value, Tensor):
            tensors.append(value)
            parts += (value.shape, value.stride(), value.dtype, value.is_meta)
        elif kind in _NUMBERS:
            parts += (kind, value)
        elif kind is list or kind is tuple:
            parts.append(signature(value, {}, tensors))
        else:
            parts.append(value)
    if kwargs:
        for name, value in kwargs.items():
            parts += (name, signature((value,), {}, tensors))
    return tuple(parts)


def make_entry(func: Any, args: Any, out: Any, storages_before: set[int], description: Any) -> CallEntry:
    """What may be done when the same call on the meta device comes again."""
    outs = out if isinstance(out, (tuple, list)) else (out,)
    if torch.Tag.inplace_view in func.tags:  # such as unsqueeze_, which changes its argument's shape
        return CallEntry(Action.CALL, description)
    if args and out is args[0]:
        return CallEntry(Action.FIRST, description)
    if all(not isinstance(t, Tensor) or t.untyped_storage()._cdata in storages_before for t in outs):
        return CallEntry(Action.CALL, description)
    if func._schema.is_mutable or not _can_be_made_again(outs, storages_before):
        return CallEntry(Action.TRACK, description)
    entry = CallEntry(Action.FRESH, description)
    results = [None if t is None else (t.shape, t.stride(), t.dtype) for t in outs]
    if isinstance(out, (tuple, list)):
        entry.sequence, entry.results = type(out), tuple(results)
    else:
        entry.result = results[0]
    return entry


def _can_be_made_again(outs: Sequence[Any], storages_before: set[int]) -> bool:
    """Whether each output is a plain tensor that fills a fresh storage of its own."""
    seen: set[int] = set(storages_before)
    for tensor in outs:
        if tensor is None:
            continue
        if type(tensor) is not Tensor:
            return False
        storage = tensor.untyped_storage()
        reach = 1 + sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
        extent = tensor.storage_offset() + (reach if tensor.numel() else 0)
        if storage._cdata in seen or extent * tensor.element_size() != storage.nbytes():
            return False
        seen.add(storage._cdata)
    return True
