"""The zoo of torchvision, read from its registry and the metadata of its weights."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import torch
import torchvision
from torch import nn
from torchvision import models
from torchvision.models import WeightsEnum

from zoo.adapters.base import Example, Zoo
from zoo.adapters.torchvision.detection import detection_example, limit_options
from zoo.adapters.torchvision.inputs import check_input, limits_of, native_input
from zoo.adapters.torchvision.quantized import ASSUMPTION, int8_weight_bytes, is_quantized
from zoo.inputs import image_tensor
from zoo.records import Accuracy, Architecture, CostKey, PublishedCost, Task, Weights

_TASKS: dict[ModuleType, Task] = {
    models: Task.CLASSIFICATION,
    models.quantization: Task.CLASSIFICATION,
    models.detection: Task.DETECTION,
    models.segmentation: Task.SEGMENTATION,
    models.video: Task.VIDEO,
    models.optical_flow: Task.OPTICAL_FLOW,
}
_DETECTION = (Task.DETECTION, Task.KEYPOINTS)

_GOOGLENET = {"aux_logits": False, "init_weights": False, "transform_input": True}
_INCEPTION = {"aux_logits": True, "init_weights": False, "transform_input": True}
_AS_WITH_WEIGHTS: dict[str, dict[str, Any]] = {
    # Options that are set when weights are loaded, and not by the constructor; published parameters are those with weights.
    "googlenet": _GOOGLENET,  # auxiliary heads are dropped
    "quantized_googlenet": _GOOGLENET,
    "inception_v3": _INCEPTION,  # kept, but unused in evaluation
    "quantized_inception_v3": _INCEPTION,
    "ssdlite320_mobilenet_v3_large": {"weights_backbone": None},  # weights for its backbone would widen the backbone's tail
    **{
        name: {"aux_loss": True}
        for name in models.list_models(module=models.segmentation)
        if name.startswith(("fcn", "deeplab"))  # run in evaluation as well
    },
}

METRICS = {
    "acc@1": "top1",
    "acc@5": "top5",
    "box_map": "box_map",
    "mask_map": "mask_map",
    "kp_map": "keypoint_map",
    "miou": "miou",
    "pixel_acc": "pixel_accuracy",
    "epe": "end_point_error",
    "per_image_epe": "end_point_error_per_image",
    "fl_all": "fl_all",
}
"""Names of metrics by torchvision's names. Others keep torchvision's name."""

_GMACS_DECIMALS = 3
"""`_ops` is in 10**9 multiply-accumulates, rounded to three decimals (torchvision's `test_ops`)."""

_AUXILIARY_RUNS = "MACs and parameters include the auxiliary head of its weights, which torchvision runs in evaluation too"
_QUANTIZED = "counted as its float architecture; weight memory is that of int8 weights"
_NOTES = {
    "googlenet": "counted without its two auxiliary heads, which its weights do not have",
    "inception_v3": "parameters include the auxiliary head of its weights, which evaluation does not run and MACs do not include",
    **{name: _AUXILIARY_RUNS for name, options in _AS_WITH_WEIGHTS.items() if "aux_loss" in options},
    **dict.fromkeys(models.list_models(module=models.quantization), _QUANTIZED),
    "quantized_googlenet": f"{_QUANTIZED}; the published file also holds the two auxiliary heads, which are dropped",
    "quantized_mobilenet_v3_large": f"{_QUANTIZED}; the published file holds float32 weights, which are converted when loaded",
    **dict.fromkeys(("wide_resnet50_2", "wide_resnet101_2"), "the published file of IMAGENET1K_V1 holds float16 weights"),
    # torchvision measured its figures on an image of noise, in which trained detectors detect nothing or one person.
    "fasterrcnn_mobilenet_v3_large_320_fpn": "torchvision publishes the MACs of an image without any proposal",
    "fasterrcnn_mobilenet_v3_large_fpn": "torchvision publishes the MACs of an image without any proposal",
    "maskrcnn_resnet50_fpn": "torchvision publishes the MACs of an image without any detection, and so without masks",
    "keypointrcnn_resnet50_fpn": "torchvision publishes the MACs of an image with one person (COCO_V1) or none (COCO_LEGACY)",
}


class TorchvisionZoo(Zoo):
    """Every architecture that `torchvision.models.list_models` names."""

    name = "torchvision"
    libraries = ("torchvision", "torch")

    def architectures(self) -> list[Architecture]:
        """All registered architectures with their weights."""
        return [_describe_architecture(name, module) for module in _TASKS for name in models.list_models(module=module)]

    def build_options(self, key: CostKey) -> dict[str, Any]:
        """The head, a fixed image size, limits of a detector, and the options that are set when weights are loaded."""
        task = _task_of(key.arch)
        check_input(key.arch, task, key.input)
        options = dict(_AS_WITH_WEIGHTS.get(key.arch, {}))
        if key.classes is not None:
            options["num_classes"] = key.classes
        if task in _DETECTION:
            options |= limit_options(key.arch, limits_of(key.input))
        return options | _size_options(key.arch, image_tensor(key.input).shape)

    def build(self, arch: str, options: dict[str, Any]) -> nn.Module:
        """`torchvision.models.get_model` without weights.

        Detectors are built as if their backbone's weights were loaded: the normalisation layers of published detectors have no
        parameters, and others would.
        """
        with (  # not thread-safe
            mock.patch.object(WeightsEnum, "get_state_dict", _load_nothing),
            mock.patch.object(nn.Module, "load_state_dict", _load_nothing),
        ):
            model: nn.Module = models.get_model(arch, weights=None, **options)
        return model

    def published_costs(self) -> list[PublishedCost]:
        """`num_params` and `_ops` from the metadata of all weights, at their evaluation inputs."""
        metas = ((w, models.get_model_weights(w.arch)[w.tag].meta) for a in self.architectures() for w in a.weights)
        return [
            PublishedCost(w.arch, w.tag, w.input, meta.get("num_params"), meta.get("_ops"), _GMACS_DECIMALS) for w, meta in metas
        ]

    def published_accuracy(self) -> list[Accuracy]:
        """The metrics in the metadata of all weights, at their evaluation input, dated by the installation of the package."""
        installed = datetime.fromtimestamp(Path(torchvision.__file__).stat().st_mtime, UTC).isoformat(timespec="seconds")
        version = self.version()
        return [
            Accuracy(
                w.zoo, w.arch, w.tag, dataset.lower(), METRICS.get(metric, metric), w.input, float(value),
                f"torchvision {version}, metadata of the weights", installed, version,
            )
            for a in self.architectures()
            for w in a.weights
            for dataset, metrics in models.get_model_weights(w.arch)[w.tag].meta.get("_metrics", {}).items()
            for metric, value in metrics.items()
            if math.isfinite(value)  # weights without a classifier state nan
        ]  # fmt: skip

    def example(self, model: nn.Module, key: CostKey) -> Example:
        """One image or clip, a list of images for detectors, a pair for optical flow."""
        task, shape = _task_of(key.arch), image_tensor(key.input).shape
        if task in _DETECTION:
            return detection_example(model, shape, key.batch)
        images = tuple(torch.empty((key.batch, *shape), device="meta") for _ in range(2 if task == Task.OPTICAL_FLOW else 1))
        if is_quantized(key.arch):
            return Example(
                images,
                assumption=ASSUMPTION,
                weight_bytes=int8_weight_bytes(model, models.get_model_weights(key.arch).DEFAULT.meta["backend"]),
            )
        return Example(images)


def _load_nothing(*_: Any, **__: Any) -> dict[str, Any]:
    """Replaces the functions that load weights."""
    return {}


def _size_options(arch: str, shape: tuple[int, ...]) -> dict[str, Any]:
    family = models.get_model_builder(arch).__module__.rsplit(".", 1)[-1]
    if family == "vision_transformer":
        return {"image_size": shape[-1]}
    return {"input_size": shape[-2:]} if family == "maxvit" else {}


@cache
def _task_of(arch: str) -> Task:
    task = next(task for module, task in _TASKS.items() if arch in models.list_models(module=module))
    return Task.KEYPOINTS if arch.startswith("keypoint") else task


@cache
def _describe_architecture(name: str, module: ModuleType) -> Architecture:
    entries = models.get_model_weights(name)
    default = getattr(entries, "DEFAULT", None)
    task = _task_of(name)
    return Architecture(
        zoo="torchvision",
        name=name,
        task=task,
        family=models.get_model_builder(name).__module__.rsplit(".", 1)[-1],
        input=native_input(name, task, default),
        classes=_count_classes(default),
        weights=tuple(_describe_weights(name, module, entry, is_default=entry is default) for entry in entries),
        note=_NOTES.get(name),
    )


def _describe_weights(arch: str, module: ModuleType, entry: Any, *, is_default: bool) -> Weights:
    meta, task = entry.meta, _task_of(arch)
    megabyte = 1024 * 1024  # `_file_size` is in binary megabytes, to three decimals
    return Weights(
        zoo="torchvision",
        arch=arch,
        tag=entry.name,
        task=task,
        dataset=next(iter(meta.get("_metrics", {})), "").lower() or None,
        classes=_count_classes(entry),
        input=native_input(arch, task, entry),
        file_bytes=round(meta["_file_size"] * megabyte) if "_file_size" in meta else None,
        license=meta.get("license"),
        source=f"https://docs.pytorch.org/vision/stable/models/generated/{module.__name__}.{arch.removeprefix('quantized_')}.html",
        recipe=meta.get("recipe"),
        is_default=is_default,
    )


def _count_classes(entry: Any) -> int | None:
    categories = entry.meta.get("categories") if entry is not None else None
    return len(categories) if categories else None
