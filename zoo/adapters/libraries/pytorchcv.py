"""The zoo of pytorchcv: every network of its model provider that takes images, with the figures of its own table of weights.

Sizes and numbers of classes are the defaults of its constructors. Its networks for speech are left out: they take no image.
"""

from __future__ import annotations

import csv
import importlib
import inspect
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from pytorchcv.model_provider import _models as constructors
from pytorchcv.models.common.model_store import get_model_metainfos_file_path, imgclsmob_repo_url
from torch import nn

from zoo.adapters.base import Example, Zoo
from zoo.errors import VariantError
from zoo.inputs import format_input, image_tensor
from zoo.records import Accuracy, Architecture, CostKey, PublishedCost, Task, Weights

_SPEECH = frozenset({"jasper", "jasperdr", "quartznet", "voca", "nvpattexp", "visemenet"})
"""Modules of networks for speech and sound."""

_TASKS = {
    **dict.fromkeys(
        """bisenet cgnet contextnet dabnet danet deeplabv3 edanet enet erfnet esnet espcnet fastscnn fcn8sd fpenet icnet lednet linknet
        pspnet segnet sinet sqnet unet""".split(),
        Task.SEGMENTATION,
    ),
    **dict.fromkeys(
        "alphapose_coco ibppose_coco lwopenpose_cmupan simplepose_coco simpleposemobile_coco".split(), Task.KEYPOINTS
    ),
    **dict.fromkeys("centernet lffd".split(), Task.DETECTION),
    **dict.fromkeys("pfpcnet prnet propainter propainter_ip propainter_rfc superpointnet".split(), Task.OTHER),
    "raft": Task.OPTICAL_FLOW,
}
"""By the module of the constructor; all others classify."""

_INPUTS = {
    # Their constructors have no size; these are the inputs of the library's own tests, and of SuperPoint's paper.
    "pfpcnet": "1x320x240",
    "propainter": "5x2x240x432;5x1x240x432",
    "propainter_rfc": "5x2x240x432;5x1x240x432",
    "raft": "3x240x432",
    "superpointnet": "1x480x640",
}
_USUAL_INPUT = (3, 224, 224)

_UNCOUNTABLE = {
    "propainter": "it is called with frames, flows, masks and a number of frames that other networks prepare",
    "propainter_ip": "it has no weights, and takes frames without a batch",
    "superpointnet": "it cuts out as many key points as it finds in the image",
}
"""By module."""

_HEAT_MAPS = "counted up to its heat maps; the search for their maxima is not counted"

_ANY_SIZE = frozenset({"efficientnet", "efficientnetedge"})
"""Modules whose constructors accept only their default `in_size`, although their networks take any size."""

_METRICS = {
    "in1k": ("imagenet-1k", "top5"),
    "cub": ("cub-200-2011", "top1"),
    "voc": ("pascal-voc-2012", "miou"),
    "coco": ("coco-val2017-voc-labels", "miou"),
    "cocoseg": ("coco-val2017-voc-labels", "miou"),
    "ade20k": ("ade20k", "miou"),
    "cs": ("cityscapes", "miou"),
    "cocohpe": ("coco-val2017", "keypoint_map"),
    "cifar10": ("cifar-10", "top1"),
    "cifar100": ("cifar-100", "top1"),
    "svhn": ("svhn", "top1"),
}
"""Dataset and metric by the table's `test_dataset`; for `cf` the dataset is the end of the network's name."""

_ERRORS = ("top1", "top5")
"""Metrics that the table gives as an error; all values are in hundredths of a percent."""

_NOT_EVALUATED = "0000"
"""The table's `error_value` of weights that were not evaluated."""


class PytorchcvZoo(Zoo):
    """Every network of images in pytorchcv's model provider."""

    name = "pytorchcv"
    libraries = ("pytorchcv", "torch")

    def architectures(self) -> list[Architecture]:
        """All names of the provider; its table says which have weights."""
        return [_describe_architecture(name) for name in constructors if _module_name(name) not in _SPEECH]

    def build_options(self, key: CostKey) -> dict[str, Any]:
        """Head, channels and image size that differ from the constructor's own.

        Raises:
            VariantError: if the constructor cannot have such a head.
        """
        native = _describe_architecture(key.arch)
        options: dict[str, Any] = {"return_heatmap": True} if _gives_heat_maps(key.arch) else {}
        if key.classes != native.classes:
            if not key.classes or native.classes is None:
                raise VariantError("pytorchcv builds no other head of it")
            options["num_classes"] = key.classes
        shape, usual = image_tensor(key.input).shape, image_tensor(native.input).shape
        if shape[0] != usual[0]:
            options["in_channels"] = shape[0]
        if shape[1:] != usual[1:] and "in_size" in _constructor_defaults(key.arch) and _module_name(key.arch) not in _ANY_SIZE:
            options["in_size"] = shape[1:]
        return options

    def build(self, arch: str, options: dict[str, Any]) -> nn.Module:
        """The constructor's network, untrained."""
        model: nn.Module = constructors[arch](**options)
        return model

    def published_costs(self) -> list[PublishedCost]:
        """Numbers of parameters in the library's table, `net_weights`. It has no MACs."""
        return [
            PublishedCost(a.name, "", a.input, params, None, 0)
            for a in self.architectures()
            if (params := int(_table_row(a.name).get("net_weights", 0)))
        ]

    def published_accuracy(self) -> list[Accuracy]:
        """The table's `error_value`: the top-5 error on ImageNet-1k, the top-1 error on smaller datasets, mean IoU or mAP."""
        installed = self.version()
        results = []
        for w in (w for a in self.architectures() for w in a.weights):
            value, stated = _table_row(w.arch).get("error_value", _NOT_EVALUATED), _dataset_and_metric(w.arch)
            if stated is not None and value != _NOT_EVALUATED:
                dataset, metric = stated
                percent = int(value) / 100
                figure = round(100 - percent, 2) if metric in _ERRORS else percent
                source = f"pytorchcv {installed}, table of the weights"
                results.append(Accuracy(w.zoo, w.arch, w.tag, dataset, metric, w.input, figure, source, "", installed))
        return results

    def example(self, model: nn.Module, key: CostKey) -> Example:
        """A pair of images for optical flow."""
        if _TASKS.get(_module_name(key.arch)) != Task.OPTICAL_FLOW:
            return super().example(model, key)
        shape = (key.batch, *image_tensor(key.input).shape)
        return Example(tuple(torch.empty(shape, device="meta") for _ in range(2)))


@cache
def _weights_table() -> Mapping[str, Mapping[str, str]]:
    """pytorchcv's own table of its networks, by name; cells without a value are left out."""
    with Path(get_model_metainfos_file_path()).open(encoding="utf-8", newline="") as file:
        return {row["model_name"]: {k: cell for k, cell in row.items() if cell != "NA"} for row in csv.DictReader(file)}


def _table_row(name: str) -> Mapping[str, str]:
    return _weights_table().get(name, {})


def _module_name(name: str) -> str:
    return str(constructors[name].__module__).rpartition(".")[2]


@cache
def _constructor_defaults(name: str) -> dict[str, Any]:
    """Defaults of the constructor's parameters, and of those that it passes to the network's class."""
    module = importlib.import_module(constructors[name].__module__)
    networks = [value for value in (getattr(module, each) for each in module.__all__) if inspect.isclass(value)]
    passed_on = _signature_defaults(networks[0]) if networks else {"in_size": _USUAL_INPUT[1:], "in_channels": _USUAL_INPUT[0]}
    return passed_on | _signature_defaults(constructors[name])


def _signature_defaults(constructor: Callable[..., Any]) -> dict[str, Any]:
    return {name: parameter.default for name, parameter in inspect.signature(constructor).parameters.items()}


def _gives_heat_maps(name: str) -> bool:
    return _TASKS.get(_module_name(name)) == Task.KEYPOINTS and "return_heatmap" in _constructor_defaults(name)


@cache
def _describe_architecture(name: str) -> Architecture:
    module, defaults, row = _module_name(name), _constructor_defaults(name), _table_row(name)
    native = _INPUTS.get(module) or _native_input(name, defaults)
    task, classes = _TASKS.get(module, Task.CLASSIFICATION), defaults.get("num_classes")
    dataset, _ = _dataset_and_metric(name) or (None, None)
    weights: tuple[Weights, ...] = ()
    if "checksum" in row:
        file = f"{name}-{row.get('error_value', 'NA')}-{row['checksum'][:8]}.pth.zip"
        weights = (
            Weights(
                "pytorchcv", name, "", task, dataset, classes, native, is_default=True,
                source=f"{imgclsmob_repo_url}/releases/download/{row['repo_release_tag']}/{file}",
                recipe=f"arXiv:{row['arxiv_paper']}" if "arxiv_paper" in row else None,
            ),
        )  # fmt: skip
    return Architecture(
        zoo="pytorchcv",
        name=name,
        task=task,
        family=module,
        input=native,
        classes=classes,
        weights=weights,
        uncountable=_UNCOUNTABLE.get(module),
        note=_HEAT_MAPS if _gives_heat_maps(name) else None,
    )


def _native_input(name: str, defaults: Mapping[str, Any]) -> str:
    """The evaluation size of the weights, or the size that the constructor has by default."""
    size = _table_row(name).get("img_size")
    shape = (int(size),) * 2 if size else tuple(defaults.get("in_size") or _USUAL_INPUT[1:])
    return format_input((defaults["in_channels"], *shape))


def _dataset_and_metric(name: str) -> tuple[str, str] | None:
    """Dataset and metric of the table's figure."""
    stated = _table_row(name).get("test_dataset", "")
    return _METRICS.get(name.rpartition("_")[2] if stated == "cf" else stated)
