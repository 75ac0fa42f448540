"""What torch itself says of a training step: its flop counter, and its profiler on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torchvision.models
from models_for_tests import NAMES, Built
from torch.utils.flop_counter import FlopCounterMode, flop_registry
from torchvision.models import list_models

from zoo.counting.count_model import meta_input
from zoo.training.count_training import sum_of_outputs
from zoo.units import FLOPS_PER_MAC

SAMPLE = "timm/mobilenetv3_small_050 timm/vit_tiny_patch16_224 timm/levit_128s torchvision/swin_t".split()
TIMM = [name for name in NAMES if name.startswith("timm/")]
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


def count_both_passes_with_torch(built: Built, *, batch: int) -> tuple[int, int]:
    """MACs of forward and backward pass in training mode, by FlopCounterMode on the meta device."""
    mapping = {torch.ops.aten.convolution_backward: _convolution_backward}
    built.model.train()
    with FlopCounterMode(display=False, custom_mapping=mapping) as counter:
        loss = sum_of_outputs(built.model(meta_input(built.shape, batch=batch)))
        forward: int = counter.get_total_flops()
        loss.backward()
    return forward // FLOPS_PER_MAC, (counter.get_total_flops() - forward) // FLOPS_PER_MAC
