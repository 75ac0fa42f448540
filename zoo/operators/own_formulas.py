"""A user's own formulas, for operators that are not in the table or counted differently there: for all counts, or for one."""

from __future__ import annotations

import contextlib
from collections.abc import Hashable, Iterator, Mapping
from contextvars import ContextVar

import torch

from zoo.errors import UnknownNameError, ZooError, did_you_mean
from zoo.meta.patching import setting
from zoo.operators.macs_formulas import Formula
from zoo.operators.operator_kinds import MATRIX_KINDS, OPERATIONS, Kind, Operation, short_name

_for_all: dict[str, Operation] = {}
_for_one: ContextVar[Mapping[str, Operation]] = ContextVar("formulas for one count", default={})  # noqa: B039  # never changed


def known_operation(name: str) -> Operation | None:
    """The user's formula of an operator, else its entry in the table, or None; by its name in the table."""
    return _for_one.get().get(name) or _for_all.get(name) or OPERATIONS.get(name)


def formulas_in_force() -> Hashable:
    """A key of the users' formulas that apply now; memoized calls are valid for equal keys."""
    return frozenset({**_for_all, **_for_one.get()}.items())


def register_formula(name: str, formula: Formula, kind: Kind | None = None) -> None:
    """Sets the formula of an operator for all counts from now on, in place of the one in the table.

    Args:
        name: `library::operator`, as in the reason of a bound, or the name in the table of operations.
        formula: returns the MACs of (arguments, keyword arguments, result).
        kind: the class of operation. Default: the table's, or `matmul` if the operator is not in the table.

    Raises:
        ZooError: if the name is not the name of an operator.
    """
    table_name = _table_name(name)
    _for_all[table_name] = _make_operation(table_name, formula, kind)


@contextlib.contextmanager
def using_formulas(formulas: Mapping[str, Formula]) -> Iterator[None]:
    """Applies formulas to the counts of this thread while the context lasts.

    Raises:
        ZooError: if a name is not one of an operator.
    """
    names = {_table_name(name): formula for name, formula in formulas.items()}
    operations = {name: _make_operation(name, formula, None) for name, formula in names.items()}
    with setting(_for_one, {**_for_one.get(), **operations}):
        yield


def _make_operation(name: str, formula: Formula, kind: Kind | None) -> Operation:
    known = OPERATIONS.get(name)
    return Operation(kind or (known.kind if known and known.kind in MATRIX_KINDS else Kind.MATMUL), formula)


def _table_name(name: str) -> str:
    """The name by which calls are looked up: `aten::mm`, `aten::mm.out` and `mm` are one operator."""
    library, separator, base = name.partition("::") if "::" in name else ("aten", "", name)
    base = base.partition(".")[0]
    if not library or not base or "::" in base:
        raise ZooError(_NOT_AN_OPERATOR.format(name))
    if library != "aten":
        return f"{library}::{base}"
    if not hasattr(torch.ops.aten, base):
        if not separator:
            raise ZooError(_NOT_AN_OPERATOR.format(name))
        names = [known for known in torch._C._dispatch_get_all_op_names() if known.startswith("aten::")]
        raise UnknownNameError(f"torch has no operator {name}.{did_you_mean(name, {n.partition('.')[0] for n in names})}")
    return short_name("aten", base if base.endswith("__") else base.removesuffix("_"))


_NOT_AN_OPERATOR = "'{}' does not name an operator. Write library::operator, as in torch.ops.library.operator."
