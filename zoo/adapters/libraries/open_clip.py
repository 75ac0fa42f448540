"""The zoo of open_clip: image tower and text tower of every configuration in the package, together and each alone.

`ViT-B-32` is both towers with a similarity of the two, `ViT-B-32-image` and `ViT-B-32-text` are the towers. Zero-shot results and
costs are those of the project's own tables, docs/openclip_results.csv and docs/model_profile.csv at revision f862f86 of its
repository (MIT), and of the table in the package's description; both are kept beside this file.
"""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import Any
from unittest import mock

import open_clip
from open_clip import hf_model
from open_clip import model as towers
from open_clip.coca_model import CoCa
from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model
from torch import nn

from zoo.adapters.base import Example, Zoo
from zoo.adapters.timm import address_of_weights
from zoo.adapters.traced_transformers import independent_of_values
from zoo.inputs import TensorInput, format_tensors, parse_tensors
from zoo.records import Accuracy, Architecture, CostKey, PublishedCost, Task, Weights

_IMAGE, _TEXT = "-image", "-text"
"""Ends of the names of towers."""

_CONTEXT_LENGTH = 77
"""Tokens of a text, where a configuration states no other number."""

_PARAMS_STEP = 10_000
"""The table of costs has parameters in millions, and FLOPs in billions, to two decimals."""

_RESULTS = {
    "results": "open_clip docs/openclip_results.csv (f862f86)",
    "description": "open_clip 3.3.0, description of the package",
}

_TEXT_MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    # Type and values of the configuration of each text model that open_clip would download; the parameters agree with the table of costs.
    "roberta-base": ("roberta", {"vocab_size": 50265, "max_position_embeddings": 514, "type_vocab_size": 1}),
    "xlm-roberta-base": ("xlm-roberta", {"vocab_size": 250002, "max_position_embeddings": 514, "type_vocab_size": 1}),
    "xlm-roberta-large": (
        "xlm-roberta",
        {
            "vocab_size": 250002, "max_position_embeddings": 514, "type_vocab_size": 1, "hidden_size": 1024,
            "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096,
        },
    ),
    "google/mt5-base": (
        "mt5", {"vocab_size": 250112, "d_model": 768, "d_ff": 2048, "num_layers": 12, "num_heads": 12}
    ),
    "google/mt5-xl": (
        "mt5", {"vocab_size": 250112, "d_model": 2048, "d_ff": 5120, "num_layers": 24, "num_heads": 32}
    ),
    "facebook/nllb-200-distilled-600M": (
        "m2m_100", {"vocab_size": 256206, "d_model": 1024, "encoder_layers": 12, "encoder_ffn_dim": 4096, "decoder_layers": 1}
    ),
    "facebook/nllb-200-distilled-1.3B": (
        "m2m_100", {"vocab_size": 256206, "d_model": 1024, "encoder_layers": 24, "encoder_ffn_dim": 8192, "decoder_layers": 1}
    ),
}  # fmt: skip


class OpenClipZoo(Zoo):
    """Every configuration in open_clip's package, and its towers."""

    name = "open_clip"
    libraries = ("open_clip_torch", "transformers", "timm", "torch")

    def architectures(self) -> list[Architecture]:
        """Both towers, the image tower and the text tower of each configuration."""
        return [_describe_architecture(name, part) for name in open_clip.list_models() for part in ("", _IMAGE, _TEXT)]

    def build_options(self, key: CostKey) -> dict[str, Any]:
        """The size of the image."""
        name, part = _split_arch(key.arch)
        if part == _TEXT:
            return {}
        image = parse_tensors(key.input)[0].shape
        return {} if image == _image_shape(name) else {"image_size": image[1:]}

    def build(self, arch: str, options: dict[str, Any]) -> nn.Module:
        """Both towers or one of them, without trained weights."""
        name, part = _split_arch(arch)
        config = _config_without_downloads(name)
        config["vision_cfg"] |= options
        quick_gelu = config.get("quick_gelu", False)
        model: nn.Module
        with _without_downloads():
            if part == _IMAGE:
                model = towers._build_vision_tower(config["embed_dim"], config["vision_cfg"], quick_gelu)  # noqa: SLF001
            elif part == _TEXT:
                model = towers._build_text_tower(config["embed_dim"], config["text_cfg"], quick_gelu)  # noqa: SLF001
            else:
                has_own_text = config.pop("custom_text", False) or "hf_model_name" in config["text_cfg"]
                kind = CoCa if "multimodal_cfg" in config else towers.CustomTextCLIP if has_own_text else towers.CLIP
                model = kind(**config)
        return model

    def example(self, model: nn.Module, key: CostKey) -> Example:
        """An image, a text, or both. Text models of transformers keep the mask for texts that end before the last token."""
        example = super().example(model, key)
        name, part = _split_arch(key.arch)
        has_mask = part != _IMAGE and "hf_model_name" in _package_config(name)["text_cfg"]
        return replace(example, context=independent_of_values) if has_mask else example

    def published_costs(self) -> list[PublishedCost]:
        """Parameters, and FLOPs with 2 for each MAC, from the project's table of costs."""
        return [
            PublishedCost(
                row["model"] + part,
                "",
                format_tensors(_native_tensors(row["model"], part)),
                round(float(row[f"{column}mparams"]) * 1e6),
                None,
                2,
                gflops=float(row[f"{column}gflops"]),
                params_step=_PARAMS_STEP,
            )
            for row in _read_rows("open_clip_profile.csv")
            if row["model"] in open_clip.list_models()
            for part, column in (("", ""), (_IMAGE, "image_"), (_TEXT, "text_"))
        ]

    def published_accuracy(self) -> list[Accuracy]:
        """Zero-shot top-1 accuracy on ImageNet-1k."""
        known = {(w.arch, w.tag): w for a in self.architectures() for w in a.weights}
        return [
            Accuracy(
                self.name, w.arch, w.tag, "imagenet-1k", "zero_shot_top1", w.input,
                round(100 * float(row["imagenet_1k_top1"]), 2), _RESULTS[row["table"]], "", self.version(),
            )
            for row in _read_rows("open_clip_zero_shot.csv")
            if (w := known.get((row["name"], row["pretrained"]))) is not None
        ]  # fmt: skip


def _split_arch(arch: str) -> tuple[str, str]:
    """The configuration and the tower; empty for both."""
    for part in (_IMAGE, _TEXT):
        if arch.endswith(part):
            return arch.removesuffix(part), part
    return arch, ""


@cache
def _package_config(name: str) -> dict[str, Any]:
    config: dict[str, Any] = open_clip.get_model_config(name)
    return config


def _config_without_downloads(name: str) -> dict[str, Any]:
    """A copy of the configuration with which no weights are downloaded."""
    config = deepcopy(_package_config(name))
    if "timm_model_name" in config["vision_cfg"]:
        config["vision_cfg"]["timm_model_pretrained"] = False
    if "hf_model_name" in config["text_cfg"]:
        config["text_cfg"]["hf_model_pretrained"] = False
    return config


def _image_shape(name: str) -> tuple[int, ...]:
    size = _package_config(name)["vision_cfg"].get("image_size", 224)
    return (3, *((size, size) if isinstance(size, int) else size))


def _native_tensors(name: str, part: str) -> list[TensorInput]:
    image = TensorInput(_image_shape(name))
    text = TensorInput((_package_config(name)["text_cfg"].get("context_length", _CONTEXT_LENGTH),), "int64")
    return {_IMAGE: [image], _TEXT: [text]}.get(part, [image, text])


@cache
def _describe_architecture(name: str, part: str) -> Architecture:
    task = {_IMAGE: Task.FEATURES, _TEXT: Task.OTHER}.get(part, Task.ZERO_SHOT)
    native = format_tensors(_native_tensors(name, part))
    files = {} if part else {tag: get_pretrained_cfg(name, tag) for tag in list_pretrained_tags_by_model(name)}
    return Architecture(
        zoo="open_clip",
        name=name + part,
        task=task,
        family=name,
        input=native,
        classes=0,
        weights=tuple(
            Weights("open_clip", name, tag, task, None, 0, native, source=address_of_weights(file.get("hf_hub"), file.get("url")))
            for tag, file in files.items()
        ),
    )


def _read_rows(file: str) -> Iterator[Mapping[str, str]]:
    with resources.files("zoo.adapters.libraries").joinpath(file).open("r", encoding="utf-8") as lines:
        yield from csv.DictReader(lines)


@contextlib.contextmanager
def _without_downloads() -> Iterator[None]:
    """Gives text models of transformers the configuration that open_clip would download. Not thread-safe."""
    if hf_model.transformers is None:
        yield
        return

    def configuration(name: str) -> Any:
        model_type, values = _TEXT_MODELS[name]
        return hf_model.transformers.AutoConfig.for_model(model_type, **values)

    with mock.patch.object(hf_model.AutoConfig, "from_pretrained", configuration):
        yield
