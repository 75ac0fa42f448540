"""The optional zoo of transformers: built from configuration classes, and held against fvcore."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from fakes_installed import installed
from torch import Tensor, nn

from zoo.adapters.base import select
from zoo.adapters.registry import open_zoo
from zoo.adapters.testing import assert_conforms
from zoo.cache.store import Store
from zoo.counting.cost import Cost
from zoo.counting.count_model import count_model
from zoo.errors import VariantError, ZooError
from zoo.inputs import parse_input
from zoo.meta.build import build_on_meta, skip_initialisers
from zoo.recording.memo import Memo
from zoo.records import CostKey, Selection, Task, Variant
from zoo.refresh.refresh import refresh
from zoo.settings import Execution, RefreshSettings, ZooSettings

needs_transformers = pytest.mark.skipif(
    find_spec("transformers") is None, reason="transformers is not installed: pip install 'zoometer[transformers]'"
)
ADAPTER = "zoo.adapters.transformers:TransformersZoo"

FEW = ("mobilenet_v2", "segformer")
MANY = ("regnet", "convnext", "deit", "dinov2", "levit", "poolformer", "pvt_v2", "resnet", "swin", "vit")


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """fvcore's tracer warns about everything it does not count, transformers about some of its own defaults."""
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="module")
def zoo() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from zoo.adapters.transformers import TransformersZoo

        return TransformersZoo()


def key_of(zoo: Any, arch: str, input: str | None = None, classes: int | None = None, variant: str = Variant.BASE) -> CostKey:
    described = {a.name: a for a in zoo.architectures()}[arch]
    return CostKey("transformers", arch, input or described.input, described.classes if classes is None else classes, variant)


def build(zoo: Any, key: CostKey) -> nn.Module:
    options = zoo.build_options(key)
    return build_on_meta(lambda: zoo.build(key.arch, options), zoo.initialisers())


def count(zoo: Any, key: CostKey, memo: Memo | None = None) -> Cost:
    model = build(zoo, key)
    example = zoo.example(model, key)
    with example.context():
        return count_model(model, example.args, memo, kwargs=example.kwargs)


class Logits(nn.Module):
    """The tensor inside what transformers' models return; fvcore follows no dictionaries."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.model(x).logits
        return logits


def total_of_fvcore(zoo: Any, key: CostKey) -> int:
    """fvcore's own total, with attention written out: fused, it would count as nothing."""
    from fvcore.nn import FlopCountAnalysis

    with skip_initialisers(zoo.initialisers()):  # tracing needs memory behind the tensors, whatever is in it
        model = zoo.build(key.arch, zoo.build_options(key)).eval()
    model.set_attn_implementation("eager")
    with torch.no_grad():
        analysis = FlopCountAnalysis(Logits(model), torch.zeros(1, *parse_input(key.input)))
        return int(analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).total())


def check_against_fvcore(zoo: Any, arch: str) -> None:
    key = key_of(zoo, arch)
    cost = count(zoo, key)
    assert (cost.status, cost.total("fvcore")) == ("exact", total_of_fvcore(zoo, key))


@needs_transformers
@pytest.mark.parametrize("arch", FEW)
def test_totals_equal_those_of_fvcore(zoo: Any, arch: str) -> None:
    check_against_fvcore(zoo, arch)


@needs_transformers
@pytest.mark.slow
@pytest.mark.parametrize("arch", MANY)
def test_totals_of_many_families_equal_those_of_fvcore(zoo: Any, arch: str) -> None:
    check_against_fvcore(zoo, arch)


@needs_transformers
def test_every_model_type_of_the_registries_is_listed_but_wrappers_of_timm(zoo: Any) -> None:
    from transformers.models.auto import modeling_auto as registry

    from zoo.adapters.transformers.checkpoints import checkpoints
    from zoo.adapters.transformers.zoo import _heads

    others = {*checkpoints(), *_heads()}
    names = [a.name for a in zoo.architectures() if a.name not in others]
    classifiers, backbones = registry.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES, registry.MODEL_FOR_BACKBONE_MAPPING_NAMES
    assert names == sorted({*classifiers, *backbones} - {"timm_backbone", "timm_wrapper"})
    types = [a for a in zoo.architectures() if a.name in names]
    tasks = {a.name: a.task for a in types}
    assert {name for name, task in tasks.items() if task == Task.CLASSIFICATION} == set(classifiers) & set(names)
    assert {a.name for a in types if a.uncountable} <= {"dinat", "imagegpt", "perceiver", "shieldgemma2", "siglip2"}


@needs_transformers
def test_figures_are_those_of_the_papers(zoo: Any) -> None:
    # ResNet-50 and ViT-B/16 are what these types' configurations describe; torchvision publishes the same numbers of parameters.
    assert count(zoo, key_of(zoo, "resnet")).params == 25_557_032
    assert count(zoo, key_of(zoo, "vit")).params == 86_567_656


@needs_transformers
def test_another_size_head_and_number_of_channels_reach_the_model(zoo: Any) -> None:
    memo = Memo()
    native = count(zoo, key_of(zoo, "vit"), memo)
    larger = count(zoo, key_of(zoo, "vit", "3x256x320"), memo)
    width, patch = 768, 16
    assert larger.params - native.params == (16 * 20 - 14 * 14) * width  # one position for each patch
    fewer = count(zoo, key_of(zoo, "vit", classes=10), memo)
    assert native.params - fewer.params == 990 * (width + 1)
    grey = count(zoo, key_of(zoo, "vit", "1x224x224"), memo)
    assert native.params - grey.params == 2 * patch * patch * width


@needs_transformers
def test_a_part_that_sees_the_image_is_given_the_size(zoo: Any) -> None:
    native, larger = count(zoo, key_of(zoo, "clip")), count(zoo, key_of(zoo, "clip", "3x256x256"))
    assert larger.params - native.params == (8 * 8 - 7 * 7) * 768  # patches of 32


@needs_transformers
def test_backbones_are_counted_without_their_heads(zoo: Any) -> None:
    memo = Memo()
    assert {a.name: a.variants for a in zoo.architectures()}["convnext"] == (Variant.BASE, Variant.FEATURES)
    whole, backbone = key_of(zoo, "convnext"), key_of(zoo, "convnext", classes=0, variant=Variant.FEATURES)
    width, classes = 768, 1000
    assert count(zoo, whole, memo).macs - count(zoo, backbone, memo).macs == width * classes
    with pytest.raises(VariantError, match=r"^transformers has no backbone of vit, only a classifier$"):
        zoo.build_options(key_of(zoo, "vit", classes=0))
    with pytest.raises(VariantError, match=r"^transformers has no classifier of dinov3_vit, only a backbone$"):
        zoo.build_options(key_of(zoo, "dinov3_vit", classes=10))


FEW_OTHERS = [
    "vit-base-patch16-384", "deit-tiny-patch16-224", "dinov2-small", "clip-vit-base-patch32", "detr-resnet-50",
    "segformer-b0-finetuned-ade-512-512", "glpn-depth", "mobilevit-segmentation", "vivit-video",
]  # fmt: skip
TRUNCATED = {"detr-resnet-50", "rtdetr_r50vd", "rtdetr_r101vd"}
"""Their papers print parameters without what is behind the million."""
OTHERWISE_PUBLISHED = {"timesformer-base-finetuned-k400"}


def check_published_params(zoo: Any, counted: Mapping[str, Cost]) -> None:
    for cost in zoo.published_costs():
        if cost.arch in counted and cost.arch not in OTHERWISE_PUBLISHED:
            more = counted[cost.arch].params - cost.params
            low, high = (0, cost.params_step) if cost.arch in TRUNCATED else (-cost.params_step // 2, cost.params_step // 2)
            assert low <= more <= high, cost.arch


@needs_transformers
def test_published_configurations_have_the_published_numbers_of_parameters(zoo: Any) -> None:
    report = assert_conforms(zoo, count=FEW_OTHERS)
    assert set(report.counted) == set(FEW_OTHERS)
    check_published_params(zoo, report.counted)


@needs_transformers
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_all_published_configurations_have_the_published_numbers_of_parameters(zoo: Any) -> None:
    from zoo.adapters.transformers.checkpoints import checkpoints

    report = assert_conforms(zoo, count=checkpoints())
    assert not report.failed
    check_published_params(zoo, report.counted)


@needs_transformers
def test_heads_are_listed_with_their_task_and_input(zoo: Any) -> None:
    by_name = {a.name: a for a in zoo.architectures()}
    assert (by_name["detr-detection"].task, by_name["depth_anything-depth"].task) == (Task.DETECTION, Task.DEPTH)
    assert by_name["videomae-video"].input == "16x3x224x224"
    assert by_name["clip-zero-shot"].input == "pixel_values=3x224x224;input_ids=77:int64"
    assert {by_name[name].uncountable for name in ("eomt-masks", "eomt_dinov3-masks")} == {
        "whether it masks its attention depends on a buffer of its weights"
    }


@needs_transformers
def test_another_size_and_head_reach_a_published_configuration(zoo: Any) -> None:
    key = key_of(zoo, "clip-vit-base-patch16", "pixel_values=3x256x256;input_ids=77:int64")
    assert zoo.build_options(key) == {"vision_config": {"image_size": 256}}
    native, larger = count(zoo, key_of(zoo, "clip-vit-base-patch16")), count(zoo, key)
    assert larger.params - native.params == (16 * 16 - 14 * 14) * 768
    fewer = count(zoo, key_of(zoo, "deit-tiny-patch16-224", classes=10))
    assert count(zoo, key_of(zoo, "deit-tiny-patch16-224")).params - fewer.params == 990 * (192 + 1)


@needs_transformers
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_each_kind_is_counted_by_workers_without_a_download(tmp_path: Path) -> None:
    kinds = Selection(("mobile*", "perceiver", "segformer*", "deit-tiny*", "clip-zero-shot", "vivit-video"))
    with installed(tmp_path, transformers=ADAPTER):
        zoos = {"transformers": ZooSettings(selection=kinds)}
        refresh(RefreshSettings(str(tmp_path / "cache"), zoos, execution=Execution(workers=2)))
        uncountable = {a.name for a in select(open_zoo("transformers").architectures(), kinds) if a.uncountable}
    costs = Store(tmp_path / "cache").costs().set_index("arch")
    assert set(costs.index[costs["status"] != "exact"]) == uncountable
    assert costs.loc[sorted(uncountable), "reason"].str.startswith("plan: ").all()


def test_without_the_library_the_zoo_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)  # as if it were not installed
    for module in [name for name in sys.modules if name.startswith("zoo.adapters.transformers")]:
        monkeypatch.delitem(sys.modules, module)
    with (
        installed(tmp_path, transformers=ADAPTER),
        pytest.raises(ZooError, match=r"^Zoo 'transformers' needs a package that is missing"),
    ):
        open_zoo("transformers")


def test_nothing_else_imports_it(repository: Path) -> None:
    importers = [
        path
        for package in ("zoo", "reports")
        for path in (repository / package).rglob("*.py")
        if "import transformers" in path.read_text()
    ]
    folder = repository / "zoo" / "adapters" / "transformers"
    assert {importer.parent for importer in importers} == {folder}
