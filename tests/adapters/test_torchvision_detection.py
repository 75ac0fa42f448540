"""Detectors without data against detectors with data: the same number of proposals and detections takes the same MACs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision import models
from torchvision.models.detection import roi_heads
from torchvision.ops import boxes, poolers

from zoo.adapters.torchvision.detection import as_many_as_possible, detection_example
from zoo.adapters.torchvision.zoo import TorchvisionZoo
from zoo.api.example_cost import example_cost
from zoo.counting.cost import Cost
from zoo.counting.count_model import count_model
from zoo.meta.build import build_on_meta
from zoo.recording.memo import Memo
from zoo.records import CostKey

ZOO = TorchvisionZoo()
SIZE = 128
SMALL: dict[str, Any] = {"min_size": SIZE, "max_size": 2 * SIZE}
EAGER = {"box_score_thresh": 0.0, "box_nms_thresh": 1.0}
"""Makes an untrained detector find as much as it may: every score counts, and no box is in another's way."""


def build(arch: str, **options: Any) -> nn.Module:
    return build_on_meta(lambda: ZOO.build(arch, options))


def count(model: nn.Module, shape: tuple[int, ...] = (3, SIZE, SIZE), batch: int = 1) -> Cost:
    example = detection_example(model, shape, batch)
    return example_cost(example, lambda memo: count_model(model, example.args, memo), Memo())


def counted_with_data(arch: str, batch: int = 1, **options: Any) -> tuple[int, list[int]]:
    """MACs of a run on the CPU with random images, by torch's own counter, and how many detections there were in each."""
    torch.manual_seed(0)
    model = models.get_model(arch, weights=None, weights_backbone=None, **options).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        found = model([torch.rand(3, SIZE, SIZE) for _ in range(batch)])
    return counter.get_total_flops() // 2, [len(result["boxes"]) for result in found]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arch", "proposals", "detections", "batch"),
    [
        ("fasterrcnn_mobilenet_v3_large_320_fpn", 37, 11, 1),
        ("fasterrcnn_mobilenet_v3_large_320_fpn", 20, 5, 2),
        ("maskrcnn_resnet50_fpn", 12, 7, 1),
        ("keypointrcnn_resnet50_fpn", 12, 3, 1),
    ],
)
def test_two_stages_cost_what_that_many_proposals_and_detections_cost_on_a_real_image(
    arch: str, proposals: int, detections: int, batch: int
) -> None:
    limits = {"rpn_post_nms_top_n_test": proposals, "box_detections_per_img": detections}
    options = {**SMALL, **EAGER, **limits, "num_classes": 3}
    with_data, found = counted_with_data(arch, batch, rpn_nms_thresh=1.0, rpn_score_thresh=0.0, **options)
    assert found == [detections] * batch
    assert count(build(arch, **options), batch=batch).macs == with_data


@pytest.mark.slow
@pytest.mark.parametrize("arch", ["retinanet_resnet50_fpn_v2", "fcos_resnet50_fpn"])
def test_one_stage_costs_the_same_whatever_it_finds(arch: str) -> None:
    with_data, _ = counted_with_data(arch, **SMALL, num_classes=3)
    cost = count(build(arch, **SMALL, num_classes=3))
    assert cost.macs == with_data
    assert "MACs do not depend on them" in str(cost.reason)


def macs_of_heads(cost: Cost) -> int:
    return sum(row.op.macs * row.calls for row in cost.rows if row.module.startswith("roi_heads"))


def test_boxes_cost_their_number() -> None:
    """fc6: 256 channels x 7 x 7 to 1024; fc7: 1024 to 1024; scores of 3 classes and 4 numbers of a box for each."""
    for proposals in (0, 1, 50):
        cost = count(build("fasterrcnn_resnet50_fpn", **SMALL, num_classes=3, rpn_post_nms_top_n_test=proposals))
        assert macs_of_heads(cost) == proposals * (256 * 7 * 7 * 1024 + 1024 * 1024 + 1024 * 3 + 1024 * 4 * 3)


def test_masks_cost_their_number() -> None:
    """Four convolutions of 256 channels at 14x14, one transposed with a kernel of 2x2, and one of 1x1 at 28x28 to 3 classes."""
    base = {**SMALL, "num_classes": 3, "rpn_post_nms_top_n_test": 10}
    none, some = (count(build("maskrcnn_resnet50_fpn", **base, box_detections_per_img=n)) for n in (0, 6))
    mask = 4 * 256 * 256 * 9 * 14 * 14 + 256 * 256 * 4 * 14 * 14 + 256 * 3 * 28 * 28
    assert some.macs - none.macs == 6 * mask


def test_each_proposal_is_pooled_once() -> None:
    """Proposals are spread over the levels of the pyramid, not given to all of them."""
    cost = count(build("fasterrcnn_resnet50_fpn", **SMALL, num_classes=3, rpn_post_nms_top_n_test=50))
    pooled = [row for row in cost.rows if row.op.operation == "torchvision::roi_align"]
    assert sum(row.op.elements_out * row.calls for row in pooled) == 50 * 256 * 7 * 7
    assert sum(row.calls for row in pooled) == 4


def test_limits_follow_the_input() -> None:
    def row(input: str) -> Cost:
        key = CostKey("torchvision", "fasterrcnn_mobilenet_v3_large_320_fpn", input, 91)
        model = build_on_meta(lambda: ZOO.build(key.arch, ZOO.build_options(key)))
        example = ZOO.example(model, key)
        return example_cost(example, lambda memo: count_model(model, example.args, memo), Memo())

    most, few = row("3x320x320"), row("3x320x320;proposals=15;detections=4")
    assert macs_of_heads(few) * 10 == macs_of_heads(most)  # it is set to 150
    assert most.reason == "counted for 150 proposals and 100 detections an image, the most that the model is set to"
    assert few.reason == "counted for 15 proposals and 4 detections an image, the most that the model is set to"
    assert (most.status, few.status) == ("bound", "bound")


@pytest.mark.parametrize(
    ("arch", "said"),
    [
        ("maskrcnn_resnet50_fpn", "1000 proposals and masks of 100 detections an image"),
        ("keypointrcnn_resnet50_fpn", "1000 proposals and keypoints of 100 detections an image"),
        ("retinanet_resnet50_fpn", "1000 candidates of each level and 300 detections an image"),
        ("ssd300_vgg16", "400 candidates of each class and 200 detections an image"),
    ],
)
def test_what_is_assumed_is_the_models_own_limit(arch: str, said: str) -> None:
    assert said in str(detection_example(build(arch), (3, 300, 300), 1).assumption)


def test_rectangles_are_scaled_by_the_model_itself() -> None:
    """The short side to 800, unless the long one would pass 1333: 384x512 by 800/384, 200x800 by 1333/800."""
    model = build("fcos_resnet50_fpn")
    for shape, scaled in (((3, 384, 512), "384x512 to 800x1066"), ((3, 200, 800), "200x800 to 333x1333")):
        assert str(detection_example(model, shape, 1).assumption).endswith(f"; the model itself scales {scaled}")


def test_real_detectors_are_as_before_afterwards() -> None:
    places = [(poolers.LevelMapper, "__call__"), (roi_heads, "heatmaps_to_keypoints"), (roi_heads, "paste_mask_in_image"), (boxes, "_batched_nms_vanilla")]  # fmt: skip
    before = [getattr(owner, name) for owner, name in places]
    with as_many_as_possible((8, 8)):
        assert not set(before) & {getattr(owner, name) for owner, name in places}
    assert before == [getattr(owner, name) for owner, name in places]


def test_what_is_answered_for_detectors_is_not_remembered_for_others() -> None:
    """Elsewhere an operator whose result depends on values still says that it cannot run."""

    class Picky(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.where(x > 0)[0]

    memo = Memo()
    example = detection_example(model := build("ssdlite320_mobilenet_v3_large"), (3, 320, 320), 1)
    example_cost(example, lambda memo: count_model(model, example.args, memo), memo)
    assert len(memo) == 0
    with pytest.raises(NotImplementedError):
        count_model(Picky(), (torch.empty(3234, device="meta"),), memo)
