"""Memory of the weights of torchvision's quantised models, derived from their float form."""

from __future__ import annotations

from torch import nn

ASSUMPTION = (
    "counted as its float architecture with weights of int8; activations, memory traffic and peak memory are those of float32"
)

_DROPPED_HEAD = "AuxLogits"
"""The auxiliary head of a quantised Inception, which torchvision drops when it loads the weights."""

_BIAS_BYTES = 4
_SCALE_AND_ZERO_POINT_BYTES = 8 + 8


def is_quantized(arch: str) -> bool:
    """Whether it is one of torchvision's quantised models."""
    return arch.startswith("quantized_")


def int8_weight_bytes(model: nn.Module, backend: str) -> int:
    """Bytes of the weights after `torch.ao.quantization.convert`.

    Convolutions and linear layers have one byte per weight and a float32 bias per output, because batch norms are folded into them.
    The backend `fbgemm`, which torchvision quantises per channel, adds a scale (float64) and a zero point (int64) per output,
    `qnnpack` one of each per layer. Scales and zero points of activations are excluded.
    """
    layers = [
        module
        for name, module in model.named_modules()
        if isinstance(module, (nn.Conv2d, nn.Linear)) and not name.startswith(_DROPPED_HEAD)
    ]
    outputs = [len(layer.weight) for layer in layers]
    scales = sum(outputs) if backend == "fbgemm" else len(layers)
    weights = sum(layer.weight.numel() for layer in layers)
    return weights + _BIAS_BYTES * sum(outputs) + _SCALE_AND_ZERO_POINT_BYTES * scales
