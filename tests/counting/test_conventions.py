"""Conventions, held against the tools whose rules they state."""

from __future__ import annotations

import io
import logging
import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import timm
import torch
import torchvision
from models_for_tests import Calling
from torch import nn

import zoo
from zoo.counting.conventions import CONVENTIONS, find_convention
from zoo.counting.cost import Cost
from zoo.counting.count_model import count_model, meta_input
from zoo.errors import UnknownNameError
from zoo.meta.build import build_on_meta
from zoo.operators import own_formulas
from zoo.recording.memo import Memo

FAST = ["torchvision/mobilenet_v3_small", "timm/vit_tiny_patch16_224", "timm/coat_lite_tiny"]
ALL_FAMILIES = [
    *(f"timm/{name}" for name in """flexivit_small botnet26t_256 convmixer_768_32 crossvit_9_240 deit3_small_patch16_224
    eca_nfnet_l0 ecaresnet26t efficientformerv2_s0 efficientvit_b0 fasternet_t0 focalnet_tiny_lrf ghostnet_050 hgnet_tiny
    hrnet_w18_small lcnet_050 levit_128s nextvit_small pvt_v2_b0 regnetv_040 res2net50_14w_8s rexnet_100 sequencer2d_s starnet_s1
    swinv2_tiny_window8_256 tiny_vit_5m_224 twins_svt_small xception41 bat_resnext26ts coatnet_nano_rw_224 densenet121
    edgenext_small efficientvit_m0 gcvit_xxtiny hiera_tiny_224 inception_v3 resnest14d shvit_s1 xcit_nano_12_p16_224""".split()),
    "torchvision/densenet161",
    "torchvision/swin_t",
    "torchvision/vit_b_32",
    "torchvision/regnet_x_400mf",
]  # fmt: skip

DOUBLE_COUNTED = {"timm/coat_lite_tiny"}  # ptflops counts modules with several parents once for each


class Tutorial(nn.Module):
    """The multilayer perceptron of a public tutorial."""

    def __init__(self) -> None:
        super().__init__()
        self.flatten = nn.Flatten()
        self.linear_relu_stack = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.linear_relu_stack(self.flatten(x))
        return result


@pytest.fixture(scope="module")
def memo() -> Memo:
    return Memo()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """fvcore's tracer and ptflops warn about everything they do not count."""
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    logging.disable(logging.NOTSET)


def _constructor(name: str) -> Callable[[], nn.Module]:
    library, _, arch = name.partition("/")
    return (lambda: timm.create_model(arch)) if library == "timm" else (lambda: torchvision.models.get_model(arch, weights=None))


def _shape(name: str) -> tuple[int, ...]:
    library, _, arch = name.partition("/")
    if library == "torchvision":
        return (3, 224, 224)
    cfg = timm.models.get_pretrained_cfg(arch)
    assert cfg is not None
    return tuple(cfg.input_size)


def _by_fvcore(model: nn.Module, shape: tuple[int, ...]) -> int:
    from fvcore.nn import FlopCountAnalysis

    with torch.no_grad():
        return int(FlopCountAnalysis(model, torch.rand(1, *shape)).unsupported_ops_warnings(False).total())


def _by_ptflops(model: nn.Module, shape: tuple[int, ...], backend: str) -> int:
    from ptflops import get_model_complexity_info

    config = {"count_functional": False} if backend == "pytorch" else {}
    with torch.no_grad():
        macs, _ = get_model_complexity_info(
            model, shape, print_per_layer_stat=False, as_strings=False, backend=backend, ost=io.StringIO(), backend_specific_config=config
        )  # fmt: skip
    return int(macs)


def _linear_biases(cost: Cost) -> int:
    """Additions that ptflops' aten backend does not see where the input of a linear layer is not contiguous."""
    rows = [row for row in cost.rows if row.op.operation == "linear"]
    aten, plain = CONVENTIONS["ptflops-aten"], CONVENTIONS["matmul"]
    return aten.total(rows) - plain.total(rows)


def _check_against_tools(name: str, memo: Memo) -> None:
    constructor, shape = _constructor(name), _shape(name)
    cost = zoo.count(build_on_meta(constructor), shape, memo=memo)
    real = constructor().eval()
    assert cost.total("fvcore", as_tool=True) == _by_fvcore(real, shape)
    aten = _by_ptflops(real, shape, "aten")
    assert 0 <= cost.total("ptflops-aten", as_tool=True) - aten <= _linear_biases(cost)
    modules = _by_ptflops(real, shape, "pytorch")
    if name in DOUBLE_COUNTED:
        assert cost.total("ptflops-pytorch", as_tool=True) < modules
    else:
        assert cost.total("ptflops-pytorch", as_tool=True) == modules


@pytest.mark.parametrize("name", FAST)
def test_totals_equal_those_of_the_tools(name: str, memo: Memo) -> None:
    _check_against_tools(name, memo)


@pytest.mark.slow
@pytest.mark.parametrize("name", ALL_FAMILIES)
def test_totals_equal_those_of_the_tools_over_all_families(name: str, memo: Memo) -> None:
    _check_against_tools(name, memo)


def test_layers_equal_those_of_fvcore(memo: Memo) -> None:
    from fvcore.nn import FlopCountAnalysis

    model = torchvision.models.shufflenet_v2_x0_5().eval()
    with torch.no_grad():
        theirs = FlopCountAnalysis(model, torch.rand(1, 3, 224, 224)).unsupported_ops_warnings(False).by_module()
    ours = zoo.count(model, (3, 224, 224), memo=memo).by_module(convention="fvcore").set_index("module")["macs"]
    assert {name: int(total) for name, total in theirs.items() if name in ours.index} == ours.to_dict()


def test_known_figures_of_densenet161() -> None:
    cost = zoo.count(build_on_meta(torchvision.models.densenet161), (3, 224, 224))
    total = cost.total("ptflops-pytorch")
    assert (round(total / 1e9, 2), round(2 * total / 1e9, 2), round(cost.params / 1e6, 2)) == (7.82, 15.64, 28.68)


def test_known_figures_of_the_tutorials_perceptron() -> None:
    cost = zoo.count(Tutorial(), (28, 28))
    weights = 784 * 512 + 512 * 512 + 512 * 10
    biases = 512 + 512 + 10
    relus = 512 + 512
    assert cost.macs == weights == 668_672
    assert cost.flops == 2 * weights
    assert cost.params == weights + biases
    assert cost.total("ptflops-aten") == weights + biases
    assert cost.total("ptflops-pytorch") == weights + biases + relus
    assert cost.total("weights-only") == 2 * weights
    assert cost.total("all") == 2 * weights + biases + relus


def test_weights_only_ignores_the_size_of_the_output() -> None:
    conv = nn.Conv2d(3, 8, 3, padding=1)
    small, large = zoo.count(conv, (3, 8, 8)), zoo.count(conv, (3, 32, 32))
    assert small.total("weights-only") == large.total("weights-only") == 2 * 8 * 3 * 3 * 3
    assert large.macs == 16 * small.macs == 8 * 27 * 32 * 32


def test_attention_of_multihead_attention_follows_ptflops_formula() -> None:
    width, heads, length = 32, 4, 10
    attention = nn.MultiheadAttention(width, heads, batch_first=True)
    x = torch.rand(1, length, width)
    projections = 4 * length * width * width + 4 * length * width  # with biases
    scores = heads * length * length
    expected = length * width + projections + 2 * scores * (width // heads) + scores
    for need_weights in (False, True):
        cost = zoo.count(attention, inputs=(x, x, x), kwargs={"need_weights": need_weights})
        assert cost.total("ptflops-pytorch") == expected
        assert cost.macs == 4 * length * width * width + 2 * scores * (width // heads)


@pytest.mark.parametrize(("kind", "elementwise"), [(nn.LSTM, 10), (nn.GRU, 7), (nn.RNN, 1)])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_recurrent_layers_equal_ptflops(kind: Any, elementwise: int, bidirectional: bool) -> None:
    layer = kind(6, 5, num_layers=1, batch_first=True, bidirectional=bidirectional)
    gates = {nn.LSTM: 4, nn.GRU: 3, nn.RNN: 1}[kind]
    directions = 2 if bidirectional else 1
    matrices = gates * 5 * (6 + 5)
    cost = zoo.count(layer, (7, 6))
    assert cost.macs == 7 * directions * matrices
    assert cost.total("ptflops-pytorch") == 7 * directions * (matrices + 2 * gates * 5 + elementwise * 5)
    assert cost.total("ptflops-pytorch") == _by_ptflops(layer, (7, 6), "pytorch")


def test_a_users_own_formula_counts_in_every_convention_but_not_as_the_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_formulas, "_for_all", {})

    @torch.library.custom_op("zoometer_tests::product", mutates_args=())
    def product(x: torch.Tensor) -> torch.Tensor:
        return x.clone()

    product.register_fake(torch.empty_like)
    zoo.formula("zoometer_tests::product")(lambda args, kwargs, out: 7 * out.numel())
    cost = zoo.count(Calling(product), (4,))
    assert {name: cost.total(name) for name in ("matmul", "all", "fvcore", "ptflops-aten")} == {
        "matmul": 28, "all": 56, "fvcore": 28, "ptflops-aten": 28,
    }  # fmt: skip
    assert cost.total("fvcore", as_tool=True) == cost.total("ptflops-aten", as_tool=True) == 0


def test_all_totals_at_once_are_those_of_each_convention(memo: Memo) -> None:
    for name in ("torchvision/resnet18", "timm/vit_tiny_patch16_224"):
        for _ in range(2):  # the second knows what the first has weighed
            cost = count_model(build_on_meta(_constructor(name)), [meta_input(_shape(name))], memo)
            assert cost.totals() == {convention: cost.total(convention) for convention in CONVENTIONS}


def test_unknown_convention_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"no convention 'ptflop-aten'.*Did you mean ptflops-aten"):
        find_convention("ptflop-aten")


def test_every_convention_says_what_it_is() -> None:
    for name, convention in CONVENTIONS.items():
        assert name == convention.name
        assert convention.unit in ("MACs", "FLOPs")
        assert convention.meaning
        assert convention.version
        assert convention.citation


def test_all_counts_every_elementwise_operation_once_an_output() -> None:
    class Sum(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.sigmoid(x + 1) * x

    shape = (4, 5)
    assert zoo.count(Sum(), shape).total("all") == 3 * math.prod(shape)
