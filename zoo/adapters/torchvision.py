"""torchvision's zoo, read from its registry and the metadata of its weights."""

from __future__ import annotations

from functools import cache
from types import ModuleType
from typing import Any

import torchvision
from torch import nn
from torchvision import models

from zoo.adapters.base import Zoo
from zoo.records import Architecture, CostKey, Task, Weights, format_input, parse_input

_TASKS: dict[ModuleType, Task] = {
    models: Task.CLASSIFICATION,
    models.quantization: Task.CLASSIFICATION,
    models.detection: Task.DETECTION,
    models.segmentation: Task.SEGMENTATION,
    models.video: Task.VIDEO,
    models.optical_flow: Task.OPTICAL_FLOW,
}
_NATIVE_INPUTS = {
    Task.CLASSIFICATION: (3, 224, 224),
    Task.DETECTION: (3, 800, 800),
    Task.SEGMENTATION: (3, 520, 520),
    Task.VIDEO: (3, 16, 224, 224),
    Task.OPTICAL_FLOW: (3, 520, 960),
}
"""Inputs where the weights' transforms name no crop."""

_AS_WITH_WEIGHTS: dict[str, dict[str, Any]] = {
    # The constructors' defaults differ from what loading weights gives; published parameters are those with weights.
    "googlenet": {"aux_logits": False, "init_weights": False, "transform_input": True},  # auxiliary heads are dropped
    "inception_v3": {"aux_logits": True, "init_weights": False, "transform_input": True},  # kept, but unused in evaluation
}
_NOTES = {
    "googlenet": "counted without its two auxiliary heads, which its weights do not have",
    "inception_v3": "parameters include the auxiliary head of its weights, which evaluation does not run and MACs do not include",
}
_IMAGE_SIZE_MODULE = "torchvision.models.vision_transformer"


class TorchvisionZoo(Zoo):
    """Every architecture that `torchvision.models.list_models` names."""

    name = "torchvision"

    def version(self) -> str:
        """torchvision's version without its build (`0.29.1`, not `0.29.1+cpu`): builds share one Python source."""
        return str(torchvision.__version__).partition("+")[0]

    def architectures(self) -> list[Architecture]:
        """All registered architectures with their weights."""
        return [_describe(name, task, module) for module, task in _TASKS.items() for name in models.list_models(module=module)]

    def build_options(self, key: CostKey) -> dict[str, Any]:
        """Head, image size of the vision transformers, and what differs from loading weights."""
        options = dict(_AS_WITH_WEIGHTS.get(key.arch, {}))
        if key.classes is not None:
            options["num_classes"] = key.classes
        if models.get_model_builder(key.arch).__module__ == _IMAGE_SIZE_MODULE:
            options["image_size"] = parse_input(key.input)[-1]
        return options

    def build(self, arch: str, options: dict[str, Any]) -> nn.Module:
        """`torchvision.models.get_model` without weights, its backbone's included."""
        model: nn.Module = models.get_model(arch, weights=None, **options)
        return model


@cache
def _describe(name: str, task: Task, module: ModuleType) -> Architecture:
    entries = models.get_model_weights(name)
    default = getattr(entries, "DEFAULT", None)
    weights = tuple(_weights(name, task, entry, is_default=entry is default) for entry in entries)
    return Architecture(
        zoo="torchvision",
        name=name,
        task=task,
        family=models.get_model_builder(name).__module__.rsplit(".", 1)[-1],
        input=_input(default, task),
        classes=_classes(default),
        weights=weights,
        uncountable=_why_uncountable(task, module),
        note=_NOTES.get(name),
    )


def _weights(arch: str, task: Task, entry: Any, *, is_default: bool) -> Weights:
    meta = entry.meta
    megabyte = 1024 * 1024  # `_file_size` is in binary megabytes, to three decimals
    return Weights(
        zoo="torchvision",
        arch=arch,
        tag=entry.name,
        task=task,
        dataset=next(iter(meta.get("_metrics", {})), "").lower() or None,
        classes=_classes(entry),
        input=_input(entry, task),
        file_bytes=round(meta["_file_size"] * megabyte) if "_file_size" in meta else None,
        license=meta.get("license"),
        source=f"https://docs.pytorch.org/vision/stable/models/generated/{_documented_name(arch, task)}.html",
        recipe=meta.get("recipe"),
        is_default=is_default,
    )


def _documented_name(arch: str, task: Task) -> str:
    folder = {
        Task.DETECTION: "detection.",
        Task.SEGMENTATION: "segmentation.",
        Task.VIDEO: "video.",
        Task.OPTICAL_FLOW: "optical_flow.",
    }
    if arch.startswith("quantized_"):
        return f"torchvision.models.quantization.{arch.removeprefix('quantized_')}"
    return f"torchvision.models.{folder.get(task, '')}{arch}"


def _input(entry: Any, task: Task) -> str:
    """The crop of the weights' own transforms, or the task's usual size."""
    native = _NATIVE_INPUTS[task]
    crop = getattr(entry.transforms, "keywords", {}).get("crop_size") if entry is not None else None
    if crop is None:
        return format_input(native)
    height, width = (crop, crop) if isinstance(crop, int) else crop
    return format_input((*native[:-2], height, width))


def _classes(entry: Any) -> int | None:
    categories = entry.meta.get("categories") if entry is not None else None
    return len(categories) if categories else None


def _why_uncountable(task: Task, module: ModuleType) -> str | None:
    if module is models.quantization:
        return "quantised models are not counted by this version; see the float architecture of the same name"
    if task != Task.CLASSIFICATION:
        return f"{task} models are not counted by this version; only classification is"
    return None
