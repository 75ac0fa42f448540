"""Zoos that a configuration declares, from the file to the cost row."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from jobs_for_tests import job_of
from nets_for_tests import TOKENS, WIDTH
from typer.testing import CliRunner

from reports import cli
from reports.config.config_file import load_config
from reports.leaderboard.leaderboard_report import build_leaderboard_report
from zoo.adapters.declared import DeclaredZoo
from zoo.adapters.fingerprint import fingerprint
from zoo.adapters.registry import open_zoo
from zoo.adapters.sources import open_source
from zoo.api.count_by_name import InputSpec, count_named
from zoo.cache.store import Store
from zoo.errors import ConfigError, InputError, UnknownNameError, ZooError
from zoo.jobs import RunSummary
from zoo.records import CostKey, DeclaredModel
from zoo.refresh.refresh import refresh
from zoo.workers.job import JobRunner

NETS = "nets_for_tests"
MODULE = """
from torch import nn
from own_parts import WIDTH

class Net(nn.Module):
    def __init__(self, outputs=3):
        super().__init__()
        self.layer = nn.Linear(WIDTH, outputs)

    def forward(self, x):
        return self.layer(x)
"""


def model(name: str = "net", factory: str | None = f"{NETS}:linear", input: str = "4", **more: Any) -> DeclaredModel:
    return DeclaredModel(name, factory, inputs=(input,), **more)


def count(declared: DeclaredModel, batch: int = 1, name: str | None = None) -> dict[str, Any]:
    job = job_of("mine", name or declared.name, None, declared.inputs, batch=batch, declared=declared)
    (counted,) = JobRunner().run(job)
    return counted.row


def test_arguments_reach_the_factory() -> None:
    row = count(model(arguments=json.dumps({"outputs": 9})))
    assert (row["macs"], row["params"], row["status"]) == (4 * 9, 4 * 9 + 9, "exact")


def test_every_amount_is_that_of_the_whole_batch() -> None:
    one, eight = count(model()), count(model(), batch=8)
    assert (eight["macs"], eight["activations"], eight["batch"]) == (8 * one["macs"], 8 * one["activations"], 8)
    assert eight["params"] == one["params"]


@pytest.mark.parametrize(
    "input",
    [
        f"3x8x8;{TOKENS}:int64",
        f"image=3x8x8;tokens={TOKENS}:int64",
        f"3x8x8;time=scalar;tokens={TOKENS}:int64",
        f"3x8x8;tokens={TOKENS}:int64;time=scalar:float16",
    ],
)
def test_several_tensors_are_passed_by_position_or_name_and_of_any_dtype(input: str) -> None:
    row = count(model(factory=f"{NETS}:ImageAndText", input=input))
    assert row["reason"] is None
    assert row["macs"] == 2 * 2 * WIDTH * 3 * 4 * 4 + TOKENS * WIDTH * WIDTH


@pytest.mark.parametrize(("factory", "reason"), [
    (f"{NETS}:linears", r"^build: UnknownNameError: Module 'nets_for_tests' has no 'linears'\. Did you mean linear\?$"),
    (f"{NETS}:not_a_module", r"^build: ZooError: nets_for_tests:not_a_module gives dict, not a torch\.nn\.Module\.$"),
    (f"{NETS}:by_name", r"^build: TypeError: .*missing 1 required positional argument: 'name'$"),
])  # fmt: skip
def test_a_factory_that_gives_no_model_is_a_row_with_the_reason(factory: str, reason: str) -> None:
    assert re.search(reason, count(model(factory=factory))["reason"])


def test_an_input_that_is_declared_and_does_not_run_is_a_fault() -> None:
    declared = DeclaredModel("net", f"{NETS}:linear", inputs=("4", "5"))
    four, five = JobRunner().run(job_of("mine", "net", None, declared.inputs, declared=declared))
    assert (four.row["status"], five.row["status"]) == ("exact", "failed")
    assert five.row["reason"].startswith("run: RuntimeError")


def test_an_input_that_is_not_declared_and_does_not_run_is_told_with_the_declared_one() -> None:
    declared = model(input="2x2x4")
    (row,) = JobRunner().run(job_of("mine", "net", None, ("2x2x5",), declared=declared))
    assert row.row["reason"] == "input: it does not run at 2x2x5; it is made for 2x2x4"


@pytest.mark.parametrize("registry", ["REGISTRY", "registry"])
def test_a_registry_gives_all_its_models(registry: str) -> None:
    declared = DeclaredModel(registry=f"{NETS}:{registry}", inputs=("4",), family="all")
    one, two = DeclaredZoo("mine", [declared]).architectures()
    assert (one.name, one.input, one.family, two.name) == ("one", "4", "all", "two")
    assert one.declared is not None
    assert count(one.declared)["macs"] == 4 * 3


def test_names_of_a_registry_are_passed_to_the_factory_beside_it() -> None:
    declared = DeclaredModel(registry=f"{NETS}:names", factory=f"{NETS}:by_name", inputs=("5",), arguments='{"outputs": 2}')
    _, five = DeclaredZoo("mine", [declared]).architectures()
    assert five.declared is not None
    assert (five.name, count(five.declared)["macs"]) == ("5", 5 * 2)


def test_a_list_of_constructors_is_a_registry_by_their_names() -> None:
    assert list(open_source(f"{NETS}:CONSTRUCTORS")) == ["linear", "ImageAndText"]


@pytest.mark.parametrize("target", ["NOTHING", "ready", "WIDTH"])
def test_what_is_no_registry_is_refused(target: str) -> None:
    with pytest.raises((ZooError, TypeError)):
        open_source(f"{NETS}:{target}")


def test_a_module_that_stands_there_is_a_model_too() -> None:
    assert count(model(factory=f"{NETS}:ready"))["macs"] == 4 * 3


def test_two_models_of_one_name_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"^Zoo 'mine' declares two models 'net'\."):
        DeclaredZoo("mine", [model(), model()]).architectures()


def test_a_module_that_does_not_exist_ends_the_run_before_it_begins() -> None:
    with pytest.raises(UnknownNameError, match=r"^There is no module 'gone\.models'\. Run in its folder, or install it\.$"):
        DeclaredZoo("mine", [model(factory="gone.models:Net")]).architectures()


def test_only_a_declared_zoo_needs_models() -> None:
    assert isinstance(open_zoo("mine", [model()]), DeclaredZoo)
    with pytest.raises(UnknownNameError, match="There is no zoo 'mine'"):
        open_zoo("mine")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a module of the user's and a part it imports."""
    (tmp_path / "own_parts.py").write_text("WIDTH = 4\n")
    (tmp_path / "own_net.py").write_text(MODULE)
    (tmp_path / "aside.py").write_text("x = 1\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_a_fingerprint_changes_with_all_that_a_model_is_made_of(folder: Path) -> None:
    before = fingerprint(["own_net"], "{}")
    assert fingerprint(["own_net"], "{}") == before
    assert fingerprint(["own_net"], '{"outputs": 4}') != before
    (folder / "aside.py").write_text("x = 2\n")
    assert fingerprint(["own_net"], "{}") == before
    (folder / "own_parts.py").write_text("WIDTH = 5\n")
    after = fingerprint(["own_net"], "{}")
    assert after != before
    (folder / "own_net.py").write_text(MODULE + "\n")
    assert fingerprint(["own_net"], "{}") not in (before, after)


def test_a_fingerprint_follows_imports_inside_a_package(folder: Path) -> None:
    package = folder / "own_package" / "inner"
    package.mkdir(parents=True)
    (folder / "own_package" / "__init__.py").write_text("")
    (folder / "own_package" / "base.py").write_text("a = 1\n")
    (package / "__init__.py").write_text("from ..base import a\n")
    (package / "net.py").write_text("from . import parts\n")
    (package / "parts.py").write_text("b = 1\n")
    before = fingerprint(["own_package.inner.net"], "")
    (package / "parts.py").write_text("b = 2\n")
    second = fingerprint(["own_package.inner.net"], "")
    (folder / "own_package" / "base.py").write_text("a = 2\n")
    assert len({before, second, fingerprint(["own_package.inner.net"], "")}) == 3


def test_an_installed_package_is_told_by_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint(["pebble"], "")
    monkeypatch.setattr("zoo.adapters.fingerprint.version", lambda name: f"{name} 999")
    assert fingerprint(["pebble"], "") != before


def run(text: str, folder: Path) -> RunSummary:
    (folder / "own.yaml").write_text(text)
    return refresh(load_config(folder / "own.yaml").refresh_settings())


CONFIG = """
cache: cache/
execution: {workers: 1}
zoos:
  mine:
    models:
      - {name: net, factory: "own_net:Net", inputs: ["4", "2x4"], classes: 3, accuracy: {imagenet-1k: {top1: 12.5}}}
      - {name: wide, factory: "own_net:Net", kwargs: {outputs: 8}, inputs: "4", family: nets}
reports: []
"""


def test_workers_count_declared_models_and_count_them_again_when_their_source_changes(folder: Path) -> None:
    first = run(CONFIG, folder)
    assert (first.planned, first.counted, first.failed) == (3, 3, 0)
    costs = Store("cache/").costs().set_index(["arch", "input"])
    assert set(costs["fingerprint"].notna()) == {True}
    assert costs["macs"].to_dict() == {("net", "4"): 4 * 3, ("net", "2x4"): 2 * 4 * 3, ("wide", "4"): 4 * 8}
    assert run(CONFIG, folder).counted == 0
    (folder / "own_parts.py").write_text("WIDTH = 4  # as before\n")
    assert run(CONFIG.replace("outputs: 8", "outputs: 9"), folder).counted == 3

    settings = load_config("own.yaml").refresh_settings()
    table = build_leaderboard_report(settings, title="Mine").leaderboard.set_index(["model", "input"])
    assert table["imagenet_top1"].dropna().to_dict() == {("mine/net", "4"): 12.5}
    assert set(table.index) == {("mine/net", "4"), ("mine/net", "2x4"), ("mine/wide", "4")}
    assert table.loc[("mine/net", "4"), "classes"] == 3
    run(CONFIG.replace("outputs: 8", "outputs: 9").replace(", accuracy: {imagenet-1k: {top1: 12.5}}", ""), folder)
    assert not Store("cache/").accuracy()  # what the configuration says no more is gone


def test_a_declared_model_is_counted_by_name() -> None:
    declared = {"mine": [model(factory=f"{NETS}:ImageAndText", input=f"3x8x8;{TOKENS}:int64")]}
    (native,) = count_named("mine/net", InputSpec(), declared=declared)
    assert native.input == f"3x8x8;{TOKENS}:int64"
    (larger,) = count_named("mine/net", InputSpec(("16",), batch=2), declared=declared)
    assert larger.input == f"3x16x16;{TOKENS}:int64"
    mixing = TOKENS * WIDTH * WIDTH
    assert larger.cost.macs == 2 * (4 * (native.cost.macs - mixing) + mixing)
    with pytest.raises(InputError, match="its factory decides on its outputs"):
        count_named("mine/net", InputSpec(), 10, declared)


def test_a_target_takes_several_tensors_too() -> None:
    (counted,) = count_named(f"{NETS}:ImageAndText", InputSpec((f"tokens={TOKENS} : int64;image=3x8x8",)))
    assert counted.cost.macs == 2 * 2 * WIDTH * 3 * 4 * 4 + TOKENS * WIDTH * WIDTH


def test_the_perceptron_of_the_tutorial_is_counted_exactly(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository)
    config = load_config("configs/mlp.yaml").model_copy(update={"cache": str(tmp_path / "cache")})
    refresh(config.refresh_settings())
    costs = Store(tmp_path / "cache").costs().set_index("arch")
    assert costs.loc["mlp", "macs"] == 784 * 512 + 512 * 512 + 512 * 10 == 668_672
    assert costs.loc["mlp", "flops"] == 2 * 668_672
    assert costs.loc["mlp", "params"] == 668_672 + 512 + 512 + 10
    assert costs.loc["mlp_wide", "macs"] == 784 * 1024 + 1024 * 1024 + 1024 * 10
    assert set(costs["status"]) == {"exact"}


def test_keys_of_declared_models_have_no_classes_to_replace() -> None:
    zoo = DeclaredZoo("mine", [model(arguments='{"outputs": 9}')])
    assert zoo.build_options(CostKey("mine", "net", "4", 5)) == {"outputs": 9}


def zoometer(*args: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli.app, [*args])
    return result.exit_code, result.stdout


def test_commands_know_a_declared_zoo_by_its_configuration(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)
    code, out = zoometer("list", "--zoo", "tutorial", "--config", "configs/mlp.yaml", "--format", "csv")
    assert (code, [line.split(",")[:3] for line in out.splitlines()]) == (
        0, [["zoo", "arch", "input"], ["tutorial", "mlp", "28x28"], ["tutorial", "mlp_wide", "28x28"]]
    )  # fmt: skip
    code, out = zoometer("count", "tutorial/mlp", "--config", "configs/mlp.yaml", "--format", "json")
    assert (code, json.loads(out)[0]["macs"]) == (0, 668_672)
