"""The zoo of transformers: vision models, built from configuration classes without downloads.

An architecture is a model type of the library's registry, in the default size of its configuration class, which is that of the
checkpoint it was introduced with. The registry lists no weights.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from typing import Any

import transformers
from torch import nn
from transformers.models.auto.configuration_auto import CONFIG_MAPPING, model_type_to_module_name
from transformers.models.auto.modeling_auto import MODEL_FOR_BACKBONE_MAPPING_NAMES, MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES

from zoo.adapters.base import Zoo
from zoo.errors import VariantError
from zoo.inputs import format_input, parse_input
from zoo.records import Architecture, CostKey, Task, Variant

_CLASSES = 1000
"""Outputs of a classifier. The configuration classes have 2, but nearly all published checkpoints have those of ImageNet-1k."""

_USUAL_SIZE = 224
"""Input of models whose configuration has no image size, because they support any."""

_OF_ANOTHER_ZOO = frozenset({"timm_backbone", "timm_wrapper"})
_UNCOUNTABLE = {
    "imagegpt": "takes an image as a sequence of colour tokens, not as pixels",
    "perceiver": "takes an array of its own making, not an image",
    "shieldgemma2": "takes text beside the image",
    "siglip2": "takes patches that were cut out before, not an image",
}


class TransformersZoo(Zoo):
    """Every model type with a classifier of images or a backbone."""

    name = "transformers"
    libraries = ("transformers", "torch", "timm")  # some of its backbones are timm's

    def version(self) -> str:
        """transformers' version."""
        return str(transformers.__version__)

    def architectures(self) -> list[Architecture]:
        """All model types of the two registries. The modules of the models are not imported."""
        model_types = {*MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES, *MODEL_FOR_BACKBONE_MAPPING_NAMES}
        return [_describe(model_type) for model_type in sorted(model_types - _OF_ANOTHER_ZOO)]

    def build_options(self, key: CostKey) -> dict[str, Any]:
        """Values of the configuration that differ from its defaults, and whether only the backbone is built.

        Raises:
            VariantError: if the library has no class for the backbone or the classifier.
        """
        is_backbone = key.classes == 0 or key.variant == Variant.FEATURES
        if key.arch not in _registry(is_backbone=is_backbone):
            has, lacks = ("classifier", "backbone") if is_backbone else ("backbone", "classifier")
            raise VariantError(f"transformers has no {lacks} of {key.arch}, only a {has}")
        head = {} if is_backbone or key.classes is None else {"num_labels": key.classes}
        return {"is_backbone": is_backbone, **head, **_image_options(key)}

    def build(self, arch: str, options: dict[str, Any]) -> nn.Module:
        """The backbone, or the classifier, of the configuration."""
        changed = dict(options)
        names = _registry(is_backbone=changed.pop("is_backbone"))[arch]
        # Of several classes the first is the plain one; others add a teacher's head.
        model_class = getattr(transformers, names if isinstance(names, str) else names[0])
        model: nn.Module = model_class(_as_loaded(CONFIG_MAPPING[arch](**changed)))
        return model


def _registry(*, is_backbone: bool) -> Mapping[str, str | tuple[str, ...]]:
    """Names of model classes by model type."""
    names: Mapping[str, str | tuple[str, ...]] = (
        MODEL_FOR_BACKBONE_MAPPING_NAMES if is_backbone else MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES
    )
    return names


@cache
def _describe(model_type: str) -> Architecture:
    is_classifier = model_type in MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES
    has_backbone = model_type in MODEL_FOR_BACKBONE_MAPPING_NAMES
    return Architecture(
        zoo="transformers",
        name=model_type,
        task=Task.CLASSIFICATION if is_classifier else Task.FEATURES,
        family=model_type_to_module_name(model_type),
        input=format_input(_native_shape(model_type)),
        classes=_CLASSES if is_classifier else 0,
        uncountable=_why_uncountable(model_type),
        variants=(Variant.BASE, Variant.FEATURES) if is_classifier and has_backbone else (Variant.BASE,),
    )


def _why_uncountable(model_type: str) -> str | None:
    if model_type == "dinat" and find_spec("natten") is None:
        return "needs the package natten, which is not installed"
    return _UNCOUNTABLE.get(model_type)


@cache
def _image_config(model_type: str) -> Any:
    """The configuration of the vision model, which in models of images and text is a part of the whole."""
    config = CONFIG_MAPPING[model_type]()
    return getattr(config, "vision_config", config)


def _as_loaded(config: Any) -> Any:
    """The configuration as read from a checkpoint's file: several backbones concatenate its lists, but defaults are tuples."""
    return type(config).from_dict(json.loads(config.to_json_string(use_diff=False)))


def _native_shape(model_type: str) -> tuple[int, ...]:
    config = _image_config(model_type)
    size = getattr(config, "image_size", None) or _USUAL_SIZE
    height, width = (size, size) if isinstance(size, int) else size
    return (getattr(config, "num_channels", None) or 3, height, width)


def _image_options(key: CostKey) -> dict[str, Any]:
    """Channels and image size that differ from the native ones, if the configuration has them."""
    config, native = _image_config(key.arch), _native_shape(key.arch)
    channels, *size = parse_input(key.input)
    changed: dict[str, Any] = {}
    if channels != native[0]:
        changed["num_channels"] = channels
    configured = getattr(config, "image_size", None)
    if configured and tuple(size) != native[1:]:
        changed["image_size"] = size[0] if isinstance(configured, int) and size[0] == size[1] else tuple(size)
    is_part = config.model_type != key.arch
    return {"vision_config": changed} if changed and is_part else changed
