"""Published configurations of transformers by name, from `checkpoints.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, NamedTuple

import yaml

from zoo.adapters.transformers.heads import HEADS, native_input
from zoo.records import Task

_TASKS = {
    "ForImageClassification": Task.CLASSIFICATION,
    "ForImageClassificationWithTeacher": Task.CLASSIFICATION,
    "ForObjectDetection": Task.DETECTION,
    "ForSemanticSegmentation": Task.SEGMENTATION,
    "ForUniversalSegmentation": Task.SEGMENTATION,
    "ForInstanceSegmentation": Task.SEGMENTATION,
    "ForDepthEstimation": Task.DEPTH,
    "ForVideoClassification": Task.VIDEO,
}
"""By the end of the class of the model."""

_ZERO_SHOT = frozenset({"CLIPModel", "SiglipModel"})
_PROMPTED = frozenset({"SamModel"})


class Checkpoint(NamedTuple):
    """A published configuration."""

    model_type: str
    class_name: str
    source: str  # of the weights, as the hub names it
    values: Mapping[str, Any] = MappingProxyType({})  # that differ from the type's defaults
    classes: int = 0
    params: int | None = None  # as published
    params_step: int = 1  # what these are rounded to
    input: str | None = None  # None: as the configuration says

    @property
    def task(self) -> Task:
        """What the class of the model is for."""
        return task_of(self.class_name)

    @property
    def head(self) -> str:
        """The head of `heads.HEADS` that has its kind of input; empty for an image of 224 pixels."""
        if self.class_name in _PROMPTED:
            return "prompted"
        return next((name for name, head in HEADS.items() if head.task == self.task), "")

    def native_input(self, config: Any) -> str:
        """Its evaluation input."""
        return self.input or native_input(config, self.head)


def task_of(class_name: str) -> Task:
    """What a class of transformers is for."""
    if class_name in _ZERO_SHOT or class_name in _PROMPTED:
        return Task.ZERO_SHOT if class_name in _ZERO_SHOT else Task.OTHER
    return next((task for end, task in _TASKS.items() if class_name.endswith(end)), Task.FEATURES)


@cache
def checkpoints() -> dict[str, Checkpoint]:
    """All of them by name."""
    text = resources.files("zoo.adapters.transformers").joinpath("checkpoints.yaml").read_text(encoding="utf-8")
    fields = {"type": "model_type", "class": "class_name", "config": "values"}  # others have the same name
    return {
        name: Checkpoint(**{fields.get(key, key): value for key, value in entry.items()})
        for name, entry in yaml.safe_load(text).items()
    }
