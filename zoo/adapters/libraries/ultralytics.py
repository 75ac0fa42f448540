"""The zoo of ultralytics: YOLO and RT-DETR, from the YAML files that come with the package.

The package is licensed under AGPL-3.0 or by contract. Listing reads its files and imports nothing of it; only building does.
Accuracy is read from the tables of the package's own description, numbers of parameters and FLOPs from the comments of its YAML files.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from functools import cache
from importlib.metadata import metadata
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from unittest import mock

import torch
import yaml
from torch import nn

from zoo.adapters.base import Zoo
from zoo.errors import InputError, MissingLibraryError, VariantError
from zoo.inputs import parse_input
from zoo.records import Accuracy, Architecture, CostKey, PublishedCost, Task, Weights

LICENCE = "AGPL-3.0"
_NOTE = f"ultralytics and its weights are licensed under {LICENCE}, or by a contract with their maker"


class _Head(NamedTuple):
    """Task, class and input of the networks with a kind of head."""

    model: str  # class of the network, in ultralytics.nn.tasks
    task: Task
    input: str = "3x640x640"


_HEADS = {
    "Classify": _Head("ClassificationModel", Task.CLASSIFICATION, "3x224x224"),
    "Depth": _Head("DepthModel", Task.DEPTH, "3x768x768"),
    "Detect": _Head("DetectionModel", Task.DETECTION),
    "OBB": _Head("OBBModel", Task.ORIENTED_DETECTION, "3x1024x1024"),
    "Pose": _Head("PoseModel", Task.KEYPOINTS),
    "RTDETRDecoder": _Head("RTDETRDetectionModel", Task.DETECTION),
    "Segment": _Head("SegmentationModel", Task.DETECTION),
    "SemanticSegment": _Head("SemanticSegmentationModel", Task.SEGMENTATION, "3x1024x2048"),
    "WorldDetect": _Head("WorldModel", Task.DETECTION),
    "YOLOEDetect": _Head("YOLOEModel", Task.DETECTION),
    "YOLOESegment": _Head("YOLOESegModel", Task.DETECTION),
    "v10Detect": _Head("DetectionModel", Task.DETECTION),
}
"""By the class of the head without its version (`Pose26`); inputs are those of the evaluations in the description."""

_P6_INPUT = "3x1280x1280"
"""Input of networks with a fourth level of features, which are made for twice the size."""

_STRIDE = 32
_METRICS = {
    # Headings of the description's tables, without markup. Networks are counted end to end, so of the two mAPs of detectors the one
    # without NMS is used.
    "mAPval50-95(e2e)": ("coco-val2017", "box_map"),
    "mAPbox50-95(e2e)": ("coco-val2017", "box_map"),
    "mAPmask50-95(e2e)": ("coco-val2017", "mask_map"),
    "mAPpose50-95(e2e)": ("coco-val2017", "keypoint_map"),
    "mAPtest50-95(e2e)": ("dota-v1-test", "box_map"),
    "mIoUval": ("cityscapes", "miou"),
    "delta1NYU": ("nyu-depth-v2", "delta1"),
    "acctop1": ("imagenet-1k", "top1"),
    "acctop5": ("imagenet-1k", "top5"),
}
_FRACTIONS = ("delta1",)
"""Metrics that the description gives as a fraction of 1; in results they are percent."""

_SUMMARY = re.compile(r"summary: \d+ layers, ([\d,]+) parameters, .*? ([\d.]+) GFLOP", re.IGNORECASE)
_UNSCALED_SUMMARY = re.compile(r"# \d+ layers, ([\d,]+) parameters, ([\d.]+) GFLOP")
_SUMMARY_INPUT = "3x640x640"
"""The input of the figures in the comments of the YAML files, for networks that take any size."""


class UltralyticsZoo(Zoo):
    """Every network of the package's YAML files, at each of its scales."""

    name = "ultralytics"
    libraries = ("ultralytics", "torch")

    def __init__(self) -> None:
        """Reads the YAML files of the installed package.

        Raises:
            MissingLibraryError: if it is not installed.
        """
        spec = importlib.util.find_spec("ultralytics")
        if spec is None or spec.origin is None:
            raise MissingLibraryError("ultralytics is not installed. Install it: pip install 'zoometer[ultralytics]'", self.name)
        self._models = _read_models(Path(spec.origin).parent / "cfg" / "models")

    def architectures(self) -> list[Architecture]:
        """All files at all scales, named as ultralytics names them: `yolo26n-seg` is scale n of `yolo26-seg.yaml`."""
        evaluated = _published_results()
        return [_describe_architecture(name, config, name in evaluated) for name, config in self._models.items()]

    def build_options(self, key: CostKey) -> dict[str, Any]:
        """Classes and channels.

        Raises:
            InputError: if the size is not divisible by 32.
            VariantError: if the key has no head.
        """
        channels, *size = parse_input(key.input)
        head = _head_of(self._models[key.arch])
        if key.classes == 0:
            raise VariantError("ultralytics builds no network without a head")
        if any(each % _STRIDE for each in size) and head.task != Task.CLASSIFICATION:
            raise InputError(f"input must be a multiple of {_STRIDE}")
        return {"ch": channels, "nc": key.classes or self._models[key.arch]["nc"]}

    def build(self, arch: str, options: dict[str, Any]) -> nn.Module:
        """The network without trained weights."""
        config, tasks = deepcopy(self._models[arch]), _import_offline("ultralytics.nn.tasks")
        with _without_biases():
            model: nn.Module = getattr(tasks, _head_of(config).model)(config, verbose=False, **options)
        _set_strides(model, options["ch"])
        return model

    def published_costs(self) -> list[PublishedCost]:
        """Parameters, and FLOPs with 2 for each MAC, from the comments of the YAML files."""
        costs = []
        for name, config in self._models.items():
            if (summary := config["summary"]) is not None:
                params, gflops = summary
                native = _head_of(config).input
                input = native if native.startswith("3x224") else _SUMMARY_INPUT
                costs.append(PublishedCost(name, "", input, params, None, 1, gflops=gflops))
        return costs

    def published_accuracy(self) -> list[Accuracy]:
        """The tables of the package's description."""
        source = f"ultralytics {self.version()}, description of the package"
        by_name = {a.name: a for a in self.architectures()}
        return [
            Accuracy(self.name, name, "", dataset, metric, by_name[name].input, value, source, "", self.version())
            for name, results in _published_results().items()
            for (dataset, metric), value in results.items()
            if name in by_name
        ]


def _read_models(folder: Path) -> dict[str, dict[str, Any]]:
    """The contents of the YAML files by name, with their scale and the summary in the comments."""
    models: dict[str, dict[str, Any]] = {}
    for file in sorted(folder.rglob("*.yaml")):
        text = file.read_text(encoding="utf-8")
        config = yaml.safe_load(text)
        scales = list(config.get("scales", {}))
        for scale in scales or [""]:
            name = file.stem if len(scales) < 2 else re.sub(r"(\d+)", rf"\g<1>{scale}", file.stem, count=1)
            models[name] = _without_weights(config) | {
                "scale": scale,
                "yaml_file": file.name,
                "summary": _parse_summary(text, scale),
            }
    return models


def _without_weights(given: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the configuration in which backbones of torchvision download no weights."""
    config = deepcopy(dict(given))
    for _, _, module, arguments in config["backbone"]:
        if module == "TorchVision":
            arguments[2] = None
    return config


def _parse_summary(text: str, scale: str) -> tuple[int, float] | None:
    """Parameters and GFLOPs of a scale."""
    line = next((line for line in text.splitlines() if scale and line.strip().startswith(f"{scale}: [")), None)
    summary = _UNSCALED_SUMMARY.search(text) if line is None else _SUMMARY.search(line)
    return (int(summary[1].replace(",", "")), float(summary[2])) if summary else None


def _head_of(config: Mapping[str, Any]) -> _Head:
    return _HEADS[str(config["head"][-1][2]).removesuffix("26")]


def _describe_architecture(name: str, config: Mapping[str, Any], has_weights: bool) -> Architecture:
    head, classes = _head_of(config), int(config["nc"])
    native = _P6_INPUT if "-p6" in name else head.input
    weights = Weights(
        "ultralytics", name, "", head.task, None, classes, native, license=LICENCE.lower(), is_default=True,
        source=f"https://docs.ultralytics.com/models/{config['yaml_file'].partition('-')[0].removesuffix('.yaml')}",
    )  # fmt: skip
    return Architecture(
        zoo="ultralytics",
        name=name,
        task=head.task,
        family=config["yaml_file"].removesuffix(".yaml"),
        input=native,
        classes=classes,
        weights=(weights,) if has_weights else (),
        note=_NOTE,
    )


@cache
def _published_results() -> dict[str, dict[tuple[str, str], float]]:
    """Results by network, from the tables of the package's description."""
    results: dict[str, dict[tuple[str, str], float]] = {}
    headings: list[str] = []
    for cells in _markdown_rows(str(metadata("ultralytics").json["description"])):
        if cells[0] == "Model":
            headings = [re.sub(r"<[^>]*>|\s", "", cell) for cell in cells]
        elif name := re.match(r"\[YOLO([\w-]+)\]", cells[0]):
            results[f"yolo{name[1]}"] = dict(_row_figures(headings, cells))
    return results


def _markdown_rows(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        if line.startswith("|"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def _row_figures(headings: Iterable[str], cells: Iterable[str]) -> Iterator[tuple[tuple[str, str], float]]:
    for heading, cell in zip(headings, cells, strict=True):
        if heading in _METRICS:
            dataset, metric = _METRICS[heading]
            yield (dataset, metric), round(100 * float(cell), 1) if metric in _FRACTIONS else float(cell)


def _import_offline(module: str) -> ModuleType:
    """Imports a module of ultralytics, which would otherwise install packages or use the network."""
    os.environ |= {"YOLO_AUTOINSTALL": "false", "YOLO_OFFLINE": "true"}
    return importlib.import_module(module)


@contextlib.contextmanager
def _without_biases() -> Iterator[None]:
    """Skips the initialisation of the heads' biases, which needs the strides as numbers. Not thread-safe."""
    with contextlib.ExitStack() as contexts:
        for head in vars(_import_offline("ultralytics.nn.modules.head")).values():
            if "bias_init" in getattr(head, "__dict__", {}):
                contexts.enter_context(mock.patch.object(head, "bias_init"))
        yield


def _set_strides(model: Any, channels: int) -> None:
    """Sets the strides of the levels as numbers. The constructor computes them from a pass, whose results have no values here."""
    head = model.model[-1]
    if not hasattr(head, "bias_init"):  # a head without levels
        return
    side = 256  # as the constructor has it
    model.eval()
    head.training = True
    outputs = model.forward(torch.zeros(1, channels, side, side))
    features = outputs.get("one2many", outputs)["feats"]
    head.training = False
    head.stride = torch.tensor([side / level.shape[-2] for level in features], device="cpu")
    model.stride = head.stride
