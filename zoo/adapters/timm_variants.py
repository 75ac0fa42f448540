"""Variants of timm's architectures: as built, re-parameterised for inference, and as a backbone that returns feature maps."""

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
"""Methods of modules that `timm.models.reparameterize_model` calls."""

_FUSIBLE_ONLY = {"byobnet": ("mobileone_*", "repvgg_*"), "ghostnet": ("ghostnetv3_*",)}
"""Patterns of the architectures that can be re-parameterised, for timm's modules in which others cannot. A test builds all of them."""


def variants_of(arch: str) -> tuple[str, ...]:
    """The variants of an architecture, determined without building it."""
    module = model_entrypoint(arch).__module__
    globs = _FUSIBLE_ONLY.get(module.rsplit(".", 1)[-1], ("*",))
    if _has_blocks_to_fuse(module) and any(fnmatch.fnmatchcase(arch, glob) for glob in globs):
        return (Variant.BASE, Variant.DEPLOY, Variant.FEATURES)
    return (Variant.BASE, Variant.FEATURES)


@cache
def _has_blocks_to_fuse(module: str) -> bool:
    """Whether a module of timm defines or imports classes that can be re-parameterised."""
    classes = (value for value in vars(sys.modules[module]).values() if isinstance(value, type) and issubclass(value, nn.Module))
    return any(hasattr(kind, method) for kind in classes for method in _METHODS)


def build_variant(arch: str, variant: str = Variant.BASE, **options: Any) -> nn.Module:
    """A variant of a model, without trained weights.

    Raises:
        VariantError: if timm cannot extract the architecture's feature maps.
    """
    if variant == Variant.FEATURES:
        return _build_backbone(arch, options)
    model = _create_model(arch, options)
    if variant == Variant.DEPLOY:
        with torch.no_grad():
            model = reparameterize_model(model.eval(), inplace=True)
    return model


def _build_backbone(arch: str, options: dict[str, Any]) -> nn.Module:
    try:
        return _create_model(arch, {**options, "features_only": True})
    except Exception as error:
        _create_model(arch, options)  # if this fails too, raise its error
        raise VariantError("timm cannot take the feature maps of this architecture") from error


def _create_model(arch: str, options: dict[str, Any]) -> nn.Module:
    """`timm.create_model`. A CrossViT that cannot be built for a size is built for its native one, to which it resizes images."""
    model: nn.Module = timm.create_model(arch, pretrained=False, **options)
    if isinstance(model, CrossVit) and not _has_whole_patches(model):
        model = timm.create_model(
            arch, pretrained=False, **{name: value for name, value in options.items() if name != "img_size"}
        )
    return model


def _has_whole_patches(model: CrossVit) -> bool:
    """Whether the image is a whole number of patches in both branches, as timm's position embeddings require."""
    embeds: Iterable[Any] = model.patch_embed
    sides = [side for size in model.img_size_scaled for side in size]
    patches = [patch for embed in embeds for patch in embed.patch_size]
    return all(side % patch == 0 for side, patch in zip(sides, patches, strict=True))
