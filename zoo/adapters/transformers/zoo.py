"""The zoo of transformers: vision models, built from configuration classes without downloads.

There are three kinds of architectures. `vit` is a model type in the library's registries of classifiers and backbones, with the default
configuration of its class. `detr-detection` is a type with another head (`heads.HEADS`), also with the default configuration.
`vit-large-patch16-224` is a published configuration (`checkpoints.yaml`), which has weights.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from functools import cache
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
from zoo.inputs import image_tensor
from zoo.records import Architecture, CostKey, PublishedCost, Task, Variant, Weights

_CLASSES = 1000
"""Outputs of a classifier. The configuration classes have 2 by default, but nearly all published checkpoints have 1000 (ImageNet-1k)."""

_OF_ANOTHER_ZOO = frozenset({"timm_backbone", "timm_wrapper"})

_WITHOUT_DOWNLOAD = {"use_pretrained_backbone": False}
"""For configurations with a backbone of timm."""


_REGISTRIES: Mapping[bool, Mapping[str, str | tuple[str, ...]]] = {
    True: MODEL_FOR_BACKBONE_MAPPING_NAMES,
    False: MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES,
}
"""Names of model classes by model type; of backbones, and of classifiers."""


class TransformersZoo(Zoo):
    """Model types with a classifier of images or a backbone, their other heads for images and video, and published configurations."""

    name = "transformers"
    libraries = ("transformers", "torch", "timm")  # some of its backbones are timm's

    def architectures(self) -> list[Architecture]:
        """All model types of the registries, their other heads, and the published configurations. Imports no module of a model."""
        with _without_warnings():
            return [_describe_architecture(name) for name in (*sorted(_model_types()), *sorted(_heads()), *checkpoints())]

    def build_options(self, key: CostKey) -> dict[str, Any]:
        """Values of the configuration that differ from its defaults, and whether only the backbone is built.

        Raises:
            VariantError: if the library has no class for the backbone or the classifier.
        """
        options: dict[str, Any] = {}
        if key.arch in _model_types():
            options["is_backbone"] = is_backbone = key.classes == 0 or key.variant == Variant.FEATURES
            if key.arch not in _REGISTRIES[is_backbone]:
                has, lacks = ("classifier", "backbone") if is_backbone else ("backbone", "classifier")
                raise VariantError(f"transformers has no {lacks} of {key.arch}, only a {has}")
        if key.classes and not options.get("is_backbone"):
            options["num_labels"] = key.classes
        native = _describe_architecture(key.arch).input
        return options | _image_options(_native_config(key.arch), image_tensor(key.input).shape[-3:], native)

    def build(self, arch: str, options: dict[str, Any]) -> nn.Module:
        """The backbone, or the model with its head, of the configuration."""
        changed = {name: value for name, value in options.items() if name != "is_backbone"}
        model_class = getattr(transformers, _class_name(arch, is_backbone=options.get("is_backbone", False)))
        model: nn.Module = model_class(_as_loaded(_config_of(arch, changed)))
        return model

    def example(self, model: nn.Module, key: CostKey) -> Example:
        """An image, a video, or an image and a text."""
        example = super().example(model, key)
        has_masks = key.arch not in _model_types()
        return Example(example.args, example.kwargs, context=independent_of_values) if has_masks else example

    def published_costs(self) -> list[PublishedCost]:
        """Numbers of parameters of the published configurations."""
        return [
            PublishedCost(name, "", _describe_architecture(name).input, one.params, None, 0, params_step=one.params_step)
            for name, one in checkpoints().items()
            if one.params is not None
        ]


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """Suppresses the library's warnings about defaults of its own configurations."""
    before = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(before)


def _first_class(names: str | tuple[str, ...]) -> str:
    """The plain class of a model: the first of several, the others have a second head for distillation."""
    return names if isinstance(names, str) else names[0]


@cache
def _model_types() -> frozenset[str]:
    """Types with a classifier of images or a backbone."""
    return frozenset({*MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES, *MODEL_FOR_BACKBONE_MAPPING_NAMES}) - _OF_ANOTHER_ZOO


@cache
def _heads() -> dict[str, str]:
    """Classes of the models by name: `detr-detection`."""
    return {
        f"{model_type}-{head}": _first_class(names)
        for head, about in HEADS.items()
        for model_type, names in about.registry.items()
        if model_type not in _OF_ANOTHER_ZOO
    }


def _class_name(arch: str, *, is_backbone: bool = False) -> str:
    if arch in checkpoints():
        return checkpoints()[arch].class_name
    return _heads()[arch] if arch in _heads() else _first_class(_REGISTRIES[is_backbone][arch])


def _config_of(arch: str, changed: Mapping[str, Any]) -> Any:
    """The configuration of an architecture with changed values."""
    published = checkpoints().get(arch)
    model_type = published.model_type if published else split_name(arch)[0]
    values = _merge_config(published.values if published else {}, changed)
    config_class = CONFIG_MAPPING[model_type]
    if "use_pretrained_backbone" in getattr(config_class, "__annotations__", {}):
        values |= _WITHOUT_DOWNLOAD
    return config_class(**values)


@cache
def _native_config(arch: str) -> Any:
    return _config_of(arch, {})


def _merge_config(values: Mapping[str, Any], changed: Mapping[str, Any]) -> dict[str, Any]:
    """The values with changes, which may also be inside a nested configuration."""
    merged = deepcopy(dict(values))
    for name, value in changed.items():
        merged[name] = merged[name] | value if isinstance(value, dict) and isinstance(merged.get(name), dict) else value
    return merged


def _image_options(config: Any, shape: Sequence[int], native: str) -> dict[str, Any]:
    """Channels and image size that differ from the native ones, if the configuration of the vision model has such values."""
    part = getattr(config, "vision_config", config)
    (channels, *size), (native_channels, *native_size) = shape, image_tensor(native).shape[-3:]
    changed: dict[str, Any] = {"num_channels": channels} if channels != native_channels else {}
    if (configured := getattr(part, "image_size", None)) and size != native_size:
        changed["image_size"] = size[0] if isinstance(configured, int) and size[0] == size[1] else tuple(size)
    return {"vision_config": changed} if changed and part is not config else changed


@cache
def _describe_architecture(name: str) -> Architecture:
    published, (model_type, head) = checkpoints().get(name), split_name(name)
    model_type = published.model_type if published else model_type
    is_classifier = name in MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES
    has_backbone = name in MODEL_FOR_BACKBONE_MAPPING_NAMES
    describe = functools.partial(
        Architecture,
        zoo="transformers",
        name=name,
        family=model_type_to_module_name(model_type),
        uncountable=why_uncountable(name, model_type, _class_name(name, is_backbone=not is_classifier)),
    )
    if published:
        native, classes = published.native_input(_native_config(name)), published.classes
        source = f"https://huggingface.co/{published.source}"
        weights = Weights("transformers", name, "", published.task, None, classes, native, source=source, is_default=True)
        return describe(task=published.task, input=native, classes=classes, weights=(weights,))
    native = native_input(_native_config(name), head)
    if head:
        return describe(task=HEADS[head].task, input=native, classes=None)
    return describe(
        task=Task.CLASSIFICATION if is_classifier else Task.FEATURES,
        input=native,
        classes=_CLASSES if is_classifier else 0,
        variants=(Variant.BASE, Variant.FEATURES) if is_classifier and has_backbone else (Variant.BASE,),
    )


def _as_loaded(config: Any) -> Any:
    """The configuration as if read from a file: several backbones concatenate its lists, and the default values are tuples."""
    return type(config).from_dict(json.loads(config.to_json_string(use_diff=False)))
