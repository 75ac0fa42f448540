"""What the weights of torchvision's quantised models take in memory, told from their float form."""

from __future__ import annotations

from torch import nn

ASSUMPTION = (
    "counted as its float architecture with weights of int8; activations, memory traffic and peak memory are those of float32"
)

_LEFT_OUT = "AuxLogits"
"""Torchvision drops the auxiliary head of a quantised Inception when it loads the weights."""

_BIAS_BYTES = 4
_SCALE_AND_ZERO_POINT_BYTES = 8 + 8


def is_quantized(arch: str) -> bool:
    """Whether torchvision lists it among its quantised models."""
    return arch.startswith("quantized_")


def int8_weight_bytes(model: nn.Module, backend: str) -> int:
    """Bytes of the weights after conversion, as `torch.ao.quantization.convert` stores them.

    Convolutions and linear layers keep one byte a weight and a float32 bias for each output; batch norms are folded into them,
    which gives each a bias. A scale (float64) and a zero point (int64) belong to each output with the backend `fbgemm`, which
    torchvision quantises by channel, and to each layer with `qnnpack`. The one scale and zero point of each activation is left out.
    """
    layers = [
        module
        for name, module in model.named_modules()
        if isinstance(module, (nn.Conv2d, nn.Linear)) and not name.startswith(_LEFT_OUT)
    ]
    outputs = [len(layer.weight) for layer in layers]
    scales = sum(outputs) if backend == "fbgemm" else len(layers)
    weights = sum(layer.weight.numel() for layer in layers)
    return weights + _BIAS_BYTES * sum(outputs) + _SCALE_AND_ZERO_POINT_BYTES * scales
