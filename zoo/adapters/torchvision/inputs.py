"""Inputs of torchvision's models: the native ones, and the sizes that each family supports."""

from __future__ import annotations

from typing import Any

from torchvision import models

from zoo.errors import InputError
from zoo.inputs import TensorInput, format_input, parse_tensors
from zoo.records import Task

_NATIVE = {
    Task.CLASSIFICATION: (3, 224, 224),
    Task.DETECTION: (3, 800, 800),
    Task.KEYPOINTS: (3, 800, 800),
    Task.SEGMENTATION: (3, 520, 520),
    Task.VIDEO: (3, 16, 224, 224),
    Task.OPTICAL_FLOW: (3, 512, 512),
}
"""Native inputs of models whose transforms state no size: the inputs of torchvision's published `_ops` (pytorch/vision,
test/common_extended_utils.py and test/test_extended_models.py). Detectors scale every image to this size."""

_SMALL_DETECTORS = {
    "fasterrcnn_mobilenet_v3_large_320_fpn": (3, 320, 320),
    "ssd300_vgg16": (3, 300, 300),
    "ssdlite320_mobilenet_v3_large": (3, 320, 320),
}

LIMITS = ("proposals", "detections")
"""Limits that an input of a detector may set, as in `3x800x800;proposals=300;detections=20`."""

_VISION_TRANSFORMER, _MAXVIT, _MVIT, _RAFT = "vision_transformer", "maxvit", "mvit", "raft"
_WITHOUT_LEAST_SIZE = frozenset({_VISION_TRANSFORMER, _MAXVIT, _MVIT, "swin_transformer", "efficientnet"})
"""Families whose minimum size in the metadata applies to the weights, not to the architecture."""
_MAXVIT_STEP = 224  # the stem and four stages halve the size, and windows have 7 pixels
_RAFT_STEP = 8


def native_input(arch: str, task: Task, entry: Any) -> str:
    """The evaluation input of weights: from their transforms, or else torchvision's default for the task."""
    native = _SMALL_DETECTORS.get(arch, _NATIVE[task])
    preset = getattr(entry.transforms, "keywords", {}) if entry is not None else {}
    size = preset.get("crop_size", preset.get("resize_size"))
    if size is None:
        return format_input(native)
    height, width = (size, size) if isinstance(size, int) else size
    return format_input((*native[:-2], height, width))


def limits_of(input: str) -> dict[str, int]:
    """The numbers of proposals and detections that the input sets."""
    return {str(tensor.name): tensor.shape[0] for tensor in parse_tensors(input)[1:]}


def check_input(arch: str, task: Task, input: str) -> None:
    """Checks that an architecture supports an input.

    Raises:
        InputError: if it does not, with the rule.
    """
    image, *others = parse_tensors(input)
    is_detector = task in (Task.DETECTION, Task.KEYPOINTS)
    if image != TensorInput(image.shape) or not all(is_detector and _is_limit(tensor) for tensor in others):
        also = "; only proposals=N and detections=N may follow it, as in 3x800x800;proposals=300" if is_detector else ""
        raise InputError(f"input must be one {'clip' if task == Task.VIDEO else 'image'} of float32{also}")
    axes = "channels x frames x height x width" if task == Task.VIDEO else "channels x height x width"
    if len(image.shape) != axes.count("x ") + 1:
        raise InputError(f"input must be {axes}, such as {format_input(_NATIVE[task])}")
    if image.shape[0] != 3:
        raise InputError("input must have 3 channels: torchvision builds its models for no other number")
    _check_size(arch, models.get_model_builder(arch).__module__.rsplit(".", 1)[-1], image.shape)


def _is_limit(tensor: TensorInput) -> bool:
    return tensor.name in LIMITS and len(tensor.shape) == 1 and tensor == TensorInput(tensor.shape, name=tensor.name)


def _check_size(arch: str, family: str, shape: tuple[int, ...]) -> None:
    *_, height, width = shape
    if family == _VISION_TRANSFORMER:
        if height != width:
            raise InputError("input must be square: torchvision's vision transformers take one image size")
        _check_multiple(shape, int(arch.rsplit("_", 1)[-1]))  # vit_b_16 has patches of 16
    elif family == _MAXVIT:
        _check_multiple(shape, _MAXVIT_STEP)
    elif family == _MVIT:
        if shape != _NATIVE[Task.VIDEO]:
            raise InputError(f"input must be {format_input(_NATIVE[Task.VIDEO])}: torchvision's MViT is built for no other size")
    elif family == _RAFT:
        _check_multiple(shape, _RAFT_STEP)
    if family not in _WITHOUT_LEAST_SIZE:
        _check_least(arch, shape)


def _check_multiple(shape: tuple[int, ...], step: int) -> None:
    if any(size % step for size in shape[-2:]):
        raise InputError(f"input must be a multiple of {step} in height and width")


def _check_least(arch: str, shape: tuple[int, ...]) -> None:
    """Checks the minimum size in the metadata of the weights."""
    meta: dict[str, Any] = next((entry.meta for entry in models.get_model_weights(arch)), {})
    height, width = meta.get("min_size", (1, 1))
    if shape[-2] < height or shape[-1] < width:
        raise InputError(f"input must be at least {height}x{width}")
    frames = meta.get("min_temporal_size") or 1
    if len(shape) == 4 and shape[1] < frames:
        raise InputError(f"input must have at least {frames} frames")
