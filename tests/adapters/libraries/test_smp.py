"""The optional zoos of segmentation_models_pytorch."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import pytest

from zoo.adapters.testing import assert_conforms, check_listing, count_architectures
from zoo.errors import InputError, VariantError
from zoo.records import CostKey, Task

pytestmark = pytest.mark.skipif(
    find_spec("segmentation_models_pytorch") is None,
    reason="segmentation_models_pytorch is not installed: pip install 'zoometer[smp]'",
)

DECODERS = 12
FEW = ["unet-resnet18", "pspnet-mobilenet_v2", "segformer-mit_b0", "dpt-tu-vit_tiny_patch16_224"]


@pytest.fixture(scope="module")
def zoo() -> Any:
    from zoo.adapters.libraries.smp import SmpZoo

    return SmpZoo()


@pytest.fixture(scope="module")
def product() -> Any:
    from zoo.adapters.libraries.smp import SmpProductZoo

    return SmpProductZoo()


def test_it_conforms(zoo: Any) -> None:
    report = assert_conforms(zoo, count=FEW)
    assert {cost.status for cost in report.counted.values()} == {"exact"}


def test_the_declared_set_has_every_decoder_and_every_encoder(zoo: Any) -> None:
    from segmentation_models_pytorch import MODEL_ARCHITECTURES_MAPPING
    from segmentation_models_pytorch.encoders import encoders

    pairs = set(zoo.pairs())
    assert {decoder for decoder, _ in pairs} == set(MODEL_ARCHITECTURES_MAPPING)
    assert {encoder for decoder, encoder in pairs if decoder == "unet"} >= set(encoders)
    assert {a.task for a in zoo.architectures()} == {Task.SEGMENTATION}


def test_the_product_has_every_pair_and_says_which_the_library_refuses(zoo: Any, product: Any) -> None:
    listed, problems = check_listing(product)
    assert not problems
    encoders = {encoder for _, encoder in product.pairs()}
    assert len(listed) == DECODERS * len(encoders)
    taken = {a.name for a in listed if a.uncountable is None}
    assert {a.name for a in zoo.architectures()} <= taken


@pytest.mark.parametrize(
    "pair", ["dpt-resnet18", "unet-tu-vit_tiny_patch16_224", "pan-vgg11", "linknet-mit_b0", "deeplabv3-densenet121"]
)
def test_what_is_called_refused_is_refused_by_the_library(product: Any, pair: str) -> None:
    (listed,) = [a for a in product.architectures() if a.name == pair]
    assert listed.uncountable
    options = product.build_options(CostKey(product.name, pair, listed.input, listed.classes))
    with pytest.raises(ValueError, match=r"."):
        product.build(pair, options)


def test_classes_channels_and_size_reach_the_network(zoo: Any) -> None:
    key = CostKey("smp", "unet-resnet18", "1x96x64", 21)
    assert zoo.build_options(key) == {"in_channels": 1, "classes": 21}
    assert zoo.build_options(key._replace(arch="dpt-tu-vit_tiny_patch16_224", input="3x224x224"))["dynamic_img_size"] is False
    with pytest.raises(InputError, match="multiple of 32"):
        zoo.build_options(key._replace(arch="fpn-resnet18", input="3x100x64"))
    with pytest.raises(VariantError, match="without a head"):
        zoo.build_options(key._replace(classes=0))


def test_the_head_alone_depends_on_the_classes(zoo: Any) -> None:
    unet = [a for a in zoo.architectures() if a.name == "unet-resnet18"]
    cost = count_architectures(zoo, unet).counted["unet-resnet18"]
    (head,) = [row for row in cost.rows if row.module == "segmentation_head.0"]
    assert head.op.macs * head.calls == 512 * 512 * 3 * 3 * 16  # the decoder ends with 16 channels, at the size of the image
