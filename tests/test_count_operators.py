"""Operators that torch does not bring, that are made of others, or that meet tensors with data."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from models_for_tests import count_call, on_meta, rows_of
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812  # torch's own habit

from zoo.counting import operations
from zoo.counting.operations import Kind, register_formula
from zoo.counting.recorder import Memo
from zoo.errors import ZooError
from zoo.records import Status

BATCH, WIDTH = 2, 6


def vectors() -> Tensor:
    return on_meta(BATCH, WIDTH)


@torch.library.custom_op("zoometer_tests::mystery", mutates_args=())
def mystery(x: Tensor) -> Tensor:
    return x.clone()


@mystery.register_fake
def _(x: Tensor) -> Tensor:
    return torch.empty_like(x)


@pytest.fixture(scope="module")
def library() -> Iterator[torch.library.Library]:
    """Operators of a user's library: one made of others, one that returns nothing."""
    made = torch.library.Library("zoometer_tests_parts", "DEF")
    made.define("gram(Tensor x) -> Tensor")
    made.impl("gram", lambda x: (x @ x.mT).relu(), "CompositeImplicitAutograd")
    made.define("report(Tensor x) -> ()")
    made.impl("report", lambda x: None, "Meta")
    yield made
    made._destroy()


@pytest.fixture
def formulas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Formulas registered in a test are gone after it."""
    monkeypatch.setattr(operations, "_registered", {})


def test_an_operator_without_formula_makes_the_cost_a_bound_and_is_named() -> None:
    layer = nn.Linear(WIDTH, WIDTH, device="meta")
    cost = count_call(lambda x: mystery(mystery(layer(x))), vectors())
    assert cost.status == Status.BOUND
    assert cost.uncounted == {"zoometer_tests::mystery": 2}
    assert cost.reason == "operators without a formula: zoometer_tests::mystery (2 calls); give them one with zoo.formula"
    assert cost.macs == BATCH * WIDTH * WIDTH


def test_even_an_operator_that_returns_nothing_is_not_silently_left_out(library: torch.library.Library) -> None:
    cost = count_call(torch.ops.zoometer_tests_parts.report, vectors())
    assert cost.uncounted == {"zoometer_tests_parts::report": 1}


@pytest.mark.usefixtures("formulas")
def test_an_operator_with_a_formula_of_its_own_is_counted_by_it() -> None:
    register_formula("zoometer_tests::mystery", lambda args, kwargs, out: 7 * out.numel(), Kind.CONV)
    cost = count_call(mystery, vectors())
    assert cost.status == Status.EXACT
    assert cost.macs_by_kind() == {Kind.CONV: 7 * BATCH * WIDTH}


@pytest.mark.usefixtures("formulas")
def test_an_operator_has_one_formula() -> None:
    register_formula("zoometer_tests::mystery", lambda args, kwargs, out: 1)
    with pytest.raises(ZooError, match="zoometer_tests::mystery has a formula already"):
        register_formula("zoometer_tests::mystery", lambda args, kwargs, out: 2)
    with pytest.raises(ZooError, match="torchvision::deform_conv2d has a formula already"):
        register_formula("torchvision::deform_conv2d", lambda args, kwargs, out: 2)


@pytest.mark.parametrize("name", ["mystery", "", "a::b::c"])
def test_a_formula_is_for_an_operator_of_a_library(name: str) -> None:
    with pytest.raises(ZooError, match=rf"'{name}' does not name an operator\. Write library::operator"):
        register_formula(name, lambda args, kwargs, out: 1)


@pytest.mark.parametrize("memo", [None, Memo()], ids=["without memo", "with memo"])
def test_an_unknown_operator_made_of_others_is_taken_apart(library: torch.library.Library, memo: Memo | None) -> None:
    for _ in range(2):
        cost = count_call(torch.ops.zoometer_tests_parts.gram, vectors(), memo=memo)
        assert cost.status == Status.EXACT
        assert rows_of(cost) == [("", "matmul", 1), ("", "relu", 1)]
        assert cost.macs == BATCH * WIDTH * BATCH


def test_torchs_own_composites_are_taken_apart() -> None:
    cost = count_call(lambda *matrices: torch.linalg.multi_dot(matrices), on_meta(2, 3), on_meta(3, 4), on_meta(4, 5))
    assert [row.facts.macs for row in cost.rows] == [2 * 3 * 4, 2 * 4 * 5]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x * torch.ones(WIDTH, device="cpu"),
        lambda x: x * torch.tensor(2.0),
        lambda x: x + torch.arange(WIDTH, device="cpu"),
        lambda x: F.linear(x, torch.ones(3, WIDTH)),
        lambda x: torch.cat([x, torch.zeros(BATCH, WIDTH)]),
        lambda x: torch.where(torch.ones(WIDTH, dtype=torch.bool), x, 0.0),
        lambda x: x.add_(torch.ones(WIDTH)),
        lambda x: x[:, torch.tensor([0, 2])],
        lambda x: x[torch.tensor([True, False])],
    ],
    ids=["mul", "number", "integers", "linear", "cat", "where", "in place", "index", "mask"],
)
def test_constants_on_the_cpu_meet_activations_without_data(function: Callable[[Tensor], Tensor]) -> None:
    expected = function(torch.zeros(BATCH, WIDTH)).shape
    results: list[Tensor] = []
    memo = Memo()
    for _ in range(2):
        cost = count_call(lambda x: results.append(function(x)), vectors(), memo=memo)
        assert cost.status == Status.EXACT, cost.reason
    assert [(result.device.type, result.shape) for result in results] == [("meta", expected)] * 2
