"""What a trace records of a pass: each call in order, and the memory it reads and writes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from zoo.operators.device_layouts import CUDA_SHORTCUTS
from zoo.operators.op_record import tensors_in
from zoo.operators.operations import Kind
from zoo.recording.lifetimes import StorageObserver
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


class RecordedCall(NamedTuple):
    """One call as it happened."""

    module: nn.Module | None
    layout: CallLayout
    reads: list[int]  # storage of each tensor it reads
    read_roles: list[str]
    writes: list[int]
    write_roles: list[str]


class Storages(StorageObserver):
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
        known = self.label_of(storage)
        if known is not None:
            return known
        number = len(self.roles)
        self.observe(storage, number)
        self.roles.append(role)
        self.alloc_at.append(alloc_at)
        self.free_at.append(None)
        self.nbytes.append(storage.nbytes())
        return number

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

    def __init__(self) -> None:
        self.calls: list[RecordedCall] = []
        self.storages = Storages()

    def describe(self, operator: Operator, args: Any, kwargs: Any, out: Any, is_fresh: bool) -> _Description:
        """The layout of a call that computes or moves data, and which of its tensors it reads."""
        func, operation = operator.func, operator.operation
        named = {**dict(zip([argument.name for argument in func._schema.arguments], args, strict=False)), **kwargs}
        tensors = [(name, t) for name, value in named.items() for t in tensors_in(value)]
        unread = operation.unread(named)
        read = tuple(i for i, (name, _) in enumerate(tensors) if name not in unread)
        is_work = is_fresh or func._schema.is_mutable or operation.macs is not None or operation.kind == Kind.UNKNOWN
        if operation.kind in (Kind.VIEW, Kind.ALLOCATE) or not is_work:
            return _Description(None, read, operation.kind == Kind.ALLOCATE)
        groups, kernel = _window(operation.kind, named)
        layout = CallLayout(
            operation=operator.name,
            kind=operation.kind,
            inputs=tuple(_layout(*tensors[i]) for i in read),
            outputs=tuple(_layout(str(i), t) for i, t in enumerate(tensors_in(out))),
            arguments=_arguments_text(named),
            groups=groups,
            kernel=kernel,
            has_bias=isinstance(named.get("bias"), Tensor),
            has_mask=any(isinstance(named.get(name), Tensor) for name in ("attn_mask", "mask")),
            in_place=func._schema.is_mutable,
            macs=int(operation.macs(args, kwargs, out)) if operation.macs else 0,
        )
        return _Description(layout, read, is_allocation=False)

    def describe_parts(self) -> Any:
        raise NotImplementedError  # they are calls of their own

    def empty(self) -> OrderedCalls:
        return OrderedCalls()

    def operation_at(self, position: int) -> str:
        return self.calls[position].layout.operation

    def mark_contraction(self, position: int) -> None:
        layout = self.calls[position].layout
        contraction = replace(layout, operation="einsum", kind=Kind.MATMUL, macs=math.prod(layout.outputs[0][1]))
        self.calls[position] = self.calls[position]._replace(layout=contraction)

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
        read_roles = [storages.roles[number] for number in reads]
        is_constant = "activation" not in read_roles and "input" not in read_roles
        role = "constant" if is_constant else "activation"
        writes = [storages.number(t, role, position) for t in tensors_in(out)]
        for number in writes:
            if not is_constant and storages.roles[number] in {"constant", "weight"}:
                storages.roles[number] = "activation"  # a constant that is written into
        self.calls.append(RecordedCall(module, layout, reads, read_roles, writes, [storages.roles[n] for n in writes]))


class _Description(NamedTuple):
    """What is remembered of a distinct call."""

    layout: CallLayout | None  # None: it neither computes nor moves data
    read: tuple[int, ...]  # positions of the tensors it reads, among its arguments
    is_allocation: bool


def _layout(name: str, tensor: Tensor) -> _TensorLayout:
    return name, tuple(tensor.shape), tuple(tensor.stride()), str(tensor.dtype).removeprefix("torch.")


def _window(kind: Kind, named: Mapping[str, Any]) -> tuple[int | None, tuple[int, ...]]:
    """Groups and kernel of convolutions, the kernel of poolings."""
    if kind == Kind.CONV:
        return named.get("groups", named.get("n_weight_grps", 1)), tuple(named["weight"].shape[2:])
    size = named.get("kernel_size", ())
    return None, (size,) if isinstance(size, int) else tuple(size)


def _arguments_text(named: Mapping[str, Any]) -> str:
    plain = {name: value for name, value in named.items() if value is not None and not any(True for _ in tensors_in(value))}
    return ", ".join(f"{name}={str(value).removeprefix('torch.')}" for name, value in plain.items())
