"""What each operator is: one table, so that no operation can be silently zero.

The recorder sees operators before torch decomposes them (`conv2d`, `linear`, `scaled_dot_product_attention`). An operator is
either *counted* (a formula gives its MACs), *free* of multiply-accumulates (its kind says why), taken apart into operators that
are (composites such as `einsum`), or unknown: then the model's status becomes `bound` and the operator is named. A user's own
formulas (`zoo.operators.own_formulas`) go before the table.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from zoo.operators.backward_table import BACKWARD_COUNTED, BACKWARD_FREE
from zoo.operators.macs_formulas import Formula
from zoo.operators.operator_table import COUNTED, FREE, OVERWRITING, SOMETIMES_MULTIPLYING


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
    MARK = "mark"
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
    Kind.MARK: "tells a profiler or an allocator where the program is",
}
"""Why operations of a kind have no multiply-accumulates in the `matmul` convention."""

UNRECORDED = frozenset({Kind.VIEW, Kind.ALLOCATE, Kind.MARK})
"""Kinds that neither compute nor move data."""


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator's kind and, for matrix products, its formula."""

    kind: Kind
    macs: Formula | None = None
    overwrites: bool = False  # fills its first argument without reading it
    kind_without_macs: Kind | None = None  # of a call in which nothing is multiplied; None: the same

    def unread(self, names: Iterable[str]) -> set[str]:
        """Which arguments give no data, only a shape or a place to write to; `names` are the operator's."""
        names = tuple(names)
        if self.kind == Kind.CREATE:
            return set(names)
        return {"out", *(names[:1] if self.overwrites else ())}

    def work(self, args: Any, kwargs: Any, out: Any) -> tuple[Kind, int]:
        """Kind and MACs of a call."""
        macs = int(self.macs(args, kwargs, out)) if self.macs else 0
        return (self.kind if macs or self.kind_without_macs is None else self.kind_without_macs), macs


_TABLE: dict[str, Operation] = {
    **{
        name: Operation(Kind(kind), formula, kind_without_macs=Kind.REDUCE if name in SOMETIMES_MULTIPLYING else None)
        for kind, formula, names in (*COUNTED, *BACKWARD_COUNTED)
        for name in names.split()
    },
    **{name: Operation(Kind(kind), overwrites=name in OVERWRITING) for kind, names in FREE.items() for name in names.split()},
    **{name: Operation(Kind(kind)) for kind, names in BACKWARD_FREE.items() for name in names.split()},
}

_RENAMED = {"linalg_matmul": "matmul", "multiply": "mul", "divide": "div", "subtract": "sub", "concatenate": "cat"}


def operator_name(func: Any) -> str:
    """`conv2d` for aten's overloads of it, `library::name` for other libraries', the in-place underscore removed."""
    library, _, name = func._schema.name.partition("::")
    base = name[:-1] if name.endswith("_") and not name.endswith("__") and func._schema.is_mutable else name
    return short_name(library, base)


def short_name(library: str, base: str) -> str:
    """The name in the table: aten's operators without their library, several names of one operator as one."""
    return _RENAMED.get(base, base) if library == "aten" else f"{library}::{base}"


def find_operation(name: str) -> Operation | None:
    """What the table says of an operator, or None."""
    return _TABLE.get(name)
