"""What the zoos list, without building a model or opening a socket, and what a selection means."""

from __future__ import annotations

import fnmatch
import socket
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
import timm
import torchvision
import yaml
from fakes_installed import installed
from timm.models import get_arch_pretrained_cfgs, get_pretrained_cfg
from torch import nn
from torchvision.models import get_model_weights, list_models

from zoo.adapters import timm as timm_adapter
from zoo.adapters.base import Zoo, options_key, select
from zoo.adapters.registry import open_zoo, zoo_names
from zoo.adapters.timm import TimmZoo
from zoo.adapters.torchvision import zoo as torchvision_adapter
from zoo.adapters.torchvision.zoo import TorchvisionZoo
from zoo.cache.store import Store
from zoo.errors import MissingLibraryError, UnknownNameError, ZooError
from zoo.records import Architecture, CostKey, Selection, Task, Weights
from zoo.refresh.catalogue import list_zoos
from zoo.settings import Listener, RefreshSettings, ZooSettings

TIMM = {a.name: a for a in TimmZoo().architectures()}
TORCHVISION = {a.name: a for a in TorchvisionZoo().architectures()}


def forbid(what: str) -> Callable[..., NoReturn]:
    def refuse(*_: Any, **__: Any) -> NoReturn:
        pytest.fail(f"{what} is not allowed here")

    return refuse


@pytest.fixture
def nothing_is_built_or_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nn.Module, "__init__", forbid("building a module"))
    for name in ("socket", "create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, forbid("the network"))
    timm_adapter._describe_architecture.cache_clear()
    torchvision_adapter._describe_architecture.cache_clear()


def test_timm_lists_all_that_its_registry_has() -> None:
    assert list(TIMM) == timm.list_models()
    listed = [f"{w.arch}.{w.tag}" for a in TIMM.values() for w in a.weights]
    assert sorted(listed) == sorted(timm.list_pretrained())
    if timm.__version__ == "1.0.31":
        assert (len(TIMM), len(listed)) == (1371, 1826)


def test_torchvision_lists_all_that_its_registry_has() -> None:
    assert sorted(TORCHVISION) == sorted(list_models())
    listed = [(w.arch, w.tag) for a in TORCHVISION.values() for w in a.weights]
    assert sorted(listed) == sorted((name, entry.name) for name in list_models() for entry in get_model_weights(name))
    if torchvision.__version__.startswith("0.29.1"):
        assert (len(TORCHVISION), len(listed)) == (121, 166)


@pytest.mark.usefixtures("nothing_is_built_or_fetched")
@pytest.mark.parametrize(("zoo", "listed"), [(TimmZoo(), TIMM), (TorchvisionZoo(), TORCHVISION)])
def test_listing_builds_no_model_and_opens_no_socket(zoo: Zoo, listed: dict[str, Architecture]) -> None:
    assert list(zoo.architectures()) == list(listed.values())


def test_timm_weights_are_those_of_their_configuration() -> None:
    for arch in TIMM.values():
        cfgs = get_arch_pretrained_cfgs(arch.name)
        for weights in arch.weights:
            cfg = cfgs[f"{arch.name}.{weights.tag}"]
            assert (weights.input, weights.classes) == ("x".join(map(str, cfg.input_size)), cfg.num_classes)
            assert weights.license == cfg.license
        default = get_pretrained_cfg(arch.name)
        assert default is not None
        assert [w.tag for w in arch.weights if w.is_default] == [w.tag for w in arch.weights if w.tag == default.tag]


def test_timm_sources_are_web_addresses() -> None:
    sources = [w.source for a in TIMM.values() for w in a.weights]
    assert "https://huggingface.co/timm/resnet50.a1_in1k" in sources
    assert not [s for s in sources if s is not None and not s.startswith("https://")]


def test_timm_tells_features_from_classes() -> None:
    """A number of outputs is a label set or the width of an embedding."""
    by_tag = {(w.arch, w.tag): w for a in TIMM.values() for w in a.weights}
    assert by_tag["vit_base_patch16_224", "augreg2_in21k_ft_in1k"].task == Task.CLASSIFICATION
    assert by_tag["vit_base_patch16_224", "augreg_in21k"].task == Task.CLASSIFICATION  # 21,843 classes
    assert by_tag["vit_base_patch16_224", "dino"].task == Task.FEATURES  # no head
    assert by_tag["vit_base_patch16_clip_224", "openai"].task == Task.FEATURES  # 512: the width of CLIP's embedding
    assert {a.task for a in TIMM.values()} == {Task.CLASSIFICATION, Task.FEATURES}


def names(selection: Selection, listed: dict[str, Architecture] = TIMM) -> list[str]:
    return [a.name for a in select(list(listed.values()), selection)]


def test_everything_is_selected_by_default() -> None:
    assert names(Selection()) == list(TIMM)


def test_globs_select_in_the_order_of_the_zoo() -> None:
    assert names(Selection(("resnet*",))) == fnmatch.filter(TIMM, "resnet*")
    assert names(Selection(("vit_tiny*", "resnet18"))) == [*fnmatch.filter(TIMM, "resnet18"), *fnmatch.filter(TIMM, "vit_tiny*")]
    assert names(Selection(("resnet1[0-8]", "resnet5?"))) == ["resnet18", "resnet50"]


def test_exclude_takes_away_from_include() -> None:
    assert names(Selection(("resnet18*",), ("*d", "nothing_like_this*"))) == [
        name for name in fnmatch.filter(TIMM, "resnet18*") if not name.endswith("d")
    ]


def test_tasks_and_pretrained_only_narrow_a_selection() -> None:
    features = names(Selection(tasks=("features",)))
    assert features == [name for name, arch in TIMM.items() if arch.task == Task.FEATURES]
    trained = names(Selection(pretrained_only=True))
    assert set(trained) == {name.partition(".")[0] for name in timm.list_pretrained()}
    assert names(Selection(tasks=("segmentation", "video")), TORCHVISION) == [
        *list_models(module=torchvision.models.segmentation),
        *list_models(module=torchvision.models.video),
    ]


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (Selection(("resnet_50",)), r"timm has no architecture 'resnet_50'\. Did you mean .*resnet50.*See them all with"),
        (Selection(exclude=("resnet_50",)), r"timm has no architecture 'resnet_50'\. Did you mean .*resnet50"),
        (Selection(("resnet50.a1_in1k",)), r"timm has no architecture 'resnet50\.a1_in1k'\. Did you mean"),
        (Selection(("resnet*", "quantum*")), r"timm has no architecture that matches 'quantum\*'\."),
        (Selection(("",)), r"timm has no architecture ''\. See them all with: zoometer list --zoo timm$"),
    ],
)
def test_a_name_that_selects_nothing_is_an_error(selection: Selection, message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        names(selection)


def test_zoos_are_found_by_name() -> None:
    assert {"timm", "torchvision"} <= set(zoo_names())
    assert isinstance(open_zoo("timm"), TimmZoo)
    assert isinstance(open_zoo("torchvision"), Zoo)
    assert open_zoo("torchvision").version() == torchvision.__version__.partition("+")[0]


def test_a_zoo_that_does_not_exist_is_named_with_its_neighbours() -> None:
    with pytest.raises(UnknownNameError, match=r"^There is no zoo 'torchvison'\. Did you mean torchvision( or pytorchcv)?\?$"):
        open_zoo("torchvison")
    with pytest.raises(UnknownNameError, match=r"^There is no zoo 'mine'\. Known: ([\w-]+, )*timm, torchvision(, [\w-]+)*\.$"):
        open_zoo("mine")


def test_an_installed_package_can_add_a_zoo(tmp_path: Path) -> None:
    with installed(tmp_path, fussy="zoo_of_poison:FussyZoo", gone="not_installed:Zoo"):
        assert {"fussy", "gone", "timm", "torchvision"} <= set(zoo_names())
        assert open_zoo("fussy").name == "fussy"
        with pytest.raises(ZooError, match=r"^Zoo 'gone' needs a package that is missing: No module named 'not_installed'\."):
            open_zoo("gone")
    assert not {"fussy", "gone"} & set(zoo_names())


@pytest.mark.parametrize(
    ("arch", "input", "classes", "options"),
    [
        ("resnet50", "3x224x224", 1000, {"num_classes": 1000}),
        ("resnet50", "1x64x96", 0, {"num_classes": 0, "in_chans": 1}),
        ("resnet50", "3x224x224", None, {}),
        ("vit_base_patch16_224", "3x384x512", 10, {"num_classes": 10, "img_size": (384, 512)}),
    ],
)
def test_timm_options(arch: str, input: str, classes: int | None, options: dict[str, Any]) -> None:
    assert TimmZoo().build_options(CostKey("timm", arch, input, classes)) == options


def test_equal_options_share_a_build() -> None:
    assert options_key({"a": 1, "b": (2, 3)}) == options_key({"b": (2, 3), "a": 1})
    assert options_key({"a": 1}) != options_key({"a": 1.0})
    assert options_key({"a": 1}) != options_key({"a": True})


def test_a_name_tells_its_zoo_and_tag() -> None:
    assert Weights("timm", "resnet50", "a1_in1k", Task.CLASSIFICATION, None, 1000, "3x224x224").name == "timm/resnet50.a1_in1k"


class Told(Listener):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def notify(self, message: str) -> None:
        self.messages.append(message)


def test_an_optional_zoo_without_its_library_is_left_out_with_one_line(tmp_path: Path) -> None:
    zoos = {"fussy": ZooSettings(), "gone": ZooSettings(is_optional=True)}
    with installed(tmp_path, fussy="zoo_of_poison:FussyZoo", gone="not_installed:Zoo"):
        told = Told()
        listed = list_zoos(RefreshSettings(str(tmp_path / "cache"), zoos), Store(tmp_path / "cache"), told)
        assert set(listed) == {"fussy"}
        (message,) = told.messages
        assert message.startswith("Left out: Zoo 'gone' needs a package that is missing: No module named 'not_installed'.")
        with pytest.raises(MissingLibraryError, match=r"^Zoo 'gone' needs a package"):
            list_zoos(RefreshSettings(str(tmp_path / "cache"), {"gone": ZooSettings()}), Store(tmp_path / "cache"), told)


def test_the_configuration_of_all_zoos_names_each_with_its_extra(repository: Path) -> None:
    """Each zoo of an extra is optional, and has an extra of its name."""
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    zoos = yaml.safe_load((repository / "configs" / "all-zoos.yaml").read_text())["zoos"]
    points, extras = project["entry-points"]["zoometer.zoos"], project["optional-dependencies"]
    assert set(zoos) == set(points) - {"smp-product"}
    assert {name for name, section in zoos.items() if section.get("optional")} == set(zoos) & set(extras)
    assert set(points) - set(extras) == {"timm", "torchvision"}
