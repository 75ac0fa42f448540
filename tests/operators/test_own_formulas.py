"""Formulas of a user's own: for operators that torch does not bring, and in place of zoometer's."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from models_for_tests import Calling, count_call, on_meta
from torch import Tensor, nn

import zoo
from zoo.errors import UnknownNameError, ZooError
from zoo.operators import own_formulas
from zoo.operators.operator_kinds import Kind
from zoo.operators.own_formulas import register_formula
from zoo.recording.memo import Memo
from zoo.records import Status

BATCH, WIDTH = 2, 6


@torch.library.custom_op("zoometer_tests::riddle", mutates_args=())
def riddle(x: Tensor) -> Tensor:
    return x.clone()


@riddle.register_fake
def _(x: Tensor) -> Tensor:
    return torch.empty_like(x)


@pytest.fixture(autouse=True)
def formulas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Formulas registered in a test are gone after it."""
    monkeypatch.setattr(own_formulas, "_for_all", {})


def size_of_result(args: Any, kwargs: Any, out: Tensor) -> int:
    return out.numel()


def test_an_operator_with_a_formula_of_its_own_is_counted_by_it() -> None:
    register_formula("zoometer_tests::riddle", lambda args, kwargs, out: 7 * out.numel(), Kind.CONV)
    cost = count_call(riddle, on_meta(BATCH, WIDTH))
    assert cost.status == Status.EXACT
    assert cost.macs_by_kind() == {Kind.CONV: 7 * BATCH * WIDTH}


def inverse(x: Tensor) -> Tensor:
    result: Tensor = torch.linalg.inv_ex(x).inverse
    return result


def test_the_name_in_a_reason_can_be_pasted_and_is_used() -> None:
    """An inverse of n × n by n³ / 3 for its decomposition and as much for each triangle: n³."""
    reason = zoo.count(Calling(inverse), (WIDTH, WIDTH)).reason or ""
    assert reason == "operators without a formula: aten::linalg_inv_ex (1 call); give them one with zoo.formula"
    zoo.formula(reason.split()[4])(lambda args, kwargs, out: args[0].shape[-1] ** 3)
    cost = zoo.count(Calling(inverse), (WIDTH, WIDTH))
    assert (cost.status, cost.macs) == (Status.EXACT, WIDTH**3)


@pytest.mark.parametrize("name", ["aten::linalg_inv_ex", "linalg_inv_ex", "aten::linalg_inv_ex.inverse"])
def test_an_operator_is_one_by_its_full_name_by_its_name_in_tables_and_by_that_of_an_overload(name: str) -> None:
    assert zoo.count(Calling(inverse), (WIDTH, WIDTH), formulas={name: lambda args, kwargs, out: 5}).macs == 5


def product(x: Tensor) -> Tensor:
    return torch.mm(x, x.mT)


@pytest.mark.parametrize("name", ["aten::mm", "mm"])
def test_a_formula_replaces_a_known_one_for_all_counts(name: str) -> None:
    memo = Memo()
    assert zoo.count(Calling(product), inputs=(torch.zeros(3, 4),), memo=memo).macs == 3 * 4 * 3
    zoo.formula(name)(size_of_result)
    assert zoo.count(Calling(product), inputs=(torch.zeros(3, 4),), memo=memo).macs == 3 * 3
    zoo.formula(name)(lambda args, kwargs, out: 1)
    assert zoo.count(Calling(product), inputs=(torch.zeros(3, 4),), memo=memo).macs == 1


def test_a_formula_for_one_count_holds_for_no_other_and_keeps_the_class_of_the_operation() -> None:
    memo, layer = Memo(), nn.Conv2d(3, 8, 1)
    for _ in range(2):
        cost = zoo.count(layer, (3, 5, 5), memo=memo, formulas={"aten::conv2d": size_of_result})
        assert cost.macs_by_kind() == {Kind.CONV: 8 * 5 * 5}
        assert zoo.count(layer, (3, 5, 5), memo=memo).macs == 8 * 5 * 5 * 3


def test_a_formula_for_one_count_is_gone_after_a_failure() -> None:
    with pytest.raises(ZeroDivisionError):
        zoo.count(Calling(product), inputs=(torch.zeros(3, 4),), formulas={"mm": lambda args, kwargs, out: 1 // 0})
    assert zoo.count(Calling(product), inputs=(torch.zeros(3, 4),)).macs == 3 * 4 * 3


def test_an_operator_taken_apart_can_have_a_formula_as_a_whole() -> None:
    """einsum is made of products; here it is one operation."""

    def outer(x: Tensor) -> Tensor:
        return torch.einsum("bi,bj->ij", x, x)

    given = (torch.zeros(3, 4),)
    assert zoo.count(Calling(outer), inputs=given).macs == 3 * 4 * 4
    assert zoo.count(Calling(outer), inputs=given, formulas={"aten::einsum": lambda args, kwargs, out: 2}).macs == 2


@pytest.mark.parametrize("name", ["mystery", "", "a::b::c", "::b", "a::"])
def test_a_formula_is_for_an_operator_of_a_library(name: str) -> None:
    with pytest.raises(ZooError, match=rf"'{name}' does not name an operator\. Write library::operator"):
        zoo.formula(name)(size_of_result)
    with pytest.raises(ZooError, match="does not name an operator"):
        zoo.count(Calling(product), (4,), formulas={name: size_of_result})


def test_a_misspelt_operator_of_torch_is_told_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"no operator aten::linalg_inv_eks\. Did you mean .*aten::linalg_inv_ex"):
        zoo.formula("aten::linalg_inv_eks")(size_of_result)


def test_an_unknown_class_of_operations_is_told_all() -> None:
    with pytest.raises(
        UnknownNameError, match=r"no class of operations 'pool'\. Known: attention, conv, linear, matmul, recurrent"
    ):
        zoo.formula("aten::mm", kind="pool")
