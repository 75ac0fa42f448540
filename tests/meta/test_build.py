"""Building on the meta device: the same model without its numbers, and everything as before afterwards."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torchvision
from torch import nn

from zoo.meta.build import build_on_meta, skip_initialisers, without_collector
from zoo.meta.new_tensors import META


def looks(model: nn.Module) -> dict[str, Any]:
    """Everything about parameters and buffers but their numbers and device."""
    named = [*model.named_parameters(remove_duplicate=False), *model.named_buffers(remove_duplicate=False)]
    return {name: (t.shape, t.dtype, t.requires_grad, isinstance(t, nn.Parameter)) for name, t in named}


@pytest.mark.parametrize("name", ["resnet18", "vit_b_32", "swin_t", "mobilenet_v3_small", "regnet_y_400mf", "efficientnet_v2_s"])
def test_a_model_without_numbers_has_the_parameters_of_one_with(name: str) -> None:
    model = build_on_meta(lambda: torchvision.models.get_model(name, weights=None))
    with skip_initialisers():
        real = torchvision.models.get_model(name, weights=None)
    assert looks(model) == looks(real)
    assert {parameter.device for parameter in model.parameters()} == {META}
    assert not any(module.training for module in model.modules())


class ReadsNumbers(nn.Module):
    """Computes with a tensor and reads the result, which has none on the meta device."""

    def __init__(self) -> None:
        super().__init__()
        widths = [int(width) for width in torch.linspace(2, 4, 3)]
        self.first, self.second = nn.Linear(widths[0], widths[1]), nn.Linear(widths[0], widths[1])
        self.second.weight = self.first.weight
        self.extra = nn.Parameter(torch.ones(3), requires_grad=False)
        self.shared = self.extra
        self.register_buffer("table", torch.arange(3))
        self.register_buffer("scale", torch.full((3,), 0.5))
        self.register_buffer("nothing", None)


def test_a_constructor_that_reads_its_tensors_is_built_too_and_what_was_shared_stays_shared() -> None:
    model = build_on_meta(ReadsNumbers)
    assert isinstance(model, ReadsNumbers)
    assert (model.first.in_features, model.first.out_features) == (2, 3)
    assert {parameter.device for parameter in model.parameters()} == {META}
    assert model.first.weight is model.second.weight
    assert model.extra is model.shared
    assert not model.extra.requires_grad


def test_whole_numbers_in_buffers_keep_their_values_where_the_constructor_has_them() -> None:
    model = build_on_meta(ReadsNumbers)
    assert model.get_buffer("table").tolist() == [0, 1, 2]
    assert model.get_buffer("scale").device == META


def test_a_constructors_own_error_is_the_callers_and_is_not_tried_again() -> None:
    calls = []

    def construct() -> nn.Module:
        calls.append(1)
        raise RuntimeError("no such width")

    with pytest.raises(RuntimeError, match="no such width"):
        build_on_meta(construct)
    assert len(calls) == 1


def own_initialiser_(tensor: torch.Tensor, value: float = 1.0, *, times: int = 2) -> torch.Tensor:
    return tensor.fill_(value * times)


INITIALISERS: list[Callable[..., Any]] = [
    *(getattr(nn.init, name) for name in ("kaiming_uniform_", "trunc_normal_", "zeros_", "orthogonal_", "constant_")),
    own_initialiser_,
]


def contents(function: Any) -> tuple[Any, ...]:
    return function.__code__, function.__defaults__, function.__kwdefaults__, function.__name__, function.__doc__


def test_initialisers_do_nothing_for_the_time_being_whoever_has_imported_them() -> None:
    names = [nn.init.zeros_, own_initialiser_]
    tensor = torch.full((2, 2), 5.0)
    with skip_initialisers([own_initialiser_]):
        for function in names:
            assert function(tensor) is tensor
        assert nn.init.trunc_normal_(tensor, mean=1.0, std=2.0, a=-1) is tensor
    assert tensor.tolist() == [[5.0, 5.0], [5.0, 5.0]]
    assert own_initialiser_(tensor, 3.0).tolist() == [[6.0, 6.0], [6.0, 6.0]]


@pytest.mark.parametrize("error", [None, ValueError("stopped halfway"), KeyboardInterrupt()])
def test_initialisers_work_again_afterwards_whatever_happened(error: BaseException | None) -> None:
    before = [contents(function) for function in INITIALISERS]

    def construct() -> nn.Module:
        if error:
            raise error
        return nn.Linear(2, 2)

    if error:
        with pytest.raises(type(error)):
            build_on_meta(construct, [own_initialiser_])
    else:
        build_on_meta(construct, [own_initialiser_])
    assert [contents(function) for function in INITIALISERS] == before
    assert nn.Linear(4, 4).weight.std() > 0


def test_one_build_inside_another_restores_in_order() -> None:
    before = [contents(function) for function in INITIALISERS]
    with skip_initialisers([own_initialiser_]):
        with skip_initialisers([own_initialiser_]):
            pass
        tensor = torch.full((1,), 5.0)
        assert own_initialiser_(tensor).tolist() == [5.0]
    assert [contents(function) for function in INITIALISERS] == before


def test_functions_that_cannot_be_patchesd_are_left_alone() -> None:
    value = 7.0

    def closure_(tensor: torch.Tensor) -> torch.Tensor:
        return tensor.fill_(value)

    with skip_initialisers([closure_, torch.Tensor.zero_, len]):
        assert closure_(torch.zeros(1)).tolist() == [7.0]


def test_building_draws_no_random_numbers_and_leaves_torchs_settings() -> None:
    random, device, dtype = torch.get_rng_state(), torch.get_default_device(), torch.get_default_dtype()

    def construct() -> nn.Module:
        model = nn.Sequential(nn.Linear(2, 2), nn.LSTM(2, 2))
        model.token = nn.Parameter(torch.randn(1, 1, 2) * 0.02)
        model.register_parameter("position", nn.Parameter(torch.rand(3)))
        torch.Tensor.normal_(model.token.data)
        return model

    assert {parameter.device for parameter in build_on_meta(construct).parameters()} == {META}
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.get_default_device() == device
    assert torch.get_default_dtype() == dtype
    assert torch.zeros(1).device == device


@pytest.mark.parametrize("is_enabled", [True, False])
def test_the_garbage_collector_is_off_only_meanwhile(is_enabled: bool) -> None:
    was_enabled, states = gc.isenabled(), []

    def construct() -> nn.Module:
        states.append(gc.isenabled())
        raise ValueError("stopped halfway")

    (gc.enable if is_enabled else gc.disable)()
    try:
        with pytest.raises(ValueError, match="halfway"):
            build_on_meta(construct)
        states.append(gc.isenabled())
        with without_collector(), without_collector():
            pass
        states.append(gc.isenabled())
    finally:
        (gc.enable if was_enabled else gc.disable)()
    assert states == [False, is_enabled, is_enabled]
