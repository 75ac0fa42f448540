"""Records every operation of a forward pass on the meta device, and remembers the results of operators it has seen before.

A meta kernel's result depends only on the operator and on its arguments' shapes, strides and dtypes. `Memo` keeps, for each such
call, what the result looks like and the facts of the operation, so that the second layer of a kind costs a dictionary look-up
instead of a kernel; only operators that return fresh storage are answered from it, views and in-place ones always run.
Under `torch.inference_mode()` operators arrive un-decomposed: `conv2d`, `linear`, `scaled_dot_product_attention`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from zoo.counting.memory import LiveBytes
from zoo.meta.new_tensors import META
from zoo.operators.dispatch import is_composite, is_view, on_one_device, run_operator
from zoo.operators.einsum import find_products
from zoo.operators.op_record import OperationFacts, describe_call, tensors_in
from zoo.operators.operations import Kind, Operation, find_operation, operator_name


class _Action:
    """What to do when a call is seen again."""

    CALL = 0  # run the operator; its result aliases an argument, or depends on values
    TRACK = 1  # run it and follow its fresh storages
    FIRST = 2  # it returns its first argument
    FRESH = 3  # its results are known: make empty tensors like them


class _Entry:
    """What is remembered of one distinct call."""

    __slots__ = ("action", "facts", "is_sequence", "results")

    def __init__(self, action: int, facts: tuple[OperationFacts, ...]) -> None:
        self.action = action
        self.facts = facts
        self.results: tuple[Any, ...] = ()  # (shape, stride, dtype, bytes) of each, None for an absent one
        self.is_sequence: type | None = None


_Entries = dict[Any, _Entry]
_VIEWS: _Entries = {}
"""Stands in for the entries of operators that only give views."""


class Memo:
    """Calls seen so far, shared by any number of passes in one process."""

    def __init__(self) -> None:
        self.operators: dict[int, _Entries] = {}  # by identity: hashing an operator is a Python call
        self.facts: dict[OperationFacts, OperationFacts] = {}  # one object for equal facts, so that they compare by identity
        self._known: list[Any] = []  # keeps operators alive, so that an identity is never used twice

    def __len__(self) -> int:
        return sum(map(len, self.operators.values()))

    def entries_of(self, func: Any) -> _Entries:
        """The calls of an operator met for the first time: none yet."""
        self._known.append(func)
        entries = self.operators[id(func)] = _VIEWS if is_view(func) else {}
        return entries


@dataclass(frozen=True, slots=True)
class Call:
    """One operation as it happened: which module asked for it, and what it was."""

    module: torch.nn.Module | None
    facts: OperationFacts


class Recorder(TorchDispatchMode):
    """Dispatch mode that records operations; use it inside `torch.inference_mode()`, one instance a pass.

    Args:
        modules: stack of the modules being called, kept by `zoo.meta.module_stack.follow_modules`.
        memo: results remembered from earlier passes; None runs every operator.
    """

    def __init__(self, modules: Sequence[torch.nn.Module], memo: Memo | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._modules = modules
        self._memo = Memo() if memo is None else memo
        self._operators = self._memo.operators
        self._remembers = memo is not None
        self.calls: list[tuple[torch.nn.Module | None, tuple[OperationFacts, ...]]] = []
        self.memory = LiveBytes()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Spares a wrapper around every dispatch; nothing is compiled here."""
        return False

    def recorded(self) -> Iterator[Call]:
        """All recorded operations in order."""
        for module, facts in self.calls:
            for fact in facts:
                yield Call(module, fact)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """The hot path: some hundred thousand calls a minute, so it is written for speed."""
        kwargs = kwargs or {}
        entries = self._operators.get(id(func))
        if entries is None:
            entries = self._memo.entries_of(func)
        if entries is _VIEWS:
            return func(*args, **kwargs)
        key: Any
        try:
            key = _signature(args, kwargs)
            entry = entries.get(key)
        except TypeError:  # an argument that cannot be hashed
            key = entry = None
        if entry is None:
            return self._run_first(func, args, kwargs, key)
        module = self._modules[-1] if self._modules else None
        if entry.facts:
            self.calls.append((module, entry.facts))
        if entry.action == _Action.FRESH:
            return self._make_results(entry, module)
        if entry.action == _Action.FIRST:
            return args[0]
        if entry.action == _Action.CALL:
            return func(*args, **kwargs)
        args, kwargs = on_one_device(func, args, kwargs)
        out = run_operator(func, args, kwargs)
        self._follow(out, _storages((args, kwargs)), module)
        return out

    def _make_results(self, entry: _Entry, module: Any) -> Any:
        if entry.is_sequence is None:
            shape, stride, dtype, nbytes = entry.results[0]
            out = torch.empty_strided(shape, stride, dtype=dtype, device=META)
            self.memory.add_new(out.untyped_storage(), nbytes, module)
            return out
        outs: list[Tensor | None] = []
        for result in entry.results:
            if result is None:
                outs.append(None)
                continue
            shape, stride, dtype, nbytes = result
            out = torch.empty_strided(shape, stride, dtype=dtype, device=META)
            self.memory.add_new(out.untyped_storage(), nbytes, module)
            outs.append(out)
        return entry.is_sequence(outs)

    def _run_first(self, func: Any, args: Any, kwargs: Any, key: Any) -> Any:
        """Runs a call not seen before, describes it, and decides what can be remembered of it."""
        module = self._modules[-1] if self._modules else None
        is_meta = all(t.is_meta for t in tensors_in((args, kwargs)))
        if not is_meta:
            args, kwargs = on_one_device(func, args, kwargs)
        before = _storages((args, kwargs))
        out = run_operator(func, args, kwargs)
        fresh = self._follow(out, before, module)
        facts = self._describe(func, args, kwargs, out, moves_data=fresh or func._schema.is_mutable)
        if facts:
            self.calls.append((module, facts))
        if key is not None and self._remembers and (outs := list(tensors_in(out))):
            is_pure = is_meta and all(t.is_meta for t in outs)
            self._operators[id(func)][key] = (
                _remember(func, args, out, before, facts, fresh) if is_pure else _Entry(_Action.TRACK, facts)
            )
        return out

    def _follow(self, out: Any, old: set[int], module: Any) -> bool:
        """Adds the storages an operator has made to the live bytes; says whether there were any."""
        fresh = False
        for tensor in tensors_in(out):
            storage = tensor.untyped_storage()
            if storage._cdata not in old:
                self.memory.add(storage, storage.nbytes(), module)
                fresh = True
        return fresh

    def _describe(self, func: Any, args: Any, kwargs: Any, out: Any, *, moves_data: bool) -> tuple[OperationFacts, ...]:
        """The facts of a call: one record, the records of its parts for a composite we have no formula for, or none for a view."""
        name = operator_name(func)
        operation = find_operation(name)
        if operation is None and is_composite(func):
            return self._take_apart(func, args, kwargs)
        if operation is None:
            operation = Operation(Kind.UNKNOWN)
        is_work = moves_data or operation.macs is not None or operation.kind == Kind.UNKNOWN
        if operation.kind in (Kind.VIEW, Kind.ALLOCATE) or not is_work:
            return ()
        facts = describe_call(name, operation, args, kwargs, out)
        return (self._memo.facts.setdefault(facts, facts),)

    def _take_apart(self, func: Any, args: Any, kwargs: Any) -> tuple[OperationFacts, ...]:
        """Runs a composite operator's own kernel under a recorder of its own, so that its parts are counted."""
        parts = Recorder(())
        parts._memo = self._memo
        with parts:
            func._op_dk(torch._C.DispatchKey.CompositeImplicitAutograd, *args, **kwargs)
        parts.memory.forget()
        facts = [call.facts for call in parts.recorded()]
        if func._overloadpacket is torch.ops.aten.einsum:
            for position in find_products(args[0], [t.shape for t in args[1]], [fact.operation for fact in facts]):
                contraction = replace(facts[position], operation="einsum", kind=Kind.MATMUL, macs=facts[position].elements_out)
                facts[position] = self._memo.facts.setdefault(contraction, contraction)
        return tuple(facts)


_NUMBERS = frozenset({int, float, bool})


def _signature(args: Sequence[Any], kwargs: dict[str, Any] | None = None) -> tuple[Any, ...]:
    """All that a meta kernel can see of its arguments, as a hashable value. Types are kept: 1, 1.0 and True are equal."""
    parts: list[Any] = []
    for value in args:
        kind = value.__class__
        if kind in _NUMBERS:
            parts += (kind, value)
        elif kind is list or kind is tuple:
            parts.append(_signature(value))
        elif isinstance(value, Tensor):
            parts += (value.shape, value.stride(), value.dtype, value.is_meta)
        else:
            parts.append(value)
    if kwargs:
        for name, value in kwargs.items():
            parts += (name, _signature((value,)))
    return tuple(parts)


def _storages(arguments: Any) -> set[int]:
    return {tensor.untyped_storage()._cdata for tensor in tensors_in(arguments)}


def _remember(func: Any, args: Any, out: Any, before: set[int], facts: tuple[OperationFacts, ...], fresh: bool) -> _Entry:
    """What may be done when the same call on the meta device comes again."""
    outs = out if isinstance(out, (tuple, list)) else (out,)
    if torch.Tag.inplace_view in func.tags:  # such as unsqueeze_, which changes its argument's shape
        return _Entry(_Action.CALL, facts)
    if args and out is args[0]:
        return _Entry(_Action.FIRST, facts)
    if not fresh:
        return _Entry(_Action.CALL, facts)
    if func._schema.is_mutable or not _can_be_made_again(outs, before):
        return _Entry(_Action.TRACK, facts)
    entry = _Entry(_Action.FRESH, facts)
    entry.is_sequence = type(out) if isinstance(out, (tuple, list)) else None
    entry.results = tuple(None if t is None else (t.shape, t.stride(), t.dtype, t.untyped_storage().nbytes()) for t in outs)
    return entry


def _can_be_made_again(outs: Sequence[Any], before: set[int]) -> bool:
    """Whether each output is a plain tensor that fills a fresh storage of its own."""
    seen: set[int] = set(before)
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
