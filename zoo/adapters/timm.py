"""The zoo of timm, read from its registry of pretrained configurations."""

from __future__ import annotations

from functools import cache
from typing import Any

from timm.models import (
    PretrainedCfg,
    get_arch_pretrained_cfgs,
    get_deprecated_models,
    get_pretrained_cfg,
    list_models,
    model_entrypoint,
)
from torch import nn

from zoo.adapters.base import Zoo
from zoo.adapters.timm_variants import build_variant, variants_of
from zoo.inputs import format_input, parse_input
from zoo.records import Architecture, CostKey, Task, Variant, Weights

_EMBEDDING_WIDTH_STEP = 64
"""A head with a multiple of so many outputs (384, 512, …, 1280) is an image-text embedding: no label set of timm's weights (1000,
11221, 11821, 19168, 21841, 21842, 21843, 115217) has such a size."""

_DATASETS = {
    "in1k": "imagenet-1k",
    "in12k": "imagenet-12k",
    "in21k": "imagenet-21k",
    "in22k": "imagenet-22k",
    "inw21k": "imagenet-winter-21k",
}

_NOTES = {
    "crossvit": "resizes every image to the size it is built for; where timm cannot build it for the input, that is its native one",
}
"""Notes on the figures, by family."""


class TimmZoo(Zoo):
    """Every architecture that `timm.list_models` names."""

    name = "timm"
    libraries = ("timm", "torch")

    def architectures(self) -> list[Architecture]:
        """All registered architectures with their weights, from timm's tables."""
        return [_describe_architecture(name) for name in list_models()]

    def build_options(self, key: CostKey) -> dict[str, Any]:
        """Variant, head, channels and, for an architecture with `fixed_input_size`, the image size."""
        options: dict[str, Any] = {"variant": key.variant} if key.variant != Variant.BASE else {}
        if key.classes is not None and key.variant != Variant.FEATURES:
            options["num_classes"] = key.classes
        cfg = get_pretrained_cfg(key.arch)
        channels, *size = parse_input(key.input)
        if cfg is not None and cfg.fixed_input_size:
            options["img_size"] = tuple(size)
        if channels != (cfg.input_size[0] if cfg is not None else 3):
            options["in_chans"] = channels
        return options

    def build(self, arch: str, options: dict[str, Any]) -> nn.Module:
        """`timm.create_model` without weights, in a variant.

        Raises:
            VariantError: if timm cannot extract the architecture's feature maps.
        """
        return build_variant(arch, **options)

    def aliases(self) -> dict[str, str]:
        """Names before timm 0.9, which had no tags of weights."""
        return {old: new for old, new in get_deprecated_models().items() if new is not None}


def address_of_weights(hub_id: Any, url: Any) -> str | None:
    """The page of weights on the hub if it has one, else the address of their file."""
    hub_id = str(hub_id or "").rstrip("/")
    return f"https://huggingface.co/{hub_id}" if hub_id.count("/") == 1 else str(url or "") or None


@cache
def _describe_architecture(name: str) -> Architecture:
    cfgs = get_arch_pretrained_cfgs(name)
    default = get_pretrained_cfg(name) or PretrainedCfg()
    weights = tuple(_describe_weights(name, cfg, is_default=cfg.tag == default.tag) for cfg in cfgs.values() if cfg.has_weights)
    classes = default.num_classes
    family = model_entrypoint(name).__module__.rsplit(".", 1)[-1]
    return Architecture(
        zoo="timm",
        name=name,
        task=_task_of_classes(classes),
        family=family,
        input=format_input(default.input_size),
        classes=classes,
        weights=weights,
        variants=variants_of(name),
        note=_NOTES.get(family),
    )


def _describe_weights(arch: str, cfg: PretrainedCfg, *, is_default: bool) -> Weights:
    tag = cfg.tag or ""
    return Weights(
        zoo="timm",
        arch=arch,
        tag=tag,
        task=_task_of_classes(cfg.num_classes),
        dataset=_DATASETS.get(tag.rsplit("_", 1)[-1]),
        classes=cfg.num_classes,
        input=format_input(cfg.input_size),
        license=cfg.license,
        source=address_of_weights(cfg.hf_hub_id, cfg.url),
        recipe=cfg.paper_ids if isinstance(cfg.paper_ids, str) else cfg.origin_url,
        is_default=is_default,
    )


def _task_of_classes(classes: int) -> Task:
    return Task.FEATURES if classes % _EMBEDDING_WIDTH_STEP == 0 else Task.CLASSIFICATION
