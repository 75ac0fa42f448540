"""Formulas of a user's own, for operators that the table does not know or counts otherwise: for all counts, or for one."""

from __future__ import annotations

import contextlib
from collections.abc import Hashable, Iterator, Mapping
from contextvars import ContextVar

import torch

from zoo.errors import UnknownNameError, ZooError, did_you_mean
from zoo.meta.patching import setting
from zoo.operators.macs_formulas import Formula
from zoo.operators.operator_kinds import MATRIX_KINDS, Kind, Operation, find_operation, short_name

_for_all: dict[str, Operation] = {}
_for_one: ContextVar[Mapping[str, Operation]] = ContextVar("formulas for one count", default={})  # noqa: B039  # never changed


def known_operation(name: str) -> Operation | None:
    """What is known of an operator by its name in the table, or None: a user's formula goes first."""
    return _for_one.get().get(name) or _for_all.get(name) or find_operation(name)


def formulas_in_force() -> Hashable:
    """Which formulas of users hold now: what was remembered under others does not hold."""
    return frozenset({**_for_all, **_for_one.get()}.items())


def register_formula(name: str, formula: Formula, kind: Kind | None = None) -> None:
    """Gives an operator a formula for all counts from now on, in place of the one that it has.

    Args:
        name: `library::operator`, as the reason of a bound has it, or the name in the table of operations.
        formula: of (arguments, keyword arguments, result), gives MACs.
        kind: the class of operation; that of the table by default, `matmul` where there is none.

    Raises:
        ZooError: if the name is not one of an operator.
    """
    table_name = _table_name(name)
    _for_all[table_name] = _operation(table_name, formula, kind)


@contextlib.contextmanager
def using_formulas(formulas: Mapping[str, Formula]) -> Iterator[None]:
    """Lets formulas hold on this thread while the context lasts.

    Raises:
        ZooError: if a name is not one of an operator.
    """
    names = {_table_name(name): formula for name, formula in formulas.items()}
    operations = {name: _operation(name, formula, None) for name, formula in names.items()}
    with setting(_for_one, {**_for_one.get(), **operations}):
        yield


def _operation(name: str, formula: Formula, kind: Kind | None) -> Operation:
    known = find_operation(name)
    return Operation(kind or (known.kind if known and known.kind in MATRIX_KINDS else Kind.MATMUL), formula)


def _table_name(name: str) -> str:
    """The name by which calls are looked up: `aten::mm`, `aten::mm.out` and `mm` are one operator."""
    library, separator, base = name.partition("::") if "::" in name else ("aten", "", name)
    base = base.partition(".")[0]
    if not library or not base or "::" in base:
        raise ZooError(_NO_NAME.format(name))
    if library != "aten":
        return f"{library}::{base}"
    if not hasattr(torch.ops.aten, base):
        if not separator:
            raise ZooError(_NO_NAME.format(name))
        names = [known for known in torch._C._dispatch_get_all_op_names() if known.startswith("aten::")]
        raise UnknownNameError(f"torch has no operator {name}.{did_you_mean(name, {n.partition('.')[0] for n in names})}")
    return short_name("aten", base if base.endswith("__") else base.removesuffix("_"))


_NO_NAME = "'{}' does not name an operator. Write library::operator, as in torch.ops.library.operator."
