"""What a trace records of a pass: each call in order, and the memory it reads and writes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from zoo.operators.device_layouts import CUDA_SHORTCUTS
from zoo.operators.op_record import plain_text, tensors_in
from zoo.operators.operator_kinds import UNRECORDED, Kind
from zoo.recording.lifetimes import LifetimeObserver
from zoo.recording.memo import CallEntry, Operator
from zoo.traces import TracedStorage

_TensorLayout = tuple[str, tuple[int, ...], tuple[int, ...], str]  # argument, shape, strides, dtype of one tensor


@dataclass(frozen=True, slots=True)
class CallLayout:
    """What calls that look alike have in common."""

    operation: str
    kind: Kind
    inputs: tuple[_TensorLayout, ...]
    outputs: tuple[_TensorLayout, ...]
    arguments: str
    groups: int | None
    kernel: tuple[int, ...]
    has_bias: bool
    has_mask: bool
    in_place: bool
    macs: int

    def has_only(self, dtype: str) -> bool:
        """Whether there are tensors, all of this dtype."""
        tensors = (*self.inputs, *self.outputs)
        return bool(tensors) and all(tensor[3] == dtype for tensor in tensors)

    def with_dtype(self, old: str, new: str) -> CallLayout:
        """The same with tensors of one dtype in place of another."""
        inputs, outputs = (
            tuple((*tensor[:3], new if tensor[3] == old else tensor[3]) for tensor in tensors)
            for tensors in (self.inputs, self.outputs)
        )
        return replace(self, inputs=inputs, outputs=outputs)


class CallDescription(NamedTuple):
    """What is remembered of a distinct call."""

    layout: CallLayout | None  # None: it neither computes nor moves data
    read: tuple[int, ...]  # positions of the tensors it reads, among its arguments
    is_allocation: bool


class RecordedCall(NamedTuple):
    """One call as it happened."""

    module: nn.Module | None
    layout: CallLayout
    reads: list[int]  # storage of each tensor it reads
    read_roles: list[str]
    writes: list[int]
    write_roles: list[str]


class Storages(LifetimeObserver):
    """Every storage that calls read or write: its role, its size, the call that makes it and the one before which it is gone."""

    def __init__(self) -> None:
        super().__init__()
        self.roles: list[str] = []
        self.alloc_at: list[int] = []
        self.free_at: list[int | None] = []
        self.nbytes: list[int] = []
        self.position = 0  # of the next call

    def number(self, tensor: Tensor, role: str, alloc_at: int = -1) -> int:
        """That of a tensor's storage; an unknown one gets a new one, and the role."""
        storage = tensor.untyped_storage()
        known = self.label_at(storage._cdata)
        if known is None:
            known = self.append(storage.nbytes(), role, alloc_at)
            self.observe(storage, storage._cdata, known)
        return known

    def append(self, nbytes: int, role: str, alloc_at: int) -> int:
        """The number of a new storage."""
        self.roles.append(role)
        self.alloc_at.append(alloc_at)
        self.free_at.append(None)
        self.nbytes.append(nbytes)
        return len(self.roles) - 1

    def on_death(self, label: int) -> None:
        self.free_at[label] = self.position

    def listed(self) -> tuple[TracedStorage, ...]:
        """All of them, in the order of their numbers."""
        return tuple(map(TracedStorage, self.nbytes, self.roles, self.alloc_at, self.free_at))


class OrderedCalls:
    """A sink for `zoo.recording.recorder.Recorder`: every call in order, with the storages it reads and writes."""

    name = "calls"
    shortcuts = CUDA_SHORTCUTS
    inlines_parts = True
    follows_values = False

    def __init__(self) -> None:
        self.calls: list[RecordedCall] = []
        self.composites: set[str] = set()
        self.storages = Storages()

    def describe(self, operator: Operator, args: Any, kwargs: Any, out: Any, is_fresh: bool) -> CallDescription:
        return describe(operator, args, kwargs, out, is_fresh)

    def describe_parts(self) -> Any:
        raise NotImplementedError  # they are calls of their own

    def empty(self) -> OrderedCalls:
        return OrderedCalls()

    def stop(self) -> None:
        self.storages.stop()

    def operation_at(self, position: int) -> str:
        return self.calls[position].layout.operation

    def mark_contraction(self, position: int) -> None:
        self.calls[position] = self.calls[position]._replace(layout=contraction(self.calls[position].layout))

    def add(
        self,
        entry: CallEntry,
        module: nn.Module | None,
        tensors: Sequence[Tensor],
        out: Any,
        made: Sequence[torch.UntypedStorage],
    ) -> None:
        layout, read, is_allocation = entry.description
        storages, position = self.storages, len(self.calls)
        if layout is None:
            for tensor in tensors_in(out) if is_allocation else ():
                storages.number(tensor, "constant", position)
            return
        storages.position = position + 1
        reads = [storages.number(tensors[i], "constant") for i in read]
        roles = storages.roles
        read_roles = [roles[n] for n in reads]
        is_constant = "activation" not in read_roles and "input" not in read_roles
        role = "constant" if is_constant else "activation"
        writes = [storages.number(tensor, role, position) for tensor in tensors_in(out)]
        for n in writes:
            if not is_constant and roles[n] in {"constant", "weight"}:
                roles[n] = "activation"  # a constant that is written into
        self.calls.append(RecordedCall(module, layout, reads, read_roles, writes, [roles[n] for n in writes]))


def contraction(product: CallLayout) -> CallLayout:
    """The contraction of an einsum that an elementwise product is."""
    return replace(product, operation="einsum", kind=Kind.MATMUL, macs=math.prod(product.outputs[0][1]))


def describe(operator: Operator, args: Any, kwargs: Any, out: Any, is_fresh: bool) -> CallDescription:
    """The layout of a call that computes or moves data, and which of its tensors it reads."""
    operation, is_mutable = operator.operation, operator.is_mutable
    is_work = is_fresh or is_mutable or operation.macs is not None or operation.kind == Kind.UNKNOWN
    if operation.kind in UNRECORDED or not is_work:
        return CallDescription(None, (), operation.kind == Kind.ALLOCATE)
    named = {**dict(zip(operator.arguments, args, strict=False)), **kwargs}
    tensors = [(name, t) for name, value in named.items() for t in tensors_in(value)]
    unread = operation.unread(named)
    read = tuple([i for i, (name, _) in enumerate(tensors) if name not in unread])
    groups, kernel = _window(operation.kind, named)
    kind, macs = operation.work(args, kwargs, out)
    layout = CallLayout(
        operation=operator.name,
        kind=kind,
        inputs=tuple(_layout(*tensors[i]) for i in read),
        outputs=tuple(_layout(str(i), t) for i, t in enumerate(tensors_in(out))),
        arguments=_arguments_text(named),
        groups=groups,
        kernel=kernel,
        has_bias=isinstance(named.get("bias"), Tensor),
        has_mask=any(isinstance(named.get(name), Tensor) for name in ("attn_mask", "mask")),
        in_place=is_mutable,
        macs=macs,
    )
    return CallDescription(layout, read, is_allocation=False)


def _layout(name: str, tensor: Tensor) -> _TensorLayout:
    return name, tuple(tensor.shape), tensor.stride(), _name_of(tensor.dtype)


@cache
def _name_of(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _window(kind: Kind, named: Mapping[str, Any]) -> tuple[int | None, tuple[int, ...]]:
    """Groups and kernel of convolutions, the kernel of poolings."""
    if kind == Kind.CONV:
        return named.get("groups", named.get("n_weight_grps", 1)), tuple(named["weight"].shape[2:])
    size = named.get("kernel_size", ())
    return None, (size,) if isinstance(size, int) else tuple(size)


def _arguments_text(named: Mapping[str, Any]) -> str:
    plain = {name: value for name, value in named.items() if value is not None and not any(True for _ in tensors_in(value))}
    return ", ".join(f"{name}={plain_text(value)}" for name, value in plain.items())
