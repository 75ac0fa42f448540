from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from reports import cli
from zoo.adapters import registry
from zoo.errors import ZooError
from zoo.records import Architecture, Weights


def weights(zoo: str, arch: str, tag: str) -> Weights:
    licence = "bsd-3-clause" if tag == "C_S" else "apache-2.0"
    return Weights(zoo, arch, tag, "classification", "imagenet-1k", 1000, "3x224x224", license=licence)


class FakeZoo:
    def __init__(self, name: str) -> None:
        self.name = name

    def architectures(self) -> list[Architecture]:
        def arch(name: str, task: str, *tags: str) -> Architecture:
            kept = tuple(weights(self.name, name, tag) for tag in tags)
            return Architecture(self.name, name, task, "resnet", "3x224x224", 1000, kept)

        return [
            arch("resnet50", "classification", "a1", "a2"),
            arch("resnet18", "classification"),
            arch("raft", "optical-flow", "C_T", "C_S"),
        ]


@pytest.fixture(autouse=True)
def _two_zoos(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # no cache there
    monkeypatch.setattr(registry, "zoo_names", lambda: ["timm", "torchvision"])
    monkeypatch.setattr(registry, "open_zoo", FakeZoo)


def zoometer(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, ["list", *arguments], prog_name="zoometer")


def models(*arguments: str) -> list[str]:
    return [f"{row['zoo']}/{row['arch']}" for row in csv.DictReader(io.StringIO(zoometer(*arguments, "--format", "csv").stdout))]


def test_everything_is_listed_without_a_choice() -> None:
    assert models() == [f"{zoo}/{arch}" for zoo in ("timm", "torchvision") for arch in ("resnet50", "resnet18", "raft")]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["resnet*", "--zoo", "timm"], ["timm/resnet50", "timm/resnet18"]),
        (["timm/r*", "--has-weights"], ["timm/resnet50", "timm/raft"]),
        (["timm/r*", "--pretrained"], ["timm/resnet50", "timm/raft"]),
        (["timm/r*", "--license", "apache*"], ["timm/resnet50", "timm/raft"]),
        (["timm/r*", "--license", "BSD*"], ["timm/raft"]),
        (["resnet18", "torchvision/raft"], ["timm/resnet18", "torchvision/resnet18", "torchvision/raft"]),
        (["--task", "optical-flow"], ["timm/raft", "torchvision/raft"]),
    ],
)
def test_choices_narrow_the_list(arguments: list[str], expected: list[str]) -> None:
    assert models(*arguments) == expected


def test_weights_have_a_line_each() -> None:
    rows = list(csv.DictReader(io.StringIO(zoometer("resnet50", "--zoo", "timm", "--weights", "--format", "csv").stdout)))
    assert [(row["tag"], row["dataset"], row["license"]) for row in rows] == [
        (tag, "imagenet-1k", "apache-2.0") for tag in ("a1", "a2")
    ]


def test_the_table_begins_with_the_name_to_copy() -> None:
    result = zoometer("resnet50", "--zoo", "timm", "--weights")
    assert [line.split()[0] for line in result.stdout.splitlines()[2:]] == ["timm/resnet50.a1", "timm/resnet50.a2"]
    assert result.stderr == "1 architecture, 2 sets of weights\n"


def test_json_holds_architectures_with_their_weights() -> None:
    (record,) = json.loads(zoometer("resnet50", "--zoo", "timm", "--format", "json").stdout)
    assert record["name"] == "resnet50"
    assert [kept["tag"] for kept in record["weights"]] == ["a1", "a2"]


def test_weights_of_another_licence_are_left_out() -> None:
    rows = list(csv.DictReader(io.StringIO(zoometer("--weights", "--license", "bsd*", "--format", "csv").stdout)))
    assert [(row["zoo"], row["arch"], row["tag"]) for row in rows] == [("timm", "raft", "C_S"), ("torchvision", "raft", "C_S")]


def test_a_zoo_whose_library_is_missing_is_left_out_unless_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def open_zoo(name: str) -> FakeZoo:
        if name == "gone":
            raise ZooError("Zoo 'gone' needs a package that is missing.")
        return FakeZoo(name)

    monkeypatch.setattr(registry, "zoo_names", lambda: ["gone", "timm"])
    monkeypatch.setattr(registry, "open_zoo", open_zoo)
    assert models("resnet50") == ["timm/resnet50"]
    assert "Left out: Zoo 'gone' needs a package that is missing." in zoometer("resnet50").stderr
    assert zoometer("--zoo", "gone").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["resnet51"], "error: No architecture matches 'resnet51'. Did you mean resnet50 or resnet18?"),
        (["resnet18", "--pretrained"], "error: No architecture matches 'resnet18' with these options. Leave one out"),
        (["--task", "video"], "error: No architecture has all of this. Leave out an option"),
    ],
)
def test_an_empty_list_leads_on(arguments: list[str], said: str) -> None:
    result = zoometer(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
