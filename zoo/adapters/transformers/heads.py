"""Heads of transformers beside classifiers and backbones: their tasks, registries, inputs and defaults."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, NamedTuple

from transformers.models.auto import modeling_auto

from zoo.records import Task


class Head(NamedTuple):
    """The registry, task and usual input of a head."""

    registry: Mapping[str, Any]  # names of classes by model type
    task: Task
    size: int  # height and width, where the configuration has none


HEADS = {
    "detection": Head(modeling_auto.MODEL_FOR_OBJECT_DETECTION_MAPPING_NAMES, Task.DETECTION, 800),
    "segmentation": Head(modeling_auto.MODEL_FOR_SEMANTIC_SEGMENTATION_MAPPING_NAMES, Task.SEGMENTATION, 512),
    "masks": Head(modeling_auto.MODEL_FOR_UNIVERSAL_SEGMENTATION_MAPPING_NAMES, Task.SEGMENTATION, 512),
    "prompted": Head(modeling_auto.MODEL_FOR_MASK_GENERATION_MAPPING_NAMES, Task.OTHER, 1024),
    "depth": Head(modeling_auto.MODEL_FOR_DEPTH_ESTIMATION_MAPPING_NAMES, Task.DEPTH, 384),
    "video": Head(modeling_auto.MODEL_FOR_VIDEO_CLASSIFICATION_MAPPING_NAMES, Task.VIDEO, 224),
    "zero-shot": Head(modeling_auto.MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION_MAPPING_NAMES, Task.ZERO_SHOT, 224),
    "super-resolution": Head(modeling_auto.MODEL_FOR_IMAGE_TO_IMAGE_MAPPING_NAMES, Task.OTHER, 64),
}
"""By the end of the name: `detr-detection` is a model of the type `detr` with a head for detection."""

_USUAL_SIZE = 224
_FRAMES = 16
_TOKENS = 64
"""Values for configurations that state none."""

_OWN_SIZE = {"depth_pro": 1536, "rf_detr": 560}
"""Sizes of models that refuse the size in their configuration."""

_NO_DEFAULT = "its configuration's defaults describe no whole model"
_UNCOUNTABLE = {
    "beit-segmentation": "it needs four feature levels, which its configuration does not choose by default",
    "blip-2-zero-shot": "it replaces the tokens that stand for an image, which their values decide",
    "edgetam-prompted": _NO_DEFAULT,
    "eomt-masks": "whether it masks its attention depends on a buffer of its weights",
    "eomt_dinov3-masks": "whether it masks its attention depends on a buffer of its weights",
    "imagegpt": "takes an image as a sequence of colour tokens, not as pixels",
    "lw_detr-detection": _NO_DEFAULT,
    "oneformer-masks": "takes a text that names its task beside the image",
    "perceiver": "takes an array of its own making, not an image",
    "pp_doclayout_v2-detection": "it orders its detections, which depends on the image",
    "pp_ocrv5_server_det-detection": _NO_DEFAULT,
    "pp_ocrv6_medium_det-detection": _NO_DEFAULT,
    "pp_ocrv6_small_det-detection": _NO_DEFAULT,
    "sapiens2-segmentation": _NO_DEFAULT,
    "shieldgemma2": "takes text beside the image",
    "siglip2": "takes patches that were cut out before, not an image",
    "siglip2-zero-shot": "takes patches that were cut out before, not an image",
    "videomt-masks": "takes the results of earlier frames",
    "videoprism-zero-shot": "takes a video and a text",
}


def split_name(name: str) -> tuple[str, str]:
    """The model type and the head; empty for a classifier or backbone."""
    for head in HEADS:
        if name.endswith(f"-{head}"):
            return name.removesuffix(f"-{head}"), head
    return name, ""


def native_input(config: Any, head: str) -> str:
    """The input of a configuration: an image, frames, or an image and a text, which are named."""
    vision = getattr(config, "vision_config", config)
    size = _configured_size(config) or (HEADS[head].size if head else _USUAL_SIZE)
    height, width = (size, size) if isinstance(size, int) else size
    channels = getattr(vision, "num_channels", None) or 3
    image = f"{channels}x{height}x{width}"
    if head == "video":
        stated = (getattr(config, name, None) for name in ("num_frames", "frames_per_clip"))
        return f"{next(filter(None, stated), _FRAMES)}x{image}"
    if head == "zero-shot":
        tokens = getattr(config.text_config, "max_position_embeddings", None) or _TOKENS
        return f"pixel_values={image};input_ids={tokens}:int64"
    return image


def why_uncountable(name: str, model_type: str, class_name: str) -> str | None:
    """Why an architecture cannot be counted; None if it can."""
    if reason := _UNCOUNTABLE.get(name) or _UNCOUNTABLE.get(model_type):
        return reason
    needs_scipy = class_name.endswith(("ForUniversalSegmentation", "MaskFormerForInstanceSegmentation"))
    package = "natten" if model_type == "dinat" else "scipy" if needs_scipy else None
    return f"needs the package {package}, which is not installed" if package and find_spec(package) is None else None


def _configured_size(config: Any) -> Any:
    if (size := _OWN_SIZE.get(config.model_type)) is not None:
        return size
    parts = (getattr(config, "vision_config", config), config, getattr(config, "backbone_config", None))
    return next((size for part in parts if (size := getattr(part, "image_size", None))), None)
