"""Models whose forward pass differentiates, such as those that give forces as the gradient of an energy.

torch's FlopCounterMode (2.14) cannot be asked: it refuses `torch.autograd.grad` inside a module.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import zoo
from zoo.adapters.base import Example
from zoo.api.example_cost import count_example
from zoo.recording.memo import Memo
from zoo.records import Status

ATOMS, WIDTH, HIDDEN = 3, 4, 8
ENERGY_MACS = ATOMS * (WIDTH * HIDDEN + HIDDEN * 1)
FORCES_MACS = ATOMS * (1 * HIDDEN + HIDDEN * WIDTH)  # back through both layers; weights get no gradient
WEIGHTS_MACS = ENERGY_MACS  # each product of the forward pass once more


class Potential(nn.Module):
    """An energy of positions, and what a function makes of both."""

    def __init__(self, function: Callable[[Potential, Tensor], Any]) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(WIDTH, HIDDEN), nn.Linear(HIDDEN, 1)
        self.function = function

    def energy(self, x: Tensor) -> Tensor:
        """A number."""
        energy: Tensor = self.second(self.first(x).tanh()).sum()
        return energy

    def forward(self, x: Tensor) -> Any:
        return self.function(self, x)


def forces(model: Potential, x: Tensor) -> Any:
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        return torch.autograd.grad(model.energy(x), x)[0]


def forces_to_train(model: Potential, x: Tensor) -> Any:
    x.requires_grad_()
    energy = model.energy(x)
    return energy, torch.autograd.grad(energy, x, create_graph=True)[0]


def forces_of_values(model: Potential, x: Tensor) -> Any:
    return forces(model, x) if model.energy(x).item() == 0 or x.sum() > -1e9 else None


def all_gradients(model: Potential, x: Tensor) -> Any:
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        model.energy(x).backward()
    return x.grad


CASES: list[tuple[Callable[[Potential, Tensor], Any], int, Status]] = [
    (forces, ENERGY_MACS + FORCES_MACS, Status.EXACT),
    (forces_to_train, ENERGY_MACS + FORCES_MACS, Status.EXACT),
    (forces_of_values, 2 * ENERGY_MACS + FORCES_MACS, Status.BOUND),
    (all_gradients, ENERGY_MACS + FORCES_MACS + WEIGHTS_MACS, Status.EXACT),
]


@pytest.mark.parametrize(("function", "macs", "status"), CASES)
def test_a_backward_pass_inside_the_forward_pass_counts(function: Any, macs: int, status: Status) -> None:
    model = Potential(function)
    x = torch.randn(ATOMS, WIDTH)
    cost = zoo.count(model, x)
    assert (cost.macs, cost.status) == (macs, status)
    assert not x.requires_grad
    assert all(parameter.grad is None for parameter in model.parameters())


def test_gradients_that_parameters_hold_stay() -> None:
    for device in ("cpu", "meta"):
        model = Potential(all_gradients).to(device)
        held = [torch.ones_like(parameter) for parameter in model.parameters()]
        for parameter, grad in zip(model.parameters(), held, strict=True):
            parameter.grad = grad
        zoo.count(model, (WIDTH,))
        assert [parameter.grad for parameter in model.parameters()] == held
        assert all(parameter.grad is grad for parameter, grad in zip(model.parameters(), held, strict=True))


def test_an_input_that_is_given_with_a_gradient_keeps_it() -> None:
    def differentiate(model: Potential, x: Tensor) -> Any:
        return torch.autograd.grad(model.energy(x), x)

    cost = zoo.count(Potential(differentiate), torch.zeros(ATOMS, WIDTH, requires_grad=True))
    assert cost.macs == ENERGY_MACS + FORCES_MACS


def test_layers_keep_their_forward_pass_and_the_backward_pass_belongs_to_who_asks_for_it() -> None:
    table = zoo.count(Potential(forces), torch.zeros(ATOMS, WIDTH)).by_module().set_index("module")["macs"]
    assert table.to_dict() == {
        "": ENERGY_MACS + FORCES_MACS,
        "first": ATOMS * WIDTH * HIDDEN,
        "second": ATOMS * HIDDEN,
    }


@pytest.mark.parametrize(("function", "macs", "status"), CASES)
def test_a_zoo_s_model_may_differentiate_too(function: Any, macs: int, status: Status) -> None:
    def build() -> nn.Module:
        with torch.device("meta"):
            return Potential(function).eval()

    example = Example((torch.empty(ATOMS, WIDTH, device="meta"),))
    cost = count_example(build(), example, Memo(), build)
    assert (cost.macs, cost.status) == (macs, status)


def test_what_cannot_be_differentiated_raises_as_it_does_in_torch() -> None:
    def detached(model: Potential, x: Tensor) -> Any:
        return torch.autograd.grad(model.energy(x).detach(), x)

    with pytest.raises(RuntimeError, match="does not require grad"):
        zoo.count(Potential(detached), (WIDTH,))


def test_gradients_of_buffers_and_attributes_are_put_back() -> None:
    extra = torch.ones(1, requires_grad=True)

    def by_values(model: Potential, x: Tensor) -> Any:
        if x.sum() > -1e9:
            with torch.enable_grad():
                (model.get_buffer("scale") * extra * model.energy(x)).backward()
        return x

    model = Potential(by_values)
    model.register_buffer("scale", torch.ones(1, requires_grad=True))
    model.extra = extra
    zoo.count(model, (ATOMS, WIDTH))
    assert model.get_buffer("scale").grad is None
    assert extra.grad is None
