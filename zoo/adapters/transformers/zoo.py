"""The zoo of transformers: vision models, built from configuration classes without downloads.

An architecture is one of three. `vit` is a model type of the library's registries of classifiers and backbones, in the default size of
its configuration class; `detr-detection` is another head of a type (`heads.HEADS`), likewise; `vit-large-patch16-224` is a published
configuration (`checkpoints.yaml`), which has weights.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from functools import cache
from importlib.util import find_spec
from typing import Any

import transformers
from torch import nn
from transformers.models.auto.configuration_auto import CONFIG_MAPPING, model_type_to_module_name
from transformers.models.auto.modeling_auto import MODEL_FOR_BACKBONE_MAPPING_NAMES, MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES

from zoo.adapters.base import Example, Zoo
from zoo.adapters.traced_transformers import independent_of_values
from zoo.adapters.transformers.checkpoints import checkpoints
from zoo.adapters.transformers.heads import HEADS, native_input, split_name, why_uncountable
from zoo.errors import VariantError
from zoo.inputs import image_tensor, parse_input
from zoo.records import Architecture, CostKey, PublishedCost, Task, Variant, Weights

_CLASSES = 1000
"""Outputs of a classifier. The configuration classes have 2, but nearly all published checkpoints have those of ImageNet-1k."""

_OF_ANOTHER_ZOO = frozenset({"timm_backbone", "timm_wrapper"})
_UNCOUNTABLE = {
    "imagegpt": "takes an image as a sequence of colour tokens, not as pixels",
    "perceiver": "takes an array of its own making, not an image",
    "shieldgemma2": "takes text beside the image",
    "siglip2": "takes patches that were cut out before, not an image",
}

_WITHOUT_DOWNLOAD = {"use_pretrained_backbone": False}
"""Of configurations whose backbone is timm's."""


class TransformersZoo(Zoo):
    """Model types with a classifier of images or a backbone, their other heads for images and video, and published configurations."""

    name = "transformers"
    libraries = ("transformers", "torch", "timm")  # some of its backbones are timm's

    def version(self) -> str:
        """transformers' version."""
        return str(transformers.__version__)

    def architectures(self) -> list[Architecture]:
        """All model types of the registries, and the published configurations. The modules of the models are not imported."""
        model_types = {*MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES, *MODEL_FOR_BACKBONE_MAPPING_NAMES}
        with _without_warnings():
            return [
                *(_make_architecture(model_type) for model_type in sorted(model_types - _OF_ANOTHER_ZOO)),
                *(_describe_head(name) for name in sorted(_heads())),
                *(_describe_checkpoint(name) for name in checkpoints()),
            ]

    def build_options(self, key: CostKey) -> dict[str, Any]:
        """Values of the configuration that differ from its defaults, and whether only the backbone is built.

        Raises:
            VariantError: if the library has no class for the backbone or the classifier.
        """
        if key.arch in checkpoints() or key.arch in _heads():
            native = (_describe_checkpoint if key.arch in checkpoints() else _describe_head)(key.arch)
            head = {"num_labels": key.classes} if key.classes else {}
            return head | _image_options(_config_of(key.arch, {}), image_tensor(key.input).shape[-3:], native.input)
        is_backbone = key.classes == 0 or key.variant == Variant.FEATURES
        if key.arch not in _registry(is_backbone=is_backbone):
            has, lacks = ("classifier", "backbone") if is_backbone else ("backbone", "classifier")
            raise VariantError(f"transformers has no {lacks} of {key.arch}, only a {has}")
        head = {} if is_backbone or key.classes is None else {"num_labels": key.classes}
        image = _image_options(_default_config(key.arch), parse_input(key.input), _make_architecture(key.arch).input)
        return {"is_backbone": is_backbone, **head, **image}

    def build(self, arch: str, options: dict[str, Any]) -> nn.Module:
        """The backbone, or the model with its head, of the configuration."""
        changed = dict(options)
        model: nn.Module
        if arch in checkpoints() or arch in _heads():
            model = _model_class(arch)(_as_loaded(_config_of(arch, changed)))
        else:
            names = _registry(is_backbone=changed.pop("is_backbone"))[arch]
            model = getattr(transformers, _first_class(names))(_as_loaded(CONFIG_MAPPING[arch](**changed)))
        return model

    def example(self, model: nn.Module, key: CostKey) -> Example:
        """An image, a video, or an image and a text."""
        example = super().example(model, key)
        has_masks = key.arch in checkpoints() or key.arch in _heads()
        return Example(example.args, example.kwargs, context=independent_of_values) if has_masks else example

    def published_costs(self) -> list[PublishedCost]:
        """Numbers of parameters of the published configurations."""
        return [
            PublishedCost(name, "", _describe_checkpoint(name).input, one.params, None, 0, params_step=one.params_step)
            for name, one in checkpoints().items()
            if one.params is not None
        ]


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """Keeps the library quiet about defaults of its own configurations."""
    before = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(before)


def _first_class(names: str | tuple[str, ...]) -> str:
    """Of several classes the first is the plain one; others add a teacher's head."""
    return names if isinstance(names, str) else names[0]


@cache
def _heads() -> dict[str, str]:
    """Classes of the models by name: `detr-detection`."""
    return {
        f"{model_type}-{head}": _first_class(names)
        for head, about in HEADS.items()
        for model_type, names in about.registry.items()
        if model_type not in _OF_ANOTHER_ZOO
    }


def _model_class(arch: str) -> Any:
    return getattr(transformers, checkpoints()[arch].class_name if arch in checkpoints() else _heads()[arch])


def _config_of(arch: str, changed: Mapping[str, Any]) -> Any:
    """The configuration of a head or a published one, with changed values."""
    published = checkpoints().get(arch)
    model_type = published.model_type if published else split_name(arch)[0]
    values = _merge_config(published.values if published else {}, changed)
    config_class = CONFIG_MAPPING[model_type]
    if "use_pretrained_backbone" in getattr(config_class, "__annotations__", {}):
        values |= _WITHOUT_DOWNLOAD
    return config_class(**values)


def _merge_config(values: Mapping[str, Any], changed: Mapping[str, Any]) -> dict[str, Any]:
    """The values with the changed ones, also inside a part of the configuration."""
    merged = deepcopy(dict(values))
    for name, value in changed.items():
        merged[name] = merged[name] | value if isinstance(value, dict) and isinstance(merged.get(name), dict) else value
    return merged


def _image_options(config: Any, shape: Sequence[int], native: str) -> dict[str, Any]:
    """Channels and image size that differ from the native ones, as far as the configuration of the vision model has them."""
    part = getattr(config, "vision_config", config)
    (channels, *size), (native_channels, *native_size) = shape, image_tensor(native).shape[-3:]
    changed: dict[str, Any] = {"num_channels": channels} if channels != native_channels else {}
    if (configured := getattr(part, "image_size", None)) and size != native_size:
        changed["image_size"] = size[0] if isinstance(configured, int) and size[0] == size[1] else tuple(size)
    return {"vision_config": changed} if changed and part is not config else changed


@cache
def _describe_head(name: str) -> Architecture:
    model_type, head = split_name(name)
    uncountable = why_uncountable(name) or _why_uncountable(model_type) or _needs_scipy(_heads()[name])
    return Architecture(
        zoo="transformers",
        name=name,
        task=HEADS[head].task,
        family=model_type_to_module_name(model_type),
        input=native_input(_default_config(model_type), head),
        classes=None,
        uncountable=uncountable,
    )


@cache
def _describe_checkpoint(name: str) -> Architecture:
    published = checkpoints()[name]
    native = published.native_input(_config_of(name, {}))
    source = f"https://huggingface.co/{published.source}"
    weights = Weights("transformers", name, "", published.task, None, published.classes, native, source=source, is_default=True)
    return Architecture(
        zoo="transformers",
        name=name,
        task=published.task,
        family=model_type_to_module_name(published.model_type),
        input=native,
        classes=published.classes,
        weights=(weights,),
        uncountable=_needs_scipy(published.class_name),
    )


def _needs_scipy(class_name: str) -> str | None:
    is_needed = class_name.endswith(("ForUniversalSegmentation", "MaskFormerForInstanceSegmentation"))
    return "needs the package scipy, which is not installed" if is_needed and find_spec("scipy") is None else None


def _registry(*, is_backbone: bool) -> Mapping[str, str | tuple[str, ...]]:
    """Names of model classes by model type."""
    names: Mapping[str, str | tuple[str, ...]] = (
        MODEL_FOR_BACKBONE_MAPPING_NAMES if is_backbone else MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES
    )
    return names


@cache
def _default_config(model_type: str) -> Any:
    return CONFIG_MAPPING[model_type]()


@cache
def _make_architecture(model_type: str) -> Architecture:
    is_classifier = model_type in MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES
    has_backbone = model_type in MODEL_FOR_BACKBONE_MAPPING_NAMES
    return Architecture(
        zoo="transformers",
        name=model_type,
        task=Task.CLASSIFICATION if is_classifier else Task.FEATURES,
        family=model_type_to_module_name(model_type),
        input=native_input(_default_config(model_type), ""),
        classes=_CLASSES if is_classifier else 0,
        uncountable=_why_uncountable(model_type),
        variants=(Variant.BASE, Variant.FEATURES) if is_classifier and has_backbone else (Variant.BASE,),
    )


def _why_uncountable(model_type: str) -> str | None:
    if model_type == "dinat" and find_spec("natten") is None:
        return "needs the package natten, which is not installed"
    return _UNCOUNTABLE.get(model_type)


def _as_loaded(config: Any) -> Any:
    """The configuration as read from a checkpoint's file: several backbones concatenate its lists, but defaults are tuples."""
    return type(config).from_dict(json.loads(config.to_json_string(use_diff=False)))
