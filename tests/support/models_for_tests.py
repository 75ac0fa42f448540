"""Models of the zoos and ways to count them that several tests of the counting engine share."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from zoo.adapters.base import Zoo
from zoo.adapters.registry import open_zoo
from zoo.counting.cost import Cost
from zoo.counting.count_model import count_model, meta_input
from zoo.inputs import parse_input
from zoo.meta.build import build_on_meta, skip_initialisers
from zoo.meta.new_tensors import META
from zoo.operators.operator_kinds import Kind
from zoo.recording.memo import Memo
from zoo.records import Architecture, CostKey, Status
from zoo.units import FLOPS_PER_MAC

# One of every family (source file) of timm, a small one where there are several, and a few more with uncommon operations:
# weight-standardised and routed convolutions, SigLIP's pooling attention, class attention, gated and factorised attention.
TIMM = """
    vit_tiny_patch16_224 mobileone_s1 beit_base_patch16_224 eca_halonext26ts poolformerv2_s12 cait_xxs24_224 coat_tiny
    maxvit_pico_rw_256 convit_tiny convmixer_768_32 convnext_zepto_rms cpubone_nano crossvit_tiny_240 cs3darknet_focus_s csatv2
    cspnext_tiny davit_tiny deepseek_vit_412m deit_tiny_distilled_patch16_224 densenet121 dla46x_c nf_regnet_b0 dpn48b
    ese_vovnet19b_slim_dw resnet18 edgenext_xx_small efficientformer_l1 efficientformerv2_s0 mobilenetv2_035 efficientvim_m1
    efficientvit_b0 efficientvit_m0 eva02_tiny_patch14_224 fasternet_t0 fastvit_t8 mobilenetv3_small_050 focalnet_tiny_srf
    gcvit_xxtiny gemma4_vit_167m ghostnet_050 gmlp_ti16_224 hardcorenas_b hgnetv2_b0 hiera_tiny_224 hieradet_small
    hrnet_w18_small iformer_t inception_next_atto inception_resnet_v2 inception_v3 inception_v4 lcnetv2_small
    legacy_seresnet18 legacy_xception levit_128s lowformer_b0 mambaout_femto mobilenetv5_base mobilevit_xxs mvitv2_tiny
    naflexvit_base_patch16_gap nasnetalarge nest_tiny nextvit_small pit_ti_224 pnasnet5large pvt_v2_b0 qwen3_vit_88m rdnet_tiny
    regnetx_002 repghostnet_050 repvit_m0_9 res2net50_14w_8s resnest14d resnetv2_18 rexnet_100 samvit_base_patch16_224
    selecsls42 sequencer2d_s shvit_s1 skresnet18 starnet_s050 swiftformer_xs swin_tiny_patch4_window7_224
    swinv2_tiny_window8_256 swinv2_cr_tiny_224 vit_srelpos_small_patch16_224 tiny_vit_5m_224 tnt_s_patch16_224 tresnet_m
    twins_svt_small vgg11 visformer_tiny vit_tiny_r_s16_p8_224 vitamin_small_224 volo_d1_224 xception41p xcit_nano_12_p8_224
    botnet26t_256 lambda_resnet26t nf_resnet26 tf_efficientnet_cc_b0_4e mobilevitv2_050 swin_s3_tiny_224 coatnet_pico_rw_224
    resmlp_12_224 vit_base_patch16_siglip_224 mobilenetv4_hybrid_medium""".split()

TORCHVISION = """
    alexnet convnext_tiny densenet121 efficientnet_b0 googlenet inception_v3 maxvit_t mnasnet0_5 mobilenet_v2
    mobilenet_v3_small regnet_x_400mf resnet18 resnext50_32x4d shufflenet_v2_x0_5 squeezenet1_0 swin_t swin_v2_t vgg11 vit_b_16
    wide_resnet50_2""".split()

NAMES = [*(f"timm/{name}" for name in TIMM), *(f"torchvision/{name}" for name in TORCHVISION)]


class Built(NamedTuple):
    """A model of a zoo and the shape it takes, without batch."""

    model: nn.Module
    shape: tuple[int, ...]


class Calling(nn.Module):
    """A model that calls a function; the engine counts models."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *args: Any) -> Any:
        return self.function(*args)


@cache
def architectures(zoo: str) -> dict[str, Architecture]:
    """All architectures of a zoo by name."""
    return {a.name: a for a in open_zoo(zoo).architectures()}


SMALLER = {"timm/sequencer2d_s": (3, 56, 56)}
"""Inputs in place of native ones: torch's counter takes an LSTM apart into its time steps, which would be slow."""


def build(name: str) -> Built:
    """`zoo/architecture` on the meta device, for its native input."""
    zoo, construct, shape = _constructor(name)
    return Built(build_on_meta(construct, zoo.initialisers()), shape)


def build_on_cpu(name: str) -> Built:
    """`zoo/architecture` with memory but no meaningful numbers, for its native input."""
    zoo, construct, shape = _constructor(name)
    with skip_initialisers(zoo.initialisers()):
        return Built(construct().eval(), shape)


def _constructor(name: str) -> tuple[Zoo, Callable[[], nn.Module], tuple[int, ...]]:
    library, _, arch = name.partition("/")
    zoo = open_zoo(library)
    described = architectures(library)[arch]
    options = zoo.build_options(CostKey(library, arch, described.input, described.classes))
    return zoo, lambda: zoo.build(arch, options), SMALLER.get(name) or parse_input(described.input)


def count(built: Built, memo: Memo | None = None, *, batch: int = 1) -> Cost:
    """The cost of a model of a zoo."""
    return count_model(built.model, [meta_input(built.shape, batch=batch)], memo)


def count_call(function: Callable[..., Any], *inputs: Any, memo: Memo | None = None) -> Cost:
    """The cost of calling a function, or a module whose parameters are on the meta device."""
    return count_model(Calling(function).eval(), inputs, memo)


def macs(kind: Kind, function: Callable[..., Any], *inputs: Any) -> int:
    """MACs of a call, all of which must be of one kind, and no operation unknown."""
    cost = count_call(function, *inputs)
    assert cost.status == Status.EXACT, cost.reason
    assert set(cost.macs_by_kind()) <= {kind}
    return cost.macs


def on_meta(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """A tensor of this shape that holds nothing."""
    return torch.empty(shape, dtype=dtype, device=META)


def size_of(*shape: int, dtype: torch.dtype = torch.float32) -> int:
    """Bytes of a tensor of this shape."""
    return math.prod(shape) * dtype.itemsize


def without_time(cost: Cost) -> Cost:
    """The cost without how long counting took, so that two can be compared."""
    return replace(cost, seconds=0.0)


def rows_of(cost: Cost) -> list[tuple[str, str, int]]:
    """Module path, operation and calls of each row."""
    return [(row.module, row.op.operation, row.calls) for row in cost.rows]


def count_with_torch(built: Built) -> int:
    """MACs according to torch's own counter, which sees operators after torch has taken them apart.

    Gradients are switched off at the parameters: under `no_grad` its module tracker fails on several models.
    """
    built.model.requires_grad_(False)
    with FlopCounterMode(display=False) as counter:
        built.model(meta_input(built.shape))
    flops: int = counter.get_total_flops()
    assert flops % FLOPS_PER_MAC == 0
    return flops // FLOPS_PER_MAC
