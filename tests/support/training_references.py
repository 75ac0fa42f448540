"""What torch itself says of a training step: its flop counter, and its profiler on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torchvision.models
from models_for_tests import NAMES, Built
from profiled_boundaries import Boundaries
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode, flop_registry
from torchvision.models import list_models

from zoo.counting.count_model import meta_input
from zoo.training.count_training import sum_of_outputs
from zoo.training.optimizers import OPTIMIZERS
from zoo.units import FLOPS_PER_MAC

SAMPLE = "timm/mobilenetv3_small_050 timm/vit_tiny_patch16_224 timm/levit_128s torchvision/swin_t".split()
TIMM = [name for name in NAMES if name.startswith("timm/")]
STEPS = """timm/mobilenetv3_small_050 torchvision/squeezenet1_0 timm/vit_tiny_patch16_224 timm/levit_128s timm/xcit_nano_12_p8_224
    timm/ghostnet_050 timm/edgenext_xx_small timm/crossvit_tiny_240 timm/efficientformerv2_s0 timm/densenet121 timm/nf_regnet_b0
    timm/repvit_m0_9 timm/gmlp_ti16_224 timm/tf_efficientnet_cc_b0_4e timm/pit_ti_224 timm/mambaout_femto timm/cait_xxs24_224
    timm/regnetx_002 timm/starnet_s050 timm/hrnet_w18_small timm/coatnet_pico_rw_224 timm/beit_base_patch16_224
    torchvision/vit_b_16 torchvision/googlenet torchvision/shufflenet_v2_x0_5 torchvision/swin_v2_t torchvision/maxvit_t
    torchvision/mnasnet0_5""".split()
"""Whose step of training takes seconds on the CPU: convolutions of all kinds, attention fused and not, states of several widths."""
TORCHVISION = [f"torchvision/{name}" for name in list_models(module=torchvision.models)]


def _convolution_backward(grad: Any, x: Any, weight: Any, *rest: Any, out_shape: Any = None, **_: Any) -> int:
    """torch's formula, the weight's gradient divided by the groups.

    A weight of a group meets the channels of its group only: torch 2.14 multiplies all output channels with all input channels.
    """
    *others, groups, mask = rest
    of_torch: Callable[..., Any] = flop_registry[torch.ops.aten.convolution_backward]

    def alone(position: int) -> int:
        only = [asked and i == position for i, asked in enumerate(mask)]
        flops: int = of_torch(grad, x, weight, *others, groups, only, out_val=out_shape)
        return flops

    return alone(0) + alone(1) // int(groups)


def count_both_passes_with_torch(built: Built, *, batch: int, corrected: bool = True) -> tuple[int, int]:
    """MACs of forward and backward pass in training mode, by FlopCounterMode on the meta device.

    Args:
        built: the model.
        batch: images.
        corrected: whether the weight's gradient of a grouped convolution is divided by the groups.
    """
    mapping = {torch.ops.aten.convolution_backward: _convolution_backward} if corrected else {}
    built.model.train()
    with FlopCounterMode(display=False, custom_mapping=mapping) as counter:
        loss = sum_of_outputs(built.model(meta_input(built.shape, batch=batch)))
        forward: int = counter.get_total_flops()
        loss.backward()
    return forward // FLOPS_PER_MAC, (counter.get_total_flops() - forward) // FLOPS_PER_MAC


class StepOnCpu(NamedTuple):
    """Most bytes that the CPU's allocator has given out at the end of any operation, in each phase of a step."""

    forward: int
    backward: int
    step: int


def peaks_on_cpu(built: Built, *, batch: int, optimizer: str, foreach: bool = False) -> StepOnCpu:
    """A second step of training, by torch's profiler: the optimiser's state is there already, as are weights and input."""
    model, x = built.model.train(), torch.zeros(batch, *built.shape)
    for parameter in model.parameters():
        parameter.data.zero_()
        parameter.grad = torch.zeros_like(parameter)
    stepping = OPTIMIZERS[optimizer](model.parameters())
    for group in stepping.param_groups:
        group["foreach"] = foreach
    stepping.step()
    stepping.zero_grad()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded, Boundaries():
        loss = sum_of_outputs(outputs := model(x))
        _mark_phase()
        loss.backward()
        _mark_phase()
        stepping.step()
        _mark_phase()
    del outputs
    return StepOnCpu(*_peaks_of_phases(recorded))


def _mark_phase() -> None:
    with torch._C._profiler._RecordFunctionFast(_PHASE):
        pass


def _peaks_of_phases(recorded: profile) -> list[int]:
    assert recorded.profiler is not None
    results: Any = recorded.profiler.kineto_results  # torch's stubs lack its memory events
    live = peak = 0
    peaks = []
    for event in sorted(results.events(), key=lambda event: event.start_ns()):
        if event.name() == "[memory]":
            live += event.nbytes()
        elif event.name() == Boundaries.NAME:
            peak = max(peak, live)
        elif event.name() == _PHASE:
            peaks.append(peak)
            peak = live
    return peaks


_PHASE = "zoometer::phase"
