"""The zoos of segmentation_models_pytorch: decoders on encoders, as the library builds them by default, for one class.

`smp` is a declared set: every decoder on the encoders in common use, and every encoder under Unet. `smp-product` is every decoder on
every encoder. The library publishes weights of its encoders alone, not of whole networks.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from segmentation_models_pytorch import MODEL_ARCHITECTURES_MAPPING as DECODERS
from segmentation_models_pytorch.encoders import encoders as all_encoders
from torch import nn

from zoo.adapters.base import Zoo
from zoo.errors import InputError, VariantError
from zoo.inputs import parse_input
from zoo.records import Architecture, CostKey, Task

COMMON_ENCODERS = tuple(
    """resnet18 resnet34 resnet50 resnet101 resnext50_32x4d efficientnet-b0 efficientnet-b3 mobilenet_v2 mobileone_s0 mit_b0 mit_b2
    tu-convnext_tiny""".split()
)
"""Encoders that every decoder of the declared set is combined with; those with `tu-` are timm's."""

_VIT = "tu-vit_{}_patch16_224"
_VIT_ENCODERS = tuple(_VIT.format(size) for size in ("tiny", "small", "base", "large"))
"""The only encoders that DPT accepts."""

_CLASSES = 1
"""The library's default."""

_SIZE, _VIT_SIZE = 512, 224
_STRIDE = 32
"""Of the deepest features. The size must be divisible by it, except for Unet."""

_DILATED = frozenset({"deeplabv3", "deeplabv3plus", "pan"})
"""Decoders that dilate their encoder, which is impossible for encoders with pooling."""
_POOLING = ("densenet", "inception", "vgg", "xception")
_WITHOUT_TRANSFORMERS = frozenset({"linknet", "unetplusplus"})


class SmpZoo(Zoo):
    """The declared set of decoders on encoders."""

    name = "smp"
    libraries = ("segmentation_models_pytorch", "timm", "torch")

    def pairs(self) -> Iterator[tuple[str, str]]:
        """The listed pairs of decoder and encoder."""
        for decoder in DECODERS:
            encoders = _VIT_ENCODERS if decoder == "dpt" else COMMON_ENCODERS
            if decoder == "unet":
                encoders = tuple(dict.fromkeys((*COMMON_ENCODERS, *all_encoders)))
            yield from ((decoder, encoder) for encoder in encoders if _why_uncountable(decoder, encoder) is None)

    def architectures(self) -> list[Architecture]:
        """A network for each pair, named `decoder-encoder`."""
        return [_describe_architecture(self.name, *pair) for pair in self.pairs()]

    def build_options(self, key: CostKey) -> dict[str, Any]:
        """Classes, channels, and for a vision transformer whether the image size differs from its own.

        Raises:
            InputError: if the size is not divisible by 32.
            VariantError: if the key has no head.
        """
        if key.classes == 0:
            raise VariantError("segmentation_models_pytorch builds no network without a head")
        channels, *size = parse_input(key.input)
        options: dict[str, Any] = {"in_channels": channels, "classes": key.classes or _CLASSES}
        if key.arch.startswith("dpt-"):
            return options | {"dynamic_img_size": size != [_VIT_SIZE, _VIT_SIZE]}
        if any(each % _STRIDE for each in size) and not key.arch.startswith("unet-"):
            raise InputError(f"input must be a multiple of {_STRIDE}")
        return options

    def build(self, arch: str, options: dict[str, Any]) -> nn.Module:
        """The network without the weights of its encoder."""
        decoder, _, encoder = arch.partition("-")
        model: nn.Module = DECODERS[decoder](encoder_name=encoder, encoder_weights=None, **options)
        return model


class SmpProductZoo(SmpZoo):
    """Every decoder on every encoder."""

    name = "smp-product"

    def pairs(self) -> Iterator[tuple[str, str]]:
        """All pairs, including those that the library refuses."""
        encoders = tuple(dict.fromkeys((*all_encoders, *COMMON_ENCODERS, *_VIT_ENCODERS)))
        return ((decoder, encoder) for decoder in DECODERS for encoder in encoders)


@cache
def _describe_architecture(zoo: str, decoder: str, encoder: str) -> Architecture:
    size = _VIT_SIZE if encoder in _VIT_ENCODERS else _SIZE
    return Architecture(
        zoo=zoo,
        name=f"{decoder}-{encoder}",
        task=Task.SEGMENTATION,
        family=decoder,
        input=f"3x{size}x{size}",
        classes=_CLASSES,
        uncountable=_why_uncountable(decoder, encoder),
    )


def _why_uncountable(decoder: str, encoder: str) -> str | None:
    """Why the library cannot build this pair; None if it can."""
    if decoder == "dpt":
        return None if encoder in _VIT_ENCODERS else "DPT takes vision transformers of timm only"
    if encoder in _VIT_ENCODERS:
        return "the decoder needs features of several sizes, which a vision transformer does not have"
    if decoder in _DILATED and encoder.startswith(_POOLING):
        return "the decoder dilates its encoder, which one that pools cannot be"
    if decoder in _WITHOUT_TRANSFORMERS and encoder.startswith("mit_"):
        return "the decoder needs features of the first stage, which MiT does not have"
    return None
