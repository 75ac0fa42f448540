"""`zoometer show`: what a cache knows of a model, and what is counted where it knows nothing."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes_installed import installed
from fakes_models import FIGURES, STAGES, TOP1, write_models
from rich.console import Console
from typer.testing import CliRunner, Result
from zoo_of_poison import CHANNELS, SIZE, WIDTH

from reports import cli
from reports.models.model_details import details_record, find_speeds, gather_details
from reports.models.model_lookup import look_up_models
from reports.terminal import model_text
from zoo.cache.store import Store
from zoo.records import Architecture


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("models") / "cache"
    write_models(folder)
    return str(folder)


def zoometer(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, ["show", *arguments], prog_name="zoometer")


def shown(*arguments: str) -> str:
    result = zoometer(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def record(*arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(shown(*arguments, "--format", "json"))
    return found


def line_of(text: str, beginning: str) -> list[str]:
    return next(line for line in text.splitlines() if re.match(rf"\s*{re.escape(beginning)}\s", line)).split()


def test_costs_stand_at_each_size_the_own_one_first(cache: str) -> None:
    text = shown("zeta/small", "--cache", cache)
    assert line_of(text, "3x224x224")[1:3] == ["2.00", "G"]
    assert line_of(text, "3x384x384")[1:3] == ["6.00", "G"]
    assert text.index("3x224x224  ") < text.index("3x384x384  ")
    assert "3x230x230  input: must be a multiple of 32" in text


def test_stages_say_where_the_cost_is(cache: str) -> None:
    text = shown("zeta/small", "--cache", cache)
    whole = sum(STAGES["small"].values())
    for stage, macs in STAGES["small"].items():
        assert f"{macs / whole:.1%}" in line_of(text, stage)
    assert record("zeta/small", "--cache", cache)["stages"] == [
        {"part": stage, "macs": macs, "bytes_moved": 2 * (macs // 100)} for stage, macs in STAGES["small"].items()
    ]


def test_weights_have_their_accuracy_the_default_first(cache: str) -> None:
    text = shown("zeta/small", "--cache", cache)
    assert line_of(text, "best")[2] == f"{TOP1['small', 'best']:.2f}"
    assert line_of(text, "good")[2] == f"{TOP1['small', 'good']:.2f}"
    assert text.index("best ") < text.index("good ")


def test_named_weights_are_shown_in_full(cache: str) -> None:
    text = shown("zeta/small.best", "--cache", cache)
    assert line_of(text, "Card")[1] == "https://cards/best"
    assert line_of(text, "Top-1 %") == ["Top-1", "%", "74.00", "76.50"]  # at 224 and at 384
    assert "71.50" not in text


def test_it_says_where_each_figure_comes_from(cache: str) -> None:
    text = shown("zeta/small", "--cache", cache)
    assert "counted on torch's meta device with zeta 1.0, torch 2.0, counter 1, 2026-01-02" in text
    assert "a table; had on 2026-01-02" in text


def test_names_and_notes_are_no_markup(cache: str) -> None:
    assert "Note: a [red]note[/red]." in shown("zeta/small", "--cache", cache)


def test_json_has_every_figure_exactly(cache: str) -> None:
    found = record("zeta/large", "--cache", cache)
    (cost,) = found["costs"]
    assert {name: cost[name] for name in FIGURES["large"]} == FIGURES["large"]
    assert (cost["status"], cost["reason"], cost["counted_at"][:10]) == ("exact", None, "2026-01-02")
    (weights,) = found["weights"]
    assert [(a["dataset"], a["metric"], a["value"]) for a in weights["accuracy"]] == [("imagenet-1k", "top1", 80.25)]
    assert found["is_counted_now"] is False


def test_speeds_of_an_architecture_are_those_measured_and_those_published(cache: str) -> None:
    assert record("zeta/large", "--cache", cache)["speeds"] == []
    known = Architecture("timm", "resnet18", "classification", None, "3x224x224", 1000)
    speeds = find_speeds(known, Store(cache))
    stream = io.StringIO()
    with look_up_models(["zeta/small"], cache, {}) as found:
        details = gather_details(found, found.models[0])
    model_text.print_model(Console(file=stream, width=120), replace(details, architecture=known, speeds=speeds))
    on_phone = speeds[(speeds["device"] == "galaxy-s25") & (speeds["dtype"] == "int8")]
    assert on_phone["latency_ms"].is_monotonic_increasing
    assert line_of(stream.getvalue(), "amlogic-s805")[2:5] == ["605", "ms", "published"]
    assert "more: zoometer speeds list timm/resnet18" in stream.getvalue()


def test_what_the_cache_lacks_is_counted_and_not_kept(tmp_path: Path) -> None:
    stream = io.StringIO()
    with (
        installed(tmp_path, slow="zoo_of_poison:SlowZoo"),
        look_up_models(["slow/slow_02"], str(tmp_path / "none"), {}) as lookup,
    ):
        details = gather_details(lookup, lookup.models[0])
        model_text.print_model(Console(file=stream, width=100), details)
    (cost,) = details_record(details)["costs"]
    pixels, classes = SIZE * SIZE, 3
    assert cost["macs"] == WIDTH * pixels * CHANNELS * 3 * 3 + classes * WIDTH * pixels
    assert details.is_counted_now
    assert "counted now, and not kept" in stream.getvalue()
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("small", "'small' does not name a model. Write zoo/architecture"),
        ("zeta/smal", "zeta has no architecture 'smal'. Did you mean small?"),  # installed no longer, but in the cache
        ("zeta/small.bst", "zeta/small has no weights 'bst'. Did you mean best?"),
        ("tim/resnet50", "There is no zoo 'tim'. Did you mean timm?"),
    ],
)
def test_a_wrong_name_ends_with_code_2_and_the_way_out(cache: str, model: str, said: str) -> None:
    result = zoometer(model, "--cache", cache)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())


def test_names_near_a_wrong_one_are_told(tmp_path: Path) -> None:
    with installed(tmp_path, slow="zoo_of_poison:SlowZoo"):
        result = zoometer("slow/slow_0", "--cache", str(tmp_path / "none"))
    assert result.exit_code == 2
    assert re.search(r"slow has no architecture 'slow_0'\. Did you mean slow_\d\d", result.stderr)


def test_memory_is_that_of_the_dtype_and_batch(cache: str) -> None:
    counted = FIGURES["small"]
    options = ("zeta/small", "--cache", cache, "--device", "stm32h743", "--dtype", "int8", "--batch", "2")
    (native,) = (row for row in record(*options)["memory"] if row["input"] == "3x224x224")
    assert native["peak_bytes"] == counted["peak_activation_bytes"] / 4 * 2
    assert native["weights_at_dtype_bytes"] == counted["params"]
    assert native["memory_bytes"] == native["peak_bytes"] + native["weights_at_dtype_bytes"] + 2 * 3 * 224 * 224
    text = " ".join(shown(*options).split())
    assert "Memory in int8, batch 2" in text
    assert "Memory in int8 is that of float32 times 1/4" in text
    assert record("zeta/small", "--cache", cache)["memory"] == []
