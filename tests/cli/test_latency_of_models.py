"""`--device` of `zoometer show` and `zoometer compare`: the latency of the named models there, and how it is known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes_cache import NOON, Cache
from fakes_installed import installed
from typer.testing import CliRunner, Result

from reports import cli
from zoo.published.published import published_speeds

MEASURED_MS = 2.5
NOTHING_KNOWN = "stm32h743"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Networks whose speed is published, one of which was measured on a T4."""
    folder = tmp_path_factory.mktemp("latency") / "cache"
    cache = Cache(folder)
    for arch in ("resnet18", "resnet50"):
        cache.arch(arch)
        cache.weights(arch, "in1k")
        cache.cost(arch, 10**9, params=10**7, weight_bytes=4 * 10**7, peak_activation_bytes=10**6)
    run = {"device": "t4", "runtime": "trt-10", "dtype": "float16", "layout": "nhwc", "compiled": False, "threads": 1, "batch": 1}
    speed = {
        "latency_ms": MEASURED_MS,
        "samples_per_s": 1000 / MEASURED_MS,
        "status": "measured",
        "measured_at": NOON,
        "added_at": NOON,
    }
    cache.add("speed", zoo="timm", arch="resnet18", input="3x224x224", variant="base", **run, **speed)
    cache.report()
    return str(folder)


@pytest.fixture(scope="module")
def slow_zoo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A zoo of which no cache knows anything."""
    folder = tmp_path_factory.mktemp("zoo")
    with installed(folder, slow="zoo_of_poison:SlowZoo"):
        yield str(folder / "none")


def zoometer(*arguments: str) -> Result:
    return CliRunner().invoke(cli.app, [*arguments], prog_name="zoometer")


def record(*arguments: str) -> Any:
    result = zoometer(*arguments, "--format", "json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def fastest(arch: str) -> float:
    """The least published latency of an architecture, or of another one that is the same network."""
    return min(
        float(row["latency_ms"])
        for row in published_speeds("galaxy-s25").to_dict("records")
        if f"timm/{arch}" in (f"{row['zoo']}/{row['arch']}", *row["same_as"])
        and (row["dtype"], row["batch"], row["input"]) == ("int8", 1, "3x224x224")
    )


def test_a_published_latency_has_its_conditions_and_no_interval(cache: str) -> None:
    (latency,) = record("show", "timm/resnet18", "--cache", cache, "--device", "s25", "--dtype", "int8")["latencies"]
    assert (latency["device"], latency["dtype"], latency["kind"]) == ("galaxy-s25", "int8", "published")
    assert latency["latency_ms"] == fastest("resnet18")
    assert latency["latency_high_ms"] is None
    assert latency["latency_from"].startswith("published: NPU, ")


def test_a_measured_latency_says_how_it_was_measured(cache: str) -> None:
    (latency,) = record("show", "timm/resnet18", "--cache", cache, "--device", "t4", "--dtype", "fp16")["latencies"]
    assert (latency["kind"], latency["latency_ms"]) == ("measured", MEASURED_MS)
    assert "trt-10, float16, nhwc, 1 thread, eager" in latency["latency_from"]
    text = zoometer("show", "timm/resnet18", "--cache", cache, "--device", "t4", "--dtype", "fp16").stdout
    assert f"{MEASURED_MS:.3g}0 ms" in text
    assert "Latency  on NVIDIA T4, float16, batch 1" in text


def test_compared_latencies_are_ratios(cache: str) -> None:
    command = ("compare", "timm/resnet18", "timm/resnet50", "--cache", cache, "--device", "galaxy s25", "--dtype", "int8")
    first, second = record(*command)["models"]
    assert (first["latency_ms"], second["latency_ms"]) == (fastest("resnet18"), fastest("resnet50"))
    assert second["ratios"]["latency_ms"] == fastest("resnet50") / fastest("resnet18")
    assert second["latency"]["kind"] == "published"
    text = zoometer(*command).stdout
    assert f"×{fastest('resnet50') / fastest('resnet18'):.2f}" in text
    assert "Published: NPU, tflite, int8; " in text


def test_what_no_cache_knows_is_estimated_now(slow_zoo: str) -> None:
    options = ("--device", "t4", "--dtype", "fp16", "--cache", slow_zoo)
    (latency,) = record("show", "slow/slow_02", *options)["latencies"]
    alone = record("estimate", "slow/slow_02", *options)
    figures = ("latency_ms", "latency_low_ms", "latency_high_ms", "latency_from")
    assert {name: latency[name] for name in figures} == {name: alone[name] for name in figures}
    assert latency["kind"] == "estimated"
    assert latency["latency_low_ms"] < latency["latency_ms"] < latency["latency_high_ms"]
    assert not Path(slow_zoo).exists()


def test_a_single_estimate_is_in_the_runtime_of_all_latencies(cache: str) -> None:
    command = ("estimate", "timm/resnet18", "--cache", cache, "--device", "t4", "--dtype", "fp16", "--format", "json")
    result = zoometer(*command)
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    (shown,) = record("show", "timm/resnet18", *command[2:-2])["latencies"]
    assert (found["runtime"], found["latency_ms"]) == (shown["runtime"], None) == ("trt", None)
    assert found["latency_from"].endswith("models are estimated in torch, not in trt (--runtime torch)")
    asked = record(*command[:-2], "--runtime", "torch")
    assert (asked["runtime"], asked["latency_ms"] is None) == ("torch", False)


def test_where_nothing_is_known_a_sentence_says_what_to_do(cache: str) -> None:
    (latency,) = record("show", "timm/resnet18", "--cache", cache, "--device", NOTHING_KNOWN, "--dtype", "int8")["latencies"]
    assert latency["latency_ms"] is latency["kind"] is None
    assert "measure there (zoometer measure)" in latency["latency_from"]


@pytest.mark.parametrize("verb", ["show", "compare"])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--dtype", "int8"], "--dtype is of no use without a device: --device NAME"),
        (["--device", "t4", "--dtype", "int7"], "'int7' is not a dtype. Did you mean int8?"),
        (["--device", "t44"], "There is no device 't44'"),
    ],
)
def test_a_mistake_ends_with_code_2_and_the_way_out(cache: str, verb: str, options: list[str], said: str) -> None:
    models = ["timm/resnet18", *(["timm/resnet50"] if verb == "compare" else [])]
    result = zoometer(verb, *models, "--cache", cache, *options)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())
