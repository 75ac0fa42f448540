"""Folders in the layout of torch.hub, and whole modules, as sources of declared models."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import nn

from reports.config.config_file import load_config
from zoo.adapters.declared import DeclaredZoo
from zoo.adapters.sources import open_source
from zoo.adapters.testing import count_architectures
from zoo.cache.store import Store
from zoo.errors import ConfigError, MissingLibraryError, UnknownNameError, ZooError
from zoo.records import DeclaredModel
from zoo.refresh.refresh import refresh

HUBCONF = """
dependencies = ["torch"]
from torch import nn
from parts import WIDTH, layer as _layer

def small(pretrained=True, outputs=3):
    if pretrained:
        raise OSError("no network")
    return _layer(WIDTH, outputs)

def large(outputs=3):
    return _layer(10 * WIDTH, outputs)

def _helper():
    return None
"""
PARTS = """
from torch import nn

WIDTH = 4

def layer(width, outputs):
    return nn.Linear(width, outputs)
"""
CONFIG = "zoos: {hub: {models: [{registry: ./repository, inputs: ['4']}]}}\nreports: []\nexecution: {workers: 1}\n"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "hubconf.py").write_text(HUBCONF)
    (folder / "parts.py").write_text(PARTS)
    monkeypatch.delitem(__import__("sys").modules, "parts", raising=False)
    return folder


def test_the_public_functions_of_a_folder_are_its_models_without_their_weights(repository: Path) -> None:
    models = open_source("./repository")
    assert {name for name in models if name in ("small", "large", "_helper", "_layer")} == {"small", "large"}
    assert models["small"]().in_features == 4


def test_a_folder_is_a_zoo_that_is_counted(repository: Path) -> None:
    Path("hub.yaml").write_text(CONFIG)
    refresh(load_config(Path("hub.yaml")).refresh_settings())
    costs = Store("cache/").costs().set_index("arch")
    assert costs.loc["small", "macs"] == 4 * 3
    assert str(costs.loc["large", "reason"]).startswith("run: ")  # it takes 40 values, not 4


def test_a_change_of_what_the_folder_imports_changes_the_fingerprint(repository: Path) -> None:
    zoo = DeclaredZoo("hub", [DeclaredModel("small", registry="./repository", inputs=("4",))])
    (before,) = zoo.architectures()
    (repository / "parts.py").write_text(PARTS.replace("4", "5"))
    (after,) = zoo.architectures()
    assert before.fingerprint != after.fingerprint


def test_a_package_that_a_folder_needs_is_named(repository: Path) -> None:
    (repository / "hubconf.py").write_text("dependencies = ['no_such_package']\n")
    with pytest.raises(
        MissingLibraryError, match=r"needs packages that are missing: no_such_package\. Install them: pip install"
    ):
        open_source("./repository")
    with pytest.raises(
        UnknownNameError, match=r"'\./elsewhere' holds no models\. Name a folder with one of: hubconf\.py, config\.json, \*\.pt2"
    ):
        open_source("./elsewhere")


@pytest.mark.filterwarnings("ignore")
def test_exported_programs_and_torchscript_are_counted_from_their_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "files"
    folder.mkdir()
    channels, width, outputs, side = 3, 4, 5, 8
    net = nn.Sequential(
        nn.Conv2d(channels, width, 1), nn.BatchNorm2d(width), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, outputs)
    )
    image = torch.randn(1, channels, side, side)
    torch.export.save(torch.export.export(net.eval(), (image,)), folder / "exported.pt2")
    torch.jit.trace(net, image).save(folder / "traced.pt")
    torch.jit.script(net).save(folder / "scripted.ts")
    torch.save({"weights": 1}, folder / "state.pth")
    Path("files.yaml").write_text(CONFIG.replace("./repository", "./files").replace("'4'", f"'{channels}x{side}x{side}'"))
    refresh(load_config(Path("files.yaml")).refresh_settings())
    costs = Store("cache/").costs().set_index("arch")
    for name in ("exported", "traced", "scripted"):
        assert costs.loc[name, "status"] == "exact"
        assert costs.loc[name, "macs"] == side * side * channels * width + width * outputs
        assert costs.loc[name, "params"] == channels * width + width + 2 * width + width * outputs + outputs
    assert str(costs.loc["state", "reason"]).startswith("build: ")


@pytest.mark.skipif(
    find_spec("transformers") is None, reason="transformers is not installed: pip install 'zoometer[transformers]'"
)
@pytest.mark.filterwarnings("ignore")
def test_a_configuration_of_transformers_is_built_from_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    width, layers, patch, side, outputs = 32, 2, 4, 8, 7
    values = {
        "model_type": "vit", "architectures": ["ViTForImageClassification"], "hidden_size": width, "num_hidden_layers": layers,
        "num_attention_heads": 2, "intermediate_size": 64, "patch_size": patch, "image_size": side,
        "id2label": {str(i): str(i) for i in range(outputs)},
    }  # fmt: skip
    folder = tmp_path / "team" / "small-vit"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(values))
    zoo = DeclaredZoo("team", [DeclaredModel(registry="./team", inputs=(f"3x{side}x{side}",))])
    (listed,) = zoo.architectures()
    cost = count_architectures(zoo, [listed]).counted["small-vit"]
    tokens = (side // patch) ** 2 + 1
    embedding = 3 * patch * patch * width + width + tokens * width + width  # patches, positions and the class token
    layer = 4 * (width * width + width) + 2 * width * 64 + width + 64 + 4 * width  # attention, two linear layers, two norms
    assert cost.params == embedding + layers * layer + 2 * width + width * outputs + outputs


def test_the_networks_and_functions_of_a_module_are_its_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = (
        "from torch import nn\nfrom torch.nn import Linear\n\nclass Net(nn.Module):\n    pass\n\ndef net():\n    return Net()\n"
    )
    Path("own_networks.py").write_text(f"{text}\nclass Other:\n    pass\n\ndef _private():\n    pass\n")
    assert set(open_source("own_networks")) == {"Net", "net"}
    Path("own_exports.py").write_text(f"__all__ = ['net', 'Linear']\n{text}")
    assert set(open_source("own_exports")) == {"net", "Linear"}
    Path("own_nothing.py").write_text("WIDTH = 3\n")
    with pytest.raises(ZooError, match=r"Module 'own_nothing' has no public function and no network"):
        open_source("own_nothing")


@pytest.mark.parametrize("source", ["./repository", "package.module", "package.module:REGISTRY", "models/of/a/team"])
def test_a_configuration_names_each_kind(source: str, tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text(f"zoos: {{own: {{models: [{{registry: {source}, inputs: ['4']}}]}}}}\n")
    (model,) = load_config(file).declared_models()["own"]
    assert model.registry == source


def test_a_configuration_refuses_what_is_none_of_them(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    file.write_text("zoos: {own: {models: [{registry: 'a b', inputs: ['4']}]}}\n")
    with pytest.raises(ConfigError, match=r"'a b' is no source of models\. Write package\.module:REGISTRY"):
        load_config(file)
