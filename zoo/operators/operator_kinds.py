"""What each operator is: one table, so that no operation can be silently zero.

The recorder sees operators before torch decomposes them (`conv2d`, `linear`, `scaled_dot_product_attention`). An operator is
either *counted* (a formula gives its MACs), *free* of multiply-accumulates (its kind says why), taken apart into operators that
are (composites such as `einsum`), or unknown: then the model's status becomes `bound` and the operator is named.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from zoo.errors import ZooError
from zoo.operators.macs_formulas import Formula
from zoo.operators.operator_table import COUNTED, FREE, OVERWRITING


class Kind(enum.StrEnum):
    """Classes of operations. Conventions give weights to these, reports sum by them."""

    CONV = "conv"
    LINEAR = "linear"
    MATMUL = "matmul"
    ATTENTION = "attention"
    RECURRENT = "recurrent"
    NORM = "norm"
    SOFTMAX = "softmax"
    ELEMENTWISE = "elementwise"
    POOL = "pool"
    REDUCE = "reduce"
    RESAMPLE = "resample"
    FOURIER = "fourier"
    SORT = "sort"
    COPY = "copy"
    COMPARE = "compare"
    CREATE = "create"
    ALLOCATE = "allocate"
    VIEW = "view"
    UNKNOWN = "unknown"


MATRIX_KINDS = frozenset({Kind.CONV, Kind.LINEAR, Kind.MATMUL, Kind.ATTENTION, Kind.RECURRENT})
"""Kinds whose products the `matmul` convention counts, and whose outputs are `activations`."""

WHY_FREE: dict[Kind, str] = {
    Kind.NORM: "scales and shifts single elements; no sum of products between two operands",
    Kind.SOFTMAX: "exponentials and a sum; no products of two operands",
    Kind.ELEMENTWISE: "works on single elements",
    Kind.POOL: "averages or compares; its weights are constant",
    Kind.REDUCE: "adds or compares elements of one operand",
    Kind.RESAMPLE: "interpolates with constant weights",
    Kind.FOURIER: "a fast Fourier transform, whose butterflies only `all` counts",
    Kind.SORT: "compares elements",
    Kind.COPY: "moves data without arithmetic",
    Kind.COMPARE: "gives truth values or indices",
    Kind.CREATE: "fills a new tensor",
    Kind.ALLOCATE: "reserves memory and writes nothing",
    Kind.VIEW: "gives the same memory another shape",
}
"""Why operations of a kind have no multiply-accumulates in the `matmul` convention."""


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator's kind and, for matrix products, its formula."""

    kind: Kind
    macs: Formula | None = None
    overwrites: bool = False  # fills its first argument without reading it

    def unread(self, names: Iterable[str]) -> set[str]:
        """Which arguments give no data, only a shape or a place to write to; `names` are the operator's."""
        names = tuple(names)
        if self.kind == Kind.CREATE:
            return set(names)
        return {"out", *(names[:1] if self.overwrites else ())}


_TABLE: dict[str, Operation] = {
    **{name: Operation(Kind(kind), formula) for kind, formula, names in COUNTED for name in names.split()},
    **{name: Operation(Kind(kind), overwrites=name in OVERWRITING) for kind, names in FREE.items() for name in names.split()},
}

_RENAMED = {"linalg_matmul": "matmul", "multiply": "mul", "divide": "div", "subtract": "sub", "concatenate": "cat"}
_registered: dict[str, Operation] = {}


def operator_name(func: Any) -> str:
    """`conv2d` for aten's overloads of it, `library::name` for other libraries', the in-place underscore removed."""
    library, _, name = func._schema.name.partition("::")
    base = name[:-1] if name.endswith("_") and not name.endswith("__") and func._schema.is_mutable else name
    base = _RENAMED.get(base, base)
    return base if library == "aten" else f"{library}::{base}"


def find_operation(name: str) -> Operation | None:
    """What is known of an operator, or None."""
    return _registered.get(name) or _TABLE.get(name)


def register_formula(name: str, formula: Formula, kind: Kind = Kind.MATMUL) -> None:
    """Gives an operator of a user's library its formula.

    Raises:
        ZooError: if the name is not `library::operator`, or has a formula already.
    """
    if name.count("::") != 1:
        raise ZooError(f"'{name}' does not name an operator. Write library::operator, as in torch.ops.library.operator.")
    if find_operation(name) is not None:
        raise ZooError(f"Operator {name} has a formula already; each is counted in one way only.")
    _registered[name] = Operation(kind, formula)
