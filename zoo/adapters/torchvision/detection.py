"""Runs torchvision's detectors on the meta device, with the most boxes that each head accepts.

The computation after the backbone of a detector depends on its detections. The model's own code runs here, but operators whose result
depends on values are replaced: filters keep every box, so that only the model's own limits apply. The MACs are those of an image with
that many detections.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torchvision.models.detection import roi_heads
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
from torchvision.models.detection.ssd import SSD
from torchvision.ops import boxes, poolers

from zoo.adapters.base import Example
from zoo.inputs import format_input

_PROPOSALS_BEFORE_NMS = 1000
"""torchvision's default limit of candidates per level of the pyramid, before overlapping ones are removed."""

_aten = torch.ops.aten


def limit_options(arch: str, limits: Mapping[str, int]) -> dict[str, int]:
    """Constructor arguments for limits of proposals and detections. One-stage detectors have no proposals."""
    options: dict[str, int] = {}
    is_of_two_stages = "rcnn" in arch
    if is_of_two_stages and "proposals" in limits:
        options["rpn_post_nms_top_n_test"] = limits["proposals"]
        options["rpn_pre_nms_top_n_test"] = max(limits["proposals"], _PROPOSALS_BEFORE_NMS)
    if "detections" in limits:
        options["box_detections_per_img" if is_of_two_stages else "detections_per_img"] = limits["detections"]
    return options


def detection_example(model: nn.Module, shape: tuple[int, ...], batch: int) -> Example:
    """Images of this shape, the context that replaces data-dependent operators, and the assumption it makes."""
    images = [torch.empty(shape, device="meta") for _ in range(batch)]
    scaled = tuple(model.transform(images[:1])[0].image_sizes[0])  # type: ignore[operator]
    assumption = _describe_assumption(model)
    if scaled != shape[-2:]:
        assumption += f"; the model itself scales {format_input(shape[-2:])} to {format_input(scaled)}"
    return Example((images,), assumption=assumption, context=functools.partial(as_many_as_possible, scaled))


def _describe_assumption(model: nn.Module) -> str:
    settings: Any = model
    if not isinstance(model, GeneralizedRCNN):
        return (
            f"counted for {settings.topk_candidates} candidates of each {'class' if isinstance(model, SSD) else 'level'} and "
            f"{settings.detections_per_img} detections an image, the most that the model is set to; MACs do not depend on them"
        )
    heads = settings.roi_heads
    of_what = "masks of " if heads.has_mask() else "keypoints of " if heads.has_keypoint() else ""
    detections = f"{of_what}{heads.detections_per_img} detections"
    return f"counted for {settings.rpn.post_nms_top_n()} proposals and {detections} an image, the most that the model is set to"


@contextlib.contextmanager
def as_many_as_possible(image_size: tuple[int, int]) -> Iterator[None]:
    """Runs detectors on the meta device with as many boxes as possible. Not thread-safe.

    Boxes whose coordinates are needed cover the whole image of `image_size` (height and width). Boxes are distributed evenly over the levels
    of the pyramid. Non-maximum suppression runs for all classes at once, which is equivalent to torchvision's loop over classes.
    """
    with (
        mock.patch.object(poolers.LevelMapper, "__call__", _spread_over_levels),
        mock.patch.object(roi_heads, "heatmaps_to_keypoints", functools.partial(_find_keypoints_in, image_size)),
        mock.patch.object(roi_heads, "paste_mask_in_image", _paste_over_image),
        mock.patch.object(boxes, "_batched_nms_vanilla", boxes._batched_nms_coordinate_trick),  # noqa: SLF001  # has no public name
        _KeepEverything(),  # type: ignore[no-untyped-call]
    ):
        yield


_find_level = poolers.LevelMapper.__call__
_find_keypoints = roi_heads.heatmaps_to_keypoints
_paste_mask = roi_heads.paste_mask_in_image


def _spread_over_levels(mapper: poolers.LevelMapper, boxlists: list[Tensor]) -> Tensor:
    """Assigns boxes to levels in turn, because their sizes are unknown. The original runs too, so that it is counted."""
    computed = _find_level(mapper, boxlists)
    levels = mapper.k_max - mapper.k_min + 1
    return torch.tensor([position % levels for position in range(len(computed))], dtype=torch.int64)


def _find_keypoints_in(image_size: tuple[int, int], maps: Tensor, rois: Tensor) -> tuple[Tensor, Tensor]:
    """Scales heat maps to the whole image, the largest possible box."""
    height, width = image_size
    whole = torch.tensor([[0.0, 0.0, width, height]] * len(rois)).reshape(-1, 4)
    keypoints: tuple[Tensor, Tensor] = _find_keypoints(maps, whole)
    return keypoints


def _paste_over_image(mask: Tensor, box: Tensor, height: int, width: int) -> Tensor:  # noqa: ARG001  # has no numbers
    """Scales masks to the whole image, the largest possible box."""
    pasted: Tensor = _paste_mask(mask, torch.tensor([0, 0, width - 1, height - 1]), height, width)
    return pasted


class _KeepEverything(TorchDispatchMode):
    """Replaces operators whose result depends on values as if every condition held and no boxes overlapped."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        operator = func._overloadpacket  # noqa: SLF001  # has no public name
        if operator is _aten.where and len(args) == 1 and args[0].is_meta:
            return list(_all_indices(args[0]))
        if operator is _aten.index and any(_is_condition(index) for index in args[1]):
            return func(args[0], [i for index in args[1] for i in (_all_indices(index) if _is_condition(index) else (index,))])
        if operator is torch.ops.torchvision.nms and args[0].is_meta:
            return _indices(len(args[0]))
        return func(*args, **(kwargs or {}))


def _is_condition(index: Tensor | None) -> bool:
    return index is not None and index.is_meta and index.dtype == torch.bool


def _all_indices(condition: Tensor) -> tuple[Tensor, ...]:
    return tuple(_indices(condition.numel()) for _ in range(condition.dim()))


def _indices(count: int) -> Tensor:
    return torch.empty(count, dtype=torch.int64, device="meta")
