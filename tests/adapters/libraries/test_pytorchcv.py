"""The optional zoo of pytorchcv."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from zoo.adapters.testing import assert_conforms, count_architectures
from zoo.errors import VariantError
from zoo.records import CostKey, Task

pytestmark = pytest.mark.skipif(
    find_spec("pytorchcv") is None, reason="pytorchcv is not installed: pip install 'zoometer[pytorchcv]'"
)

FEW = ["resnet20_cifar10", "mobilenet_w1_cub", "ctxnet_cityscapes", "simplepose_mobile_mobilenetv3_small_w1_coco", "raft_small"]
"""One of each task, all small."""

XDENSENET = "xdensenet40_2_k{}_bc_{}"
OTHERWISE_PUBLISHED = {XDENSENET.format(k, dataset) for k in (24, 36) for dataset in ("cifar10", "cifar100", "svhn")}
"""The table counts the half of the weights that the mask of these networks keeps."""


@pytest.fixture(scope="module")
def zoo() -> Any:
    from zoo.adapters.libraries.pytorchcv import PytorchcvZoo

    return PytorchcvZoo()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def table() -> dict[str, dict[str, str]]:
    from pytorchcv.models.common.model_store import get_model_metainfos_file_path

    with Path(get_model_metainfos_file_path()).open(encoding="utf-8", newline="") as file:
        return {row["model_name"]: row for row in csv.DictReader(file)}


def check_published_params(zoo: Any, report: Any) -> None:
    published = {cost.arch: cost.params for cost in zoo.published_costs()}
    other = {name for name, cost in report.counted.items() if name in published and cost.params != published[name]}
    assert other == OTHERWISE_PUBLISHED & report.counted.keys()


def test_it_conforms_and_has_the_published_numbers_of_parameters(zoo: Any) -> None:
    report = assert_conforms(zoo, count=FEW)
    assert set(report.counted) == set(FEW)
    check_published_params(zoo, report)


def test_every_network_of_images_is_listed(zoo: Any) -> None:
    from pytorchcv.model_provider import _models

    left_out = set(_models) - {a.name for a in zoo.architectures()}
    assert {name.rstrip("0123456789").partition("_")[0].rstrip("0123456789x") for name in left_out} == {
        "jasper", "jasperdr", "quartznet", "voca8flame", "nvpattexp116bazel", "visemenet",
    }  # fmt: skip


def test_figures_are_those_of_its_table(zoo: Any) -> None:
    stated = {(row.arch, row.dataset, row.metric): row.value for row in zoo.published_accuracy()}
    rows = table()
    for arch, dataset, metric, is_error in (
        ("resnet50", "imagenet-1k", "top5", True),
        ("resnet20_cifar10", "cifar-10", "top1", True),
        ("resnet20_svhn", "svhn", "top1", True),
        ("pspnet_resnetd101b_voc", "pascal-voc-2012", "miou", False),
        ("simplepose_resnet18_coco", "coco-val2017", "keypoint_map", False),
    ):
        figure = int(rows[arch]["error_value"]) / 100
        assert stated[arch, dataset, metric] == pytest.approx(100 - figure if is_error else figure)
    assert "raft_things" not in {arch for arch, _, _ in stated}  # its figure is 0: there is none


def test_weights_have_the_size_of_their_evaluation_and_their_address(zoo: Any) -> None:
    by_name = {a.name: a for a in zoo.architectures()}
    row = table()["efficientnet_b0b"]
    (weights,) = by_name["efficientnet_b0b"].weights
    assert weights.input == "3x{0}x{0}".format(row["img_size"])
    assert weights.source.endswith(
        f"{row['repo_release_tag']}/efficientnet_b0b-{row['error_value']}-{row['checksum'][:8]}.pth.zip"
    )
    assert not by_name["resnet200"].weights  # the table knows it, without a file
    assert by_name["raft_small"].task == Task.OPTICAL_FLOW


def test_another_head_channels_and_size_reach_the_network(zoo: Any) -> None:
    key = CostKey("pytorchcv", "resnet20_cifar10", "1x64x64", 7)
    assert zoo.build_options(key) == {"num_classes": 7, "in_channels": 1, "in_size": (64, 64)}
    assert zoo.build_options(key._replace(input="3x32x32", classes=10)) == {}
    with pytest.raises(VariantError, match="no other head"):
        zoo.build_options(key._replace(classes=0))


def test_flow_is_counted_for_a_pair(zoo: Any) -> None:
    flow = [a for a in zoo.architectures() if a.name == "raft_small"]
    cost = count_architectures(zoo, flow).counted["raft_small"]
    (stem,) = [row for row in cost.rows if row.module == "fnet.features.init_block.conv"]
    assert stem.op.macs * stem.calls == 2 * (240 // 2) * (432 // 2) * 32 * 3 * 7 * 7
