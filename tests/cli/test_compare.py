"""`zoometer compare`: models side by side, and a report of just these."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fakes_installed import installed
from fakes_models import FIGURES, TOP1, write_models
from rich.console import Console
from typer.testing import CliRunner, Result

from reports import cli
from reports.models.comparison import compare_models
from reports.models.groups import expand_names
from reports.models.model_lookup import look_up_models
from reports.terminal import comparison_text
from zoo.errors import UnknownNameError


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("models") / "cache"
    write_models(folder)
    return str(folder)


def zoometer(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, ["compare", *arguments], prog_name="zoometer")


def record(*arguments: str) -> list[dict[str, Any]]:
    result = zoometer(*arguments, "--format", "json")
    assert result.exit_code == 0, result.output
    models: list[dict[str, Any]] = json.loads(result.stdout)["models"]
    return models


def printed(cache: str, names: list[str], width: int) -> str:
    stream = io.StringIO()
    with look_up_models(names, cache, {}) as found:
        comparison_text.print_comparison(Console(file=stream, width=width, highlight=False), compare_models(found))
    return stream.getvalue()


def test_costs_are_ratios_and_accuracies_differences(cache: str) -> None:
    small, large = record("zeta/small", "zeta/large", "--cache", cache)
    assert (small["model"], large["model"]) == ("zeta/small.best", "zeta/large.good")  # the default weights
    assert {name: large[name] for name in FIGURES["large"]} == FIGURES["large"]
    assert large["ratios"]["macs"] == FIGURES["large"]["macs"] / FIGURES["small"]["macs"]
    assert large["ratios"]["params"] == FIGURES["large"]["params"] / FIGURES["small"]["params"]
    assert large["differences"] == {"imagenet_top1_percent": TOP1["large", "good"] - TOP1["small", "best"]}
    assert set(small["ratios"].values()) == {1.0}


def test_named_weights_are_compared_with_each_other(cache: str) -> None:
    good, best = record("zeta/small.good", "zeta/small.best", "--cache", cache)
    assert (good["imagenet_top1_percent"], best["imagenet_top1_percent"]) == (71.5, 74.0)
    assert best["ratios"]["macs"] == 1.0


def test_the_table_has_a_column_a_model(cache: str) -> None:
    lines = {
        line.split()[0]: line.split() for line in printed(cache, ["zeta/small", "zeta/large"], 100).splitlines() if line.strip()
    }
    assert lines["MACs"] == ["MACs", "2.00", "G", "5.00", "G", "×2.50"]
    assert lines["Top-1"] == ["Top-1", "74.00", "%", "80.25", "%", "+6.25"]
    assert lines["Input"] == ["Input", "3x224x224", "3x224x224"]


def test_what_does_not_fit_side_by_side_comes_below_with_the_first_model_again(cache: str) -> None:
    text = printed(cache, ["zeta/small", "zeta/large", "zeta/small.good"], 60)
    assert max(map(len, text.splitlines())) <= 60
    assert [line.split()[1:3] for line in text.splitlines() if line.startswith("MACs")] == [["2.00", "G"], ["2.00", "G"]]


def test_a_page_and_a_workbook_hold_just_these_models(cache: str, tmp_path: Path) -> None:
    page, workbook = tmp_path / "c.html", tmp_path / "c.xlsx"
    result = zoometer("zeta/small.good", "zeta/large", "--cache", cache, "--html", str(page), "--xlsx", str(workbook))
    assert result.exit_code == 0, result.output
    assert "Comparison: small.good" in page.read_text(encoding="utf-8")
    sheets = pd.read_excel(workbook, sheet_name=None, header=None)
    cells = {str(cell) for sheet in sheets.values() for cell in sheet.to_numpy().ravel()}
    assert {"zeta/small.good", "zeta/large.good"} <= cells
    assert "zeta/small.best" not in cells


def test_a_name_is_found_in_every_zoo_however_it_is_joined(tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    with installed(tmp_path, versioned="zoo_of_versions:VersionedZoo", gone="not_installed:Zoo"):
        assert expand_names(["own/net", "*/S-tays", "versioned/stays"], cache, {}) == ["own/net", "versioned/stays"]
        assert {"timm/resnet50", "torchvision/resnet50"} <= set(expand_names(["*/resnet50"], cache, {}))
        with pytest.raises(UnknownNameError, match="No zoo has an architecture 'nothing'"):
            expand_names(["*/nothing"], cache, {})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["zeta/small"], "There is nothing to compare zeta/small with."),
        (["zeta/small", "zeta/small"], "There is nothing to compare zeta/small with."),
        (["zeta/small", "zeta/large", "--input", "1x2x3x4x5"], "does not fit a model that takes 3x224x224"),
        (["zeta/small", "tim/resnet50"], "There is no zoo 'tim'. Did you mean timm?"),
        (["zeta/small", "zeta/large", "--html", "/dev/null/c.html"], "/dev/null/c.html cannot be written"),
    ],
)
def test_a_mistake_ends_with_code_2_and_the_way_out(cache: str, arguments: list[str], said: str) -> None:
    result = zoometer(*arguments, "--cache", cache)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())


def test_memory_is_that_of_the_dtype(cache: str) -> None:
    command = ("zeta/small", "zeta/large", "--cache", cache, "--device", "stm32h743", "--dtype", "fp16")
    for name, found in zip(("small", "large"), record(*command), strict=True):
        assert found["weights_at_dtype_bytes"] == 2 * FIGURES[name]["params"]
        assert found["peak_bytes"] == FIGURES[name]["peak_activation_bytes"] / 2
        assert "weight_bytes" not in found
    assert "Memory in float16 is that of float32 times 2/4" in zoometer(*command).stdout
    assert "peak_bytes" not in record("zeta/small", "zeta/large", "--cache", cache)[0]
