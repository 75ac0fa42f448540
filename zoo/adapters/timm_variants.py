"""The forms of timm's architectures: as trained, re-parameterised for inference, and as a backbone that gives feature maps."""

from __future__ import annotations

import fnmatch
import sys
from collections.abc import Iterable
from functools import cache
from typing import Any

import timm
import torch
from timm.models import model_entrypoint, reparameterize_model
from timm.models.crossvit import CrossVit
from torch import nn

from zoo.errors import VariantError
from zoo.records import Variant

_METHODS = ("fuse", "reparameterize", "switch_to_deploy")
"""What `timm.models.reparameterize_model` calls where a module has it."""

_SOME_ONLY = {"byobnet": ("mobileone_*", "repvgg_*"), "ghostnet": ("ghostnetv3_*",)}
"""Modules of timm in which only some architectures have blocks to re-parameterise. A test holds this against built models."""


def variants_of(arch: str) -> tuple[str, ...]:
    """The forms that an architecture has, known without building it."""
    module = model_entrypoint(arch).__module__
    globs = _SOME_ONLY.get(module.rsplit(".", 1)[-1], ("*",))
    if _has_blocks_to_fuse(module) and any(fnmatch.fnmatchcase(arch, glob) for glob in globs):
        return (Variant.BASE, Variant.DEPLOY, Variant.FEATURES)
    return (Variant.BASE, Variant.FEATURES)


@cache
def _has_blocks_to_fuse(module: str) -> bool:
    """Whether a module of timm has classes that can be re-parameterised, of its own or imported."""
    classes = (value for value in vars(sys.modules[module]).values() if isinstance(value, type) and issubclass(value, nn.Module))
    return any(hasattr(found, method) for found in classes for method in _METHODS)


def build_variant(arch: str, variant: str = Variant.BASE, **options: Any) -> nn.Module:
    """A model without trained weights, in one of its forms.

    Raises:
        VariantError: if timm cannot take the architecture's feature maps.
    """
    if variant == Variant.FEATURES:
        return _build_backbone(arch, options)
    model = _create(arch, options)
    if variant == Variant.DEPLOY:
        with torch.no_grad():
            model = reparameterize_model(model.eval(), inplace=True)
    return model


def _build_backbone(arch: str, options: dict[str, Any]) -> nn.Module:
    try:
        return _create(arch, {**options, "features_only": True})
    except Exception as error:
        _create(arch, options)  # where this fails too, its error is the one to tell
        raise VariantError("timm cannot take the feature maps of this architecture") from error


def _create(arch: str, options: dict[str, Any]) -> nn.Module:
    """`timm.create_model`; CrossViT for its own size where it cannot be built for another: it resizes each image to that."""
    model: nn.Module = timm.create_model(arch, pretrained=False, **options)
    if isinstance(model, CrossVit) and not _has_whole_patches(model):
        model = timm.create_model(
            arch, pretrained=False, **{name: value for name, value in options.items() if name != "img_size"}
        )
    return model


def _has_whole_patches(model: CrossVit) -> bool:
    """Whether the image is a whole number of patches in both branches; timm's position embeddings only fit then."""
    embeds: Iterable[Any] = model.patch_embed
    sides = [side for size in model.img_size_scaled for side in size]
    patches = [patch for embed in embeds for patch in embed.patch_size]
    return all(side % patch == 0 for side, patch in zip(sides, patches, strict=True))
