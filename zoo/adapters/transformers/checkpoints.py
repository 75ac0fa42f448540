"""Configurations of transformers: the published ones by name, from `checkpoints.yaml`, and those in files of a user."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import transformers
import yaml
from torch import nn
from transformers import AutoConfig, AutoModel

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
"""By the end of the name of the model's class."""

_ZERO_SHOT = frozenset({"CLIPModel", "SiglipModel"})
_PROMPTED = frozenset({"SamModel"})


class Checkpoint(NamedTuple):
    """A published configuration."""

    model_type: str
    class_name: str
    source: str  # of the weights, as the hub names it
    values: Mapping[str, Any] = MappingProxyType({})  # of the configuration, where they differ from the type's defaults
    classes: int = 0
    params: int | None = None  # as published
    params_step: int = 1  # the published number is a multiple of it
    input: str | None = None  # None: the configuration's

    @property
    def task(self) -> Task:
        """The task of the model's class."""
        if self.class_name in _PROMPTED:
            return Task.OTHER
        others = (task for end, task in _TASKS.items() if self.class_name.endswith(end))
        return Task.ZERO_SHOT if self.class_name in _ZERO_SHOT else next(others, Task.FEATURES)

    @property
    def head(self) -> str:
        """The head of `heads.HEADS` with the same kind of input; empty for an image of 224 pixels."""
        if self.class_name in _PROMPTED:
            return "prompted"
        return next((name for name, head in HEADS.items() if head.task == self.task), "")

    def native_input(self, config: Any) -> str:
        """Its evaluation input."""
        return self.input or native_input(config, self.head)


@cache
def checkpoints() -> dict[str, Checkpoint]:
    """All published configurations by name."""
    text = resources.files("zoo.adapters.transformers").joinpath("checkpoints.yaml").read_text(encoding="utf-8")
    fields = {"type": "model_type", "class": "class_name", "config": "values"}  # others have the same name
    return {
        name: Checkpoint(**{fields.get(key, key): value for key, value in entry.items()})
        for name, entry in yaml.safe_load(text).items()
    }


def build_from_file(file: Path) -> nn.Module:
    """The untrained model of a `config.json`: of the class in its `architectures`, or the base class of its type. Uses no network."""
    config = AutoConfig.from_pretrained(file.parent, local_files_only=True)
    if getattr(config, "use_pretrained_backbone", False):
        config.use_pretrained_backbone = False
    names = getattr(config, "architectures", None)
    model: nn.Module = getattr(transformers, names[0])(config) if names else AutoModel.from_config(config)
    return model
