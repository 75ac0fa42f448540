"""What torchvision's zoo says of its architectures: tasks, inputs and heads, and which sizes they can take."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from jobs_for_tests import job_of
from torch import nn
from torchvision import models
from torchvision.models import get_model_weights, list_models

from zoo.adapters.torchvision.quantized import int8_weight_bytes
from zoo.adapters.torchvision.zoo import TorchvisionZoo
from zoo.errors import InputError
from zoo.meta.build import build_on_meta
from zoo.records import CostKey, Task
from zoo.workers.job import JobRunner

ZOO = TorchvisionZoo()
LISTED = {a.name: a for a in ZOO.architectures()}
RowOf = Callable[..., dict[str, Any]]


def key_of(arch: str, input: str, classes: int | None = None, batch: int = 1) -> CostKey:
    return CostKey("torchvision", arch, input, classes, batch=batch)


@pytest.fixture(scope="module")
def row_of() -> RowOf:
    """Counts an architecture with its own head, at its native input where no other is given."""
    runner = JobRunner()

    @functools.cache
    def count(arch: str, input: str | None = None, batch: int = 1) -> dict[str, Any]:
        described = LISTED[arch]
        job = job_of("torchvision", arch, described.classes, (input or described.input,), batch=batch)
        (counted,) = runner.run(job)
        return counted.row

    return count


def test_weights_are_those_of_their_metadata() -> None:
    for arch in LISTED.values():
        for weights, entry in zip(arch.weights, get_model_weights(arch.name), strict=True):
            categories = entry.meta.get("categories")  # optical flow has none
            assert weights.classes == (len(categories) if categories else None)
            assert weights.file_bytes == round(entry.meta["_file_size"] * 2**20)
            assert weights.task == arch.task


def test_sources_are_the_pages_of_the_documentation() -> None:
    pages = {
        name: LISTED[name].weights[0].source for name in ("resnet50", "quantized_resnet50", "raft_small", "s3d", "fcn_resnet50")
    }
    place = "https://docs.pytorch.org/vision/stable/models/generated/torchvision.models."
    assert pages == {
        "resnet50": f"{place}resnet50.html",
        "quantized_resnet50": f"{place}quantization.resnet50.html",
        "raft_small": f"{place}optical_flow.raft_small.html",
        "s3d": f"{place}video.s3d.html",
        "fcn_resnet50": f"{place}segmentation.fcn_resnet50.html",
    }


@pytest.mark.parametrize(
    ("module", "task", "number"),
    [
        (models, Task.CLASSIFICATION, 80),
        (models.quantization, Task.CLASSIFICATION, 12),
        (models.detection, Task.DETECTION, 11),
        (models.segmentation, Task.SEGMENTATION, 6),
        (models.video, Task.VIDEO, 9),
        (models.optical_flow, Task.OPTICAL_FLOW, 2),
    ],
)
def test_each_module_is_a_task_and_all_of_it_is_counted(module: Any, task: Task, number: int) -> None:
    of_task = [name for name in list_models(module=module) if LISTED[name].task == task]
    assert len(of_task) == number
    assert not [name for name in of_task if LISTED[name].uncountable]


def test_keypoints_are_a_task_of_their_own() -> None:
    """Their boxes are those of persons; ranked with other detectors they would seem the best of all."""
    assert [a.name for a in LISTED.values() if a.task == Task.KEYPOINTS] == ["keypointrcnn_resnet50_fpn"]
    assert LISTED["keypointrcnn_resnet50_fpn"].classes == 2  # background and person


@pytest.mark.parametrize(
    ("arch", "tag", "input"),
    [
        ("resnet50", "IMAGENET1K_V2", "3x224x224"),
        ("inception_v3", "IMAGENET1K_V1", "3x299x299"),
        ("quantized_inception_v3", "IMAGENET1K_FBGEMM_V1", "3x299x299"),
        ("vit_b_16", "IMAGENET1K_SWAG_E2E_V1", "3x384x384"),
        ("r3d_18", "KINETICS400_V1", "3x16x112x112"),
        ("mvit_v2_s", "KINETICS400_V1", "3x16x224x224"),
        ("fcn_resnet50", "COCO_WITH_VOC_LABELS_V1", "3x520x520"),
        ("fasterrcnn_resnet50_fpn", "COCO_V1", "3x800x800"),
        ("fasterrcnn_mobilenet_v3_large_320_fpn", "COCO_V1", "3x320x320"),
        ("ssd300_vgg16", "COCO_V1", "3x300x300"),
        ("ssdlite320_mobilenet_v3_large", "COCO_V1", "3x320x320"),
        ("raft_large", "C_T_SKHT_V2", "3x512x512"),
    ],
)
def test_inputs_are_those_of_the_weights(arch: str, tag: str, input: str) -> None:
    assert {w.tag: w.input for w in LISTED[arch].weights}[tag] == input


@pytest.mark.parametrize(
    "arch",
    ["fasterrcnn_mobilenet_v3_large_320_fpn", "fasterrcnn_resnet50_fpn", "ssd300_vgg16", "ssdlite320_mobilenet_v3_large"],
)
def test_detectors_leave_their_native_size_as_it_is(arch: str, row_of: RowOf) -> None:
    assert "scales" not in str(row_of(arch)["reason"])


def test_the_scaling_that_a_detector_does_itself_is_named(row_of: RowOf) -> None:
    small, native = row_of("ssd300_vgg16", "3x224x224"), row_of("ssd300_vgg16")
    assert str(small["reason"]).endswith("; the model itself scales 224x224 to 300x300")
    assert small["macs"] == native["macs"]


@pytest.mark.parametrize(
    ("arch", "input", "classes", "options"),
    [
        ("resnet50", "3x288x288", 1000, {"num_classes": 1000}),
        ("resnet50", "3x288x288", None, {}),
        ("vit_b_16", "3x384x384", 5, {"num_classes": 5, "image_size": 384}),
        ("maxvit_t", "3x224x448", None, {"input_size": (224, 448)}),
        ("googlenet", "3x224x224", 7, {"num_classes": 7, "aux_logits": False, "init_weights": False, "transform_input": True}),
        ("fcn_resnet50", "3x64x96", 21, {"num_classes": 21, "aux_loss": True}),
        ("raft_large", "3x512x512", None, {}),
        ("fasterrcnn_resnet50_fpn", "3x800x800", 91, {"num_classes": 91}),
        (
            "maskrcnn_resnet50_fpn", "3x800x800;proposals=300;detections=20", None,
            {"rpn_post_nms_top_n_test": 300, "rpn_pre_nms_top_n_test": 1000, "box_detections_per_img": 20},
        ),
        (
            "maskrcnn_resnet50_fpn", "3x800x800;proposals=2000", None,
            {"rpn_post_nms_top_n_test": 2000, "rpn_pre_nms_top_n_test": 2000},
        ),
        ("retinanet_resnet50_fpn", "3x800x800;proposals=300;detections=20", None, {"detections_per_img": 20}),
    ],
)  # fmt: skip
def test_options(arch: str, input: str, classes: int | None, options: dict[str, Any]) -> None:
    assert ZOO.build_options(key_of(arch, input, classes)) == options


@pytest.mark.parametrize(
    ("arch", "input", "rule"),
    [
        ("vit_b_16", "3x230x230", "a multiple of 16 in height and width"),
        ("vit_h_14", "3x224x256", "square: torchvision's vision transformers take one image size"),
        ("vit_h_14", "3x512x512", "a multiple of 14 in height and width"),
        ("maxvit_t", "3x256x256", "a multiple of 224 in height and width"),
        ("mvit_v1_b", "3x16x256x256", "3x16x224x224: torchvision's MViT is built for no other size"),
        ("mvit_v1_b", "3x8x224x224", "3x16x224x224: torchvision's MViT is built for no other size"),
        ("s3d", "3x16x160x160", "at least 224x224"),
        ("s3d", "3x8x224x224", "at least 14 frames"),
        ("raft_small", "3x244x320", "a multiple of 8 in height and width"),
        ("raft_small", "3x64x320", "at least 128x128"),
        ("inception_v3", "3x64x64", "at least 75x75"),
        ("alexnet", "3x62x224", "at least 63x63"),
        ("resnet50", "1x224x224", "3 channels: torchvision builds its models for no other number"),
        ("resnet50", "3x224", "channels x height x width, such as 3x224x224"),
        ("r3d_18", "3x112x112", "channels x frames x height x width, such as 3x16x224x224"),
        ("resnet50", "3x224x224;proposals=3", "one image of float32$"),
        ("resnet50", "3x224x224:int8", "one image of float32$"),
        ("r3d_18", "image=3x16x112x112", "one clip of float32$"),
        ("ssd300_vgg16", "3x300x300;boxes=3", "only proposals=N and detections=N may follow it"),
        ("ssd300_vgg16", "3x300x300;detections=3x4", "only proposals=N and detections=N may follow it"),
    ],
)
def test_a_size_that_an_architecture_cannot_take_is_refused_with_the_rule(arch: str, input: str, rule: str) -> None:
    with pytest.raises(InputError, match=rf"^input must .*{rule}"):
        ZOO.build_options(key_of(arch, input))


LEAST = {
    "alexnet": 63,
    "convnext_tiny": 32,
    "densenet121": 29,
    "googlenet": 15,
    "inception_v3": 75,
    "squeezenet1_0": 21,
    "squeezenet1_1": 17,
    "vgg11": 32,
}


@pytest.mark.parametrize("arch", LEAST)
def test_the_least_size_is_the_least_that_runs(arch: str, row_of: RowOf) -> None:
    """One pixel less is refused, and would not have run."""
    size = LEAST[arch]
    assert row_of(arch, f"3x{size}x{size}")["status"] == "exact"
    assert row_of(arch, f"3x{size - 1}x{size - 1}")["reason"] == f"input: input must be at least {size}x{size}"
    model = build_on_meta(lambda: ZOO.build(arch, ZOO.build_options(key_of(arch, f"3x{size}x{size}"))))
    with pytest.raises(RuntimeError), torch.inference_mode():
        model(torch.empty(1, 3, size - 1, size - 1, device="meta"))


@pytest.mark.parametrize(
    "arch", ["vit_b_16", "maxvit_t", "swin_t", "fcn_resnet50", "swin3d_t", "raft_small", "ssdlite320_mobilenet_v3_large"]
)
def test_models_are_rebuilt_for_other_sizes(arch: str, row_of: RowOf) -> None:
    native, other = LISTED[arch].input, "3x16x448x448" if LISTED[arch].task == Task.VIDEO else "3x448x448"
    assert row_of(arch, other)["status"] in {"exact", "bound"}
    if LISTED[arch].task != Task.DETECTION:  # they scale their images themselves
        assert row_of(arch, other)["macs"] != row_of(arch, native)["macs"]


@pytest.mark.parametrize(
    "arch", ["resnet18", "r3d_18", "lraspp_mobilenet_v3_large", "raft_small", "ssd300_vgg16", "quantized_resnet18"]
)
def test_a_batch_costs_its_number_of_images(arch: str, row_of: RowOf) -> None:
    assert row_of(arch, batch=3)["macs"] == 3 * row_of(arch)["macs"]


def test_building_loads_nothing_and_leaves_torchvision_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[Any] = []
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda *a, **_: fetched.append(a))
    before = (models.WeightsEnum.get_state_dict, nn.Module.load_state_dict)
    build_on_meta(lambda: ZOO.build("fasterrcnn_mobilenet_v3_large_fpn", {}))
    with pytest.raises(ValueError, match="Trainable backbone layers"):
        build_on_meta(lambda: ZOO.build("fasterrcnn_mobilenet_v3_large_fpn", {"trainable_backbone_layers": 99}))
    assert (models.WeightsEnum.get_state_dict, nn.Module.load_state_dict) == before
    assert fetched == []


def noted(word: str) -> set[str]:
    return {name for name, arch in LISTED.items() if word in (arch.note or "")}


def test_what_a_reader_should_know_is_noted() -> None:
    assert noted("auxiliary head") == {
        "googlenet", "inception_v3", "quantized_googlenet", "deeplabv3_mobilenet_v3_large", "deeplabv3_resnet50",
        "deeplabv3_resnet101", "fcn_resnet50", "fcn_resnet101",
    }  # fmt: skip
    assert noted("float architecture") == set(list_models(module=models.quantization))


@pytest.fixture(params=[("quantized_resnet18", "fbgemm"), ("quantized_mobilenet_v2", "qnnpack")])
def converted(request: pytest.FixtureRequest) -> Iterator[tuple[str, nn.Module]]:
    """A model that torch has really quantised, as torchvision does it."""
    arch, engine = request.param
    if engine not in torch.backends.quantized.supported_engines:
        pytest.skip(f"this build of torch has no {engine}")
    before = torch.backends.quantized.engine
    yield arch, models.get_model(arch, weights=None, quantize=True)
    torch.backends.quantized.engine = before


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_weights_of_int8_take_what_torch_stores(converted: tuple[str, nn.Module], row_of: RowOf) -> None:
    arch, model = converted
    stored = 0
    for module in model.modules():
        if isinstance(module, (torch.ao.nn.quantized.Conv2d, torch.ao.nn.quantized.Linear)):
            weight, bias = module.weight(), module.bias()  # type: ignore[no-untyped-call]
            stored += weight.int_repr().nbytes + bias.nbytes
            if weight.qscheme() == torch.per_channel_affine:
                stored += weight.q_per_channel_scales().nbytes + weight.q_per_channel_zero_points().nbytes
            else:
                stored += 8 + 8  # a scale and a zero point of the whole layer
    row = row_of(arch)
    assert row["weight_bytes"] == stored
    assert row["reason"] == (
        "counted as its float architecture with weights of int8; activations, memory traffic and peak memory are those of float32"
    )


@pytest.mark.parametrize("arch", list_models(module=models.quantization))
def test_a_quantised_model_costs_what_its_float_architecture_does(arch: str, row_of: RowOf) -> None:
    quantised, plain = row_of(arch), row_of(arch.removeprefix("quantized_"))
    assert [quantised[name] for name in ("macs", "flops", "params")] == [plain[name] for name in ("macs", "flops", "params")]
    assert quantised["weight_bytes"] < plain["weight_bytes"] / 3  # a byte instead of four, and scales


def test_the_auxiliary_head_of_a_quantised_inception_has_no_bytes() -> None:
    linear = nn.Linear(10, 4)
    bare = nn.ModuleDict({"fc": linear})
    with_head = nn.ModuleDict({"fc": linear, "AuxLogits": nn.ModuleDict({"conv": nn.Conv2d(3, 8, 3)})})
    assert int8_weight_bytes(with_head, "fbgemm") == int8_weight_bytes(bare, "fbgemm") == 40 + 4 * 4 + 4 * 16
    assert int8_weight_bytes(bare, "qnnpack") == 40 + 4 * 4 + 16


def test_every_architecture_has_a_family() -> None:
    assert {arch.family for arch in LISTED.values()} >= {"resnet", "faster_rcnn", "raft", "fcn"}
