"""Rows of operations, as a pass records them or as the cache holds them, and sums over them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from zoo.operators.op_record import OpRecord
from zoo.operators.operator_kinds import Kind
from zoo.records import full_operator_name

if TYPE_CHECKING:
    import pandas as pd

    from zoo.counting.parameters import ModuleParameters
    from zoo.meta.module_stack import ModuleRecord


class OperationRow(NamedTuple):
    """All calls of one module that are alike: the same operator on the same shapes."""

    position: int  # of the first such call in the pass
    module: str
    module_class: str
    op: OpRecord
    calls: int


class CachedCall(NamedTuple):
    """The columns of the table `ops` that describe one call, as far as conventions need them."""

    operation: str
    kind: Kind
    shapes: str
    arguments: str
    macs: int
    elements_out: int


class CachedRow(NamedTuple):
    """The columns of a row of the table `ops` that conventions need."""

    module: str
    module_class: str
    op: CachedCall
    calls: int


Call = OpRecord | CachedCall
CallRow = OperationRow | CachedRow


def macs_by_kind(rows: Iterable[CallRow]) -> Counter[Kind]:
    """MACs of each class of matrix products."""
    totals: Counter[Kind] = Counter()
    for row in rows:
        if row.op.macs:
            totals[row.op.kind] += row.op.macs * row.calls
    return totals


def uncounted_calls(rows: Iterable[CallRow]) -> Counter[str]:
    """Calls of each operator without a formula, by its full name."""
    calls: Counter[str] = Counter()
    for row in rows:
        if row.op.kind == Kind.UNKNOWN:
            calls[full_operator_name(row.op.operation)] += row.calls
    return calls


def why_uncounted(uncounted: Counter[str]) -> str | None:
    """Names the operators without a formula as the reason of a bound; None if there are none."""
    named = ", ".join(f"{name} ({calls} call{'s' if calls > 1 else ''})" for name, calls in uncounted.most_common())
    return f"operators without a formula: {named}; give them one with zoo.formula" if named else None


def sum_by_module(
    modules: Iterable[ModuleRecord | ModuleParameters], amounts: Mapping[str, Iterable[tuple[str, int]]], depth: int | None
) -> pd.DataFrame:
    """Sums of each module with all modules inside it, in the model's order.

    Args:
        modules: of a model.
        amounts: pairs of a module's path and its own amount, by name of the column.
        depth: levels of modules shown; None for all.
    """
    import pandas as pd

    sums: dict[str, list[int]] = {}
    for column, pairs in enumerate(amounts.values()):
        for path, amount in pairs:
            parts = path.split(".") if path else []
            for level in range((len(parts) if depth is None else min(depth, len(parts))) + 1):
                sums.setdefault(".".join(parts[:level]), [0] * len(amounts))[column] += amount
    records = [(m.path, m.module_class.rsplit(".", 1)[-1], *sums[m.path]) for m in modules if m.path in sums]
    return pd.DataFrame(records, columns=["module", "module_class", *amounts])
