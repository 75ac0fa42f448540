"""Kinds of operators and their table, which ensures that no operation is silently counted as zero.

The recorder sees operators before torch decomposes them (`conv2d`, `linear`, `scaled_dot_product_attention`). An operator is
either *counted* (a formula gives its MACs), *free* of multiply-accumulates (its kind explains why), composed of such operators (`einsum`),
or unknown: then the status of the model is `bound`, and the reason names the operator. A user's own formulas
(`zoo.operators.own_formulas`) take precedence over the table.
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
    """Classes of operations, for conventions and for sums in reports."""

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
"""Reasons why operations of a kind have no multiply-accumulates in the `matmul` convention."""

UNRECORDED = frozenset({Kind.VIEW, Kind.ALLOCATE, Kind.MARK})
"""Kinds that neither compute nor move data."""


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator's kind and, for matrix products, its formula."""

    kind: Kind
    macs: Formula | None = None
    overwrites: bool = False  # fills its first argument without reading it
    kind_without_macs: Kind | None = None  # of a call that multiplies nothing; None: the same kind

    def unread(self, names: Iterable[str]) -> set[str]:
        """Those of an operator's arguments whose data are not read: they give a shape or a place to write to."""
        names = tuple(names)
        if self.kind == Kind.CREATE:
            return set(names)
        return {"out", *(names[:1] if self.overwrites else ())}

    def work(self, args: Any, kwargs: Any, out: Any) -> tuple[Kind, int]:
        """Kind and MACs of a call."""
        macs = int(self.macs(args, kwargs, out)) if self.macs else 0
        return (self.kind if macs or self.kind_without_macs is None else self.kind_without_macs), macs


OPERATIONS: dict[str, Operation] = {
    **{
        name: Operation(Kind(kind), formula, kind_without_macs=Kind.REDUCE if name in SOMETIMES_MULTIPLYING else None)
        for kind, formula, names in (*COUNTED, *BACKWARD_COUNTED)
        for name in names.split()
    },
    **{name: Operation(Kind(kind), overwrites=name in OVERWRITING) for kind, names in FREE.items() for name in names.split()},
    **{name: Operation(Kind(kind)) for kind, names in BACKWARD_FREE.items() for name in names.split()},
}
"""All operators with a formula or free of multiply-accumulates, by name."""

_RENAMED = {"linalg_matmul": "matmul", "multiply": "mul", "divide": "div", "subtract": "sub", "concatenate": "cat"}


def operator_name(func: Any) -> str:
    """`conv2d` for all overloads of `aten::conv2d`, `library::name` for other libraries, without the underscore of in-place operators."""
    library, _, name = func._schema.name.partition("::")
    base = name[:-1] if name.endswith("_") and not name.endswith("__") and func._schema.is_mutable else name
    return short_name(library, base)


def short_name(library: str, base: str) -> str:
    """The name in the table: operators of aten without their library, and one name for operators with several."""
    return _RENAMED.get(base, base) if library == "aten" else f"{library}::{base}"
