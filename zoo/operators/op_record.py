"""The record of one call of an operator: shapes, dtypes, work and traffic."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from zoo.operators.operator_kinds import Kind, Operation


@dataclass(frozen=True, slots=True)
class OpRecord:
    """One distinct call of an operator. Sizes count elements once however often a broadcast repeats them."""

    operation: str
    kind: Kind
    shapes: str  # inputs in argument order, "-" for an absent optional tensor, then "->" and the outputs
    dtypes: str
    arguments: str  # the other arguments, in order
    macs: int
    elements_in: int
    elements_out: int
    bytes_in: int
    bytes_out: int
    weights: dict[str, tuple[int, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)
    """The total of one call in each convention, by the class of its module, computed on demand."""


def make_op_record(name: str, operation: Operation, args: Any, kwargs: Any, out: Any) -> OpRecord:
    """Describes a call from its arguments and its result."""
    arguments = (*args, *kwargs.values())
    ins, outs = list(tensors_in(arguments)), list(tensors_in(out))
    # The data of these are not read: a tensor whose shape a new one gets, one that is overwritten, and `out=`.
    unread = (kwargs.get("out"), args[0] if operation.overwrites else None)
    read = [] if operation.kind == Kind.CREATE else [t for t in ins if t is not unread[0] and t is not unread[1]]
    elements_in, bytes_in = _unique_sizes(read)
    elements_out, bytes_out = _unique_sizes(outs)
    kind, macs = operation.work(args, kwargs, out)
    return OpRecord(
        operation=name,
        kind=kind,
        shapes=f"{_shapes_text(arguments)} -> {_shapes_text((out,))}",
        dtypes=f"{_dtypes_text(ins)} -> {_dtypes_text(outs)}",
        arguments=", ".join([_argument_text(a) for a in arguments if a is not None and not isinstance(a, Tensor)]),
        macs=macs,
        elements_in=elements_in,
        elements_out=elements_out,
        bytes_in=bytes_in,
        bytes_out=bytes_out,
    )


def _unique_sizes(tensors: Sequence[Tensor]) -> tuple[int, int]:
    """Distinct elements and their bytes in memory: an expanded dimension (stride 0) counts once."""
    elements = nbytes = 0
    for tensor in tensors:
        try:
            strides = tensor.stride()
        except RuntimeError:  # a sparse tensor has no strides
            parts = _stored_parts(tensor)
            elements += parts[0].numel()
            nbytes += sum(part.numel() * part.element_size() for part in parts)
            continue
        own = math.prod([size for size, stride in zip(tensor.shape, strides, strict=True) if stride != 0])
        elements += own
        nbytes += own * tensor.element_size()
    return elements, nbytes


def _stored_parts(tensor: Tensor) -> tuple[Tensor, ...]:
    """The tensors in a sparse tensor: its values, then its indices."""
    if tensor.layout == torch.sparse_coo:
        return tensor._values(), tensor._indices()
    is_by_rows = tensor.layout in {torch.sparse_csr, torch.sparse_bsr}
    indices = (tensor.crow_indices(), tensor.col_indices()) if is_by_rows else (tensor.ccol_indices(), tensor.row_indices())
    return tensor.values(), *indices


def _shapes_text(values: Sequence[Any]) -> str:
    parts = []
    for value in values:
        if isinstance(value, Tensor):
            parts.append("x".join(map(str, value.shape)) or "scalar")
        elif value is None:
            parts.append("-")
        elif isinstance(value, (tuple, list)) and any(isinstance(item, Tensor) for item in value):
            parts.append(f"[{_shapes_text(value)}]")
    return ", ".join(parts)


def _dtypes_text(tensors: Sequence[Tensor]) -> str:
    dtypes = [t.dtype for t in tensors]
    return _dtype_name(dtypes[0]) if len(set(dtypes)) == 1 else ", ".join(map(_dtype_name, dtypes))


@functools.cache
def _dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _argument_text(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return f"[{', '.join('tensor' if isinstance(item, Tensor) else str(item) for item in value)}]"
    return plain_text(value)


def plain_text(value: Any) -> str:
    """An argument that is not a tensor, as text that is equal in every pass: without the address of a random generator."""
    return "generator" if isinstance(value, torch.Generator) else str(value).removeprefix("torch.")


def storage_of(tensor: Tensor) -> torch.UntypedStorage | None:
    """A tensor's storage; None for a sparse tensor, which consists of several tensors."""
    return tensor.untyped_storage() if tensor.layout == torch.strided else None


def tensors_in(value: Any) -> Iterator[Tensor]:
    """All tensors of a nesting of tuples, lists and dictionaries."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from tensors_in(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from tensors_in(item)
