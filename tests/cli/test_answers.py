"""Every verb's `--format json` keeps to the schema that `zoometer schema VERB` prints, and is described there."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator

import jsonschema  # type: ignore[import-untyped]  # its stubs are a distribution of their own
import pytest
import typer
from fuzz_commands import Folder, without_work
from typer.testing import CliRunner, Result

from reports import cli
from reports.cli.common.answers import answer_schema, answer_schemas
from reports.cli.keep import cache
from reports.cli.measure import speeds
from reports.cli.verbs import VERBS

LINES = (
    "count torchvision/squeezenet1_0 --input 64 --depth 2",
    "count torchvision/squeezenet1_0 --input 64 --training",
    "count torchvision/squeezenet1_0 --input 64 --by call --precision fp32",
    "list resnet50 --zoo torchvision",
    "check torchvision/squeezenet1_0 --max-params 1M --max-peak-memory 1GB --input 64",
    "audit torchvision --against table.csv",
    "audit torchvision --against table.csv --with table.csv",
    "select zoometer.yaml --budget phone --max-params 20M",
    "select --max-params 1K",
    "select --device rtx-4090 --max-latency 5ms --speed speed.csv --dtype fp32 --batch 1",
    "compare torchvision/resnet50 torchvision/resnet18 --input 224 --device rtx-4090",
    "show torchvision/resnet50 --device rtx-4090 --dtype fp16",
    "estimate torchvision/squeezenet1_0 --device rtx-4090 --input 64",
    "devices rtx-4090 galaxy-s24 stm32h743",
    "run zoometer.yaml",
    "report zoometer.yaml --summary json",
    "refresh zoometer.yaml",
    "speeds import speed.csv",
    "speeds list torchvision/* --device rtx-4090",
    "calibrate --device rtx-4090 --from speed.csv",
    "changes latest",
    "cache info",
    "cache verify",
    "cache compact",
    "cache prune --keep-runs 1",
    "version",
)
MEASURING = {"measure", "validate-speed"}
"""Need minutes: `test_measure.py` and `test_validate_speed.py` look at theirs."""


def zoometer(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, list(arguments), prog_name="zoometer")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Folder]:
    folder = Folder(tmp_path_factory.mktemp("answers"))
    with pytest.MonkeyPatch.context() as patch:
        without_work(patch)
        with folder.case():
            zoometer("refresh", "zoometer.yaml", "--quiet")
            folder.keep()
        yield folder


def refuse(constant: str) -> None:
    pytest.fail(f"{constant} is no JSON")


def verb_of(line: str) -> str:
    words = line.split()
    return " ".join(words[:2]) if words[0] in ("speeds", "cache") else words[0]


@pytest.mark.parametrize("line", LINES)
def test_an_answer_keeps_to_its_schema(folder: Folder, line: str) -> None:
    with folder.case():
        result = zoometer(*shlex.split(line), "--format", "json")
    assert result.exit_code in (0, 1), result.stderr  # 1: nothing fits
    answer = json.loads(result.stdout, parse_constant=refuse)
    jsonschema.Draft202012Validator(answer_schema(verb_of(line))).validate(answer)
    assert json.loads(zoometer("schema", *verb_of(line).split()).stdout) == answer_schema(verb_of(line))


@pytest.mark.parametrize("verb", answer_schemas())
def test_schemas_are_schemas_and_refuse_what_is_no_answer(verb: str) -> None:
    schema = answer_schema(verb)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert not jsonschema.Draft202012Validator(schema).is_valid("nothing")


def verbs_with_json() -> set[str]:
    """Verbs whose help offers JSON, but for the one that writes tables of the cache into files."""
    names = [name for name in VERBS if name not in ("speeds", "cache")]
    names += [f"{group} {name}" for group, app in (("speeds", speeds.app), ("cache", cache.app)) for name in names_of(app)]
    offers = re.compile(r"--(format|summary) +[<\[][^>\]]*json")
    return {name for name in names if offers.search(zoometer(*name.split(), "--help").stdout)} - {"cache export"}


def names_of(app: typer.Typer) -> list[str]:
    return [str(command.name) for command in app.registered_commands]


def test_every_verb_that_prints_json_has_a_schema_and_a_test() -> None:
    assert verbs_with_json() == set(answer_schemas())
    assert {verb_of(line) for line in LINES} | MEASURING == set(answer_schemas())


def test_a_verb_without_an_answer_is_refused_with_those_that_have_one() -> None:
    result = zoometer("schema", "slect")
    assert result.exit_code == 2
    assert "Did you mean select?" in result.stderr
