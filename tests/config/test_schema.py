"""The JSON schema of the configuration: it admits what the reader admits, and describes every key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # its stubs are a distribution of their own
import pytest
import yaml
from typer.testing import CliRunner

from reports import cli
from reports.config.config_file import load_config
from reports.config.schema import FILE_NAME, config_schema
from zoo import units
from zoo.errors import ConfigError, UnitError
from zoo.units import parse_quantity

SCHEMA = config_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
CONFIGURATIONS = sorted(path for path in (Path(__file__).parents[2] / "configs").glob("*.yaml") if path.name != "devices.yaml")
SECTIONS = {"Config": SCHEMA, **SCHEMA["$defs"]}


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=lambda path: path.stem)
def test_every_example_is_valid_and_names_the_schema(path: Path) -> None:
    VALIDATOR.validate(yaml.safe_load(path.read_text()))
    assert path.read_text().splitlines()[0] == f"# yaml-language-server: $schema={FILE_NAME}"


def test_the_file_beside_the_examples_is_the_schema(repository: Path) -> None:
    assert json.loads((repository / "configs" / FILE_NAME).read_text()) == SCHEMA


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_is_described_and_no_other_is_allowed(section: str) -> None:
    assert SECTIONS[section]["additionalProperties"] is False
    assert [key for key, value in SECTIONS[section]["properties"].items() if not value.get("description")] == []


@pytest.mark.parametrize("section", SECTIONS)
def test_defaults_are_valid_as_they_are_written(section: str) -> None:
    for key, value in SECTIONS[section]["properties"].items():
        if "default" in value:
            jsonschema.Draft202012Validator({**value, "$defs": SCHEMA["$defs"]}).validate(value["default"]), key


def read(tmp_path: Path, content: dict[str, Any]) -> bool:
    """Whether the reader takes it."""
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({"zoos": {"timm": None}, **content}))
    try:
        load_config(tmp_path / "c.yaml")
    except ConfigError:
        return False
    return True


RIGHT: list[dict[str, Any]] = [
    {"zoos": {"timm": {"include": "resnet*", "inputs": 224, "variants": ["base", "deploy"]}, "torchvision": None}},
    {"zoos": {"mine": {"models": [{"name": "mlp", "factory": "a.b:C", "inputs": [784], "accuracy": {"d": {"top1": 7}}}]}}},
    {"inputs": [224, "384x512", "native"], "batch": 2},
    {"budgets": {"phone": {"params": "6M", "macs": "0.6GMACs", "latency": "10ms", "peak_memory": "256KiB", "accuracy": 80}}},
    {"budgets": {"phone": {"device": "s24", "dtype": "half", "pareto": "latency", "processor": "npu", "throughput": "1K/s"}}},
    {"measure": {"device": "cuda:1", "as": "my-board", "dtype": ["fp16", "amp"], "precision": "2%", "time": "10s"}},
    {"traces": ["fp32", "amp-fast-norm/nhwc"], "training": True},
    {"speed": [{"device": "t4", "dtype": "float16"}], "reports": [{"name": "a", "formats": "html"}]},
    {"execution": {"workers": 2, "timeout_s": 60, "memory_gb": 4.5}, "accuracy": {"fetch": False}},
]
WRONG: list[dict[str, Any]] = [
    {"zoo": {"timm": None}},
    {"zoos": {"timm": {"inclde": "resnet*"}}},
    {"zoos": {"timm": {"tasks": ["classify"]}}},
    {"zoos": {"mine": {"models": [{"name": "mlp", "factory": "a.b", "inputs": [784]}]}}},
    {"zoos": {"mine": {"models": []}}},
    {"budgets": {"phone": {"params": "6X"}}},
    {"budgets": {"phone": {"latency": 10}}},
    {"budgets": {"phone": {"macs": "600MFLOPs"}}},
    {"budgets": {"phone": {"dtype": "float12"}}},
    {"budgets": {"phone": {"pick": "beauty"}}},
    {"budgets": {"phone": {"batch": 0}}},
    {"measure": {"device": "tpu"}},
    {"measure": {"time": 10}},
    {"traces": ["int4"]},
    {"training": "yes"},
    {"execution": {"workers": "two"}},
    {"reports": [{"formats": ["pdf"]}]},
    {"reports": [{"name": "a/b"}]},
    {"speed": [{"dtype": "float16"}]},
    {"audit": [{"zoo": "nozoo"}]},
]


@pytest.mark.parametrize("content", RIGHT, ids=str)
def test_what_the_reader_takes_is_valid(content: dict[str, Any], tmp_path: Path) -> None:
    assert read(tmp_path, content)
    VALIDATOR.validate({"zoos": {"timm": None}, **content})


@pytest.mark.parametrize("content", WRONG, ids=str)
def test_what_the_reader_refuses_is_invalid(content: dict[str, Any], tmp_path: Path) -> None:
    assert not read(tmp_path, content)
    assert not VALIDATOR.is_valid({"zoos": {"timm": None}, **content})


def test_zoos_are_needed() -> None:
    assert not VALIDATOR.is_valid({})


@pytest.mark.parametrize(
    "kind", [units.COUNT, units.MACS, units.BYTES, units.DURATION_MS, units.PERCENT, units.IMAGES_PER_S], ids=str
)
@pytest.mark.parametrize(
    "text", ["6M", "1.5 GMACs", "256KiB", "10ms", "800 µs", "80%", "1e1", "1000/s", "2 k", ".5s", "3.", "x", "1MB/s"]
)
def test_a_quantity_matches_its_pattern_where_it_can_be_read(kind: units.Quantity, text: str) -> None:
    text = "1e4" if text == "1e1" and kind.least_plain else text  # which values are read is no matter of the pattern
    try:
        parse_quantity(text, kind)
        is_read = True
    except UnitError:
        is_read = False
    assert jsonschema.Draft202012Validator({"type": "string", "pattern": kind.pattern}).is_valid(text) is is_read


def test_the_command_prints_it_and_writes_it_beside_a_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert json.loads(CliRunner().invoke(cli.app, ["schema"]).stdout) == SCHEMA
    assert CliRunner().invoke(cli.app, ["init", "here/mine.yaml"]).exit_code == 0
    assert json.loads((tmp_path / "here" / FILE_NAME).read_text()) == SCHEMA
    assert FILE_NAME in (tmp_path / "here/mine.yaml").read_text().splitlines()[0]
    assert CliRunner().invoke(cli.app, ["schema", "--output", "there"]).stdout == f"Wrote there/{FILE_NAME}\n"
