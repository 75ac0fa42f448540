"""The optional zoo of open_clip."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

from zoo.adapters.testing import CountReport, assert_conforms
from zoo.records import CostKey, Task

pytestmark = pytest.mark.skipif(
    find_spec("open_clip") is None, reason="open_clip is not installed: pip install 'zoometer[open_clip]'"
)

FEW = ["ViT-B-32", "ViT-B-32-image", "ViT-B-32-text", "RN50-image", "ViT-B-16-SigLIP2-image", "roberta-ViT-B-32-text"]
OF_TRANSFORMERS = ("roberta", "nllb")
"""Text models whose published FLOPs are of texts of the greatest length."""


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="module")
def zoo() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from zoo.adapters.libraries.open_clip import OpenClipZoo

        return OpenClipZoo()


def check_published_costs(zoo: Any, report: CountReport) -> None:
    """Parameters to 10,000, FLOPs to 10 million, as far as the table prints them."""
    compared = 0
    for cost in zoo.published_costs():
        if counted := report.counted.get(cost.arch):
            compared += 1
            assert abs(counted.params - cost.params) <= cost.params_step, cost.arch
            if not any(name in cost.arch for name in OF_TRANSFORMERS):
                assert abs(2 * counted.macs / 1e9 - cost.gflops) <= 0.0051, cost.arch
    assert compared


def test_it_conforms_and_has_the_published_costs(zoo: Any) -> None:
    report = assert_conforms(zoo, count=FEW)
    assert set(report.counted) == set(FEW)
    check_published_costs(zoo, report)


def test_both_towers_and_each_alone_are_listed(zoo: Any) -> None:
    import open_clip

    by_name = {a.name: a for a in zoo.architectures()}
    assert set(by_name) == {name + part for name in open_clip.list_models() for part in ("", "-image", "-text")}
    assert (by_name["ViT-B-32"].input, by_name["ViT-B-32"].task) == ("3x224x224;77:int64", Task.ZERO_SHOT)
    assert (by_name["ViT-B-32-image"].input, by_name["ViT-B-32-text"].input) == ("3x224x224", "77:int64")
    listed = {(w.arch, w.tag) for a in by_name.values() for w in a.weights}
    assert listed == {(name, tag) for name, tag in open_clip.list_pretrained() if name in by_name}


def test_zero_shot_results_belong_to_weights(zoo: Any) -> None:
    results = {(row.arch, row.tag): row for row in zoo.published_accuracy()}
    row = results["ViT-B-32", "openai"]
    assert (row.dataset, row.metric, row.input, row.value) == ("imagenet-1k", "zero_shot_top1", "3x224x224;77:int64", 63.32)
    assert len(results) == len(zoo.published_accuracy()) > 100


def test_another_size_adds_positions(zoo: Any) -> None:
    key = CostKey("open_clip", "ViT-B-32-image", "3x256x320", 0)
    assert zoo.build_options(key) == {"image_size": (256, 320)}
    assert zoo.build_options(key._replace(input="3x224x224")) == {}
    assert zoo.build_options(key._replace(arch="ViT-B-32-text", input="77:int64")) == {}
