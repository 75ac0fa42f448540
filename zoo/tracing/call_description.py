"""The description of a traced call: what is the same in all calls that look alike."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from zoo.operators.dispatch import is_composite, is_view
from zoo.operators.op_record import tensors_in
from zoo.operators.operations import MATRIX_KINDS, Kind, Operation, find_operation, operator_name
from zoo.tracing.autocast import Autocast

_Layout = tuple[str, tuple[int, ...], tuple[int, ...], str]  # argument, shape, strides, dtype of one tensor


@dataclass(frozen=True, slots=True)
class Facts:
    """What is the same in all calls that look alike."""

    operation: str
    kind: str
    inputs: tuple[_Layout, ...]
    outputs: tuple[_Layout, ...]
    arguments: str
    groups: int | None
    kernel: tuple[int, ...]
    has_bias: bool
    has_mask: bool
    in_place: bool
    macs: int


class Entry:
    """What is remembered of one distinct call."""

    __slots__ = ("facts", "is_sequence", "read", "results", "returns_first")

    def __init__(self, facts: Facts | None, read: tuple[int, ...]) -> None:
        self.facts = facts  # None: it moves no data
        self.read = read  # which of its tensors it reads
        self.results: tuple[Any, ...] | None = None  # (shape, strides, dtype) of each, if they are all it does
        self.is_sequence: type | None = None
        self.returns_first = False


class Operator:
    """What is known of an operator before any call."""

    __slots__ = ("entries", "func", "is_apart", "is_view", "name", "operation", "policy")

    def __init__(self, func: Any, autocast: Autocast | None) -> None:
        self.func = func
        self.name = operator_name(func)
        operation = find_operation(self.name)
        self.policy = autocast.policies.get(func.name()) if autocast else None
        # Autocast looks into composites that it does not list, such as a convolution with padding="same".
        is_hidden = autocast is not None and self.policy is None and operation is not None and operation.kind in MATRIX_KINDS
        self.is_apart = is_composite(func) and (operation is None or is_hidden)
        self.operation = operation or Operation(Kind.UNKNOWN)
        self.is_view = is_view(func)
        self.entries: dict[Any, Entry] = {}


class TraceMemo:
    """Calls seen so far, shared by any number of traces in one process."""

    def __init__(self) -> None:
        self._by_device: dict[str, dict[int, Operator]] = {}

    def operators(self, autocast: Autocast | None) -> dict[int, Operator]:
        """By identity of the operator, apart for each kind of autocast."""
        return self._by_device.setdefault(autocast.device_type if autocast else "", {})


def describe(operator: Operator, args: Any, kwargs: Any, out: Any, fresh: bool) -> Entry:
    """The facts of a call that moves data or computes, and which of its tensors it reads."""
    func, operation = operator.func, operator.operation
    is_work = fresh or func._schema.is_mutable or operation.macs is not None or operation.kind == Kind.UNKNOWN
    named = _named_arguments(func, args, kwargs)
    everything = [(name, t) for name, value in named.items() for t in tensors_in(value)]
    unread = operation.unread(named)
    read = tuple(i for i, (name, _) in enumerate(everything) if name not in unread)
    if operation.kind in (Kind.VIEW, Kind.ALLOCATE) or not is_work:
        return Entry(None, read)
    groups, kernel = _window(operation.kind, named)
    facts = Facts(
        operation=operator.name,
        kind=operation.kind.value,
        inputs=tuple(_layout(*everything[i]) for i in read),
        outputs=tuple(_layout(str(i), t) for i, t in enumerate(tensors_in(out))),
        arguments=_arguments_text(named),
        groups=groups,
        kernel=kernel,
        has_bias=isinstance(named.get("bias"), Tensor),
        has_mask=any(isinstance(named.get(name), Tensor) for name in ("attn_mask", "mask")),
        in_place=func._schema.is_mutable,
        macs=int(operation.macs(args, kwargs, out)) if operation.macs else 0,
    )
    return Entry(facts, read)


def as_contraction(facts: Facts) -> Facts:
    """A product over an index of size 1."""
    return replace(facts, operation="einsum", kind=Kind.MATMUL.value, macs=math.prod(facts.outputs[0][1]))


def _named_arguments(func: Any, args: Any, kwargs: Any) -> dict[str, Any]:
    """By the names of the operator's schema."""
    names = [argument.name for argument in func._schema.arguments]
    return {**dict(zip(names, args, strict=False)), **kwargs}


def _layout(name: str, tensor: Tensor) -> _Layout:
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
