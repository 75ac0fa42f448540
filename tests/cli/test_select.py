"""`zoometer select`, from a budget to an answer."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fakes_cache import Cache
from typer.testing import CliRunner

from reports import cli
from reports.config.budget_section import BudgetSection

PEAKS = {"tiny": 100_000, "small": 1_000_000, "large": 4_000_000, "huge": 16_000_000}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four trained models of growing cost and merit, one without accuracy, one that failed; and a configuration of them."""
    folder = tmp_path_factory.mktemp("select")
    cache = Cache(folder / "cache")
    for name, macs, top1, licence in (
        ("tiny", 10**8, 60.0, "apache-2.0"),
        ("small", 4 * 10**8, 70.0, None),
        ("large", 10**9, 80.0, "mit"),
        ("huge", 4 * 10**9, 85.0, "cc-by-nc-4.0"),
    ):
        cache.arch(name)
        cache.weights(name, "in1k", license=licence)
        cache.cost(name, macs, params=macs // 100, weight_bytes=macs // 25, peak_activation_bytes=PEAKS[name])
        cache.accuracy(name, "in1k", top1)
    cache.arch("unknown")
    cache.weights("unknown", "in1k")
    cache.cost("unknown", 10**8, params=10**6, weight_bytes=4 * 10**6, peak_activation_bytes=10**6)
    cache.arch("broken")
    cache.weights("broken", "in1k")
    cache.cost("broken", None, status="failed", reason="run: ValueError: odd")
    cache.accuracy("broken", "in1k", 99.0)
    cache.report()
    (folder / "zoometer.yaml").write_text(
        f"cache: {folder / 'cache'}\nzoos: {{timm: {{}}}}\nbudgets:\n  phone: {{macs: 1G, accuracy: 65}}\n  none: {{macs: 1K}}\n"
        "  other: {zoo: [mine]}\n"
    )
    (folder / "speed.csv").write_text(
        "model,latency_ms,device,dtype,runtime\nsmall,4,rtx-4090,fp16,trt\nlarge,12,rtx-4090,fp16,trt\nhuge,30,rtx-4090,fp16,trt\n"
    )
    return folder


@pytest.fixture(autouse=True)
def stay_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def zoometer(*args: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli.app, ["select", *args])
    return result.exit_code, result.stdout, result.stderr


def record(*args: str) -> tuple[int, Any]:
    code, out, _ = zoometer(*args, "--format", "json")
    return code, json.loads(out)


def archs(rows: list[dict[str, Any]]) -> list[str]:
    return [row["model"].removeprefix("timm/").partition(".")[0] for row in rows]


def test_the_answer_names_the_pick_what_binds_the_others_and_what_more_would_buy() -> None:
    code, found = record("--max-gmacs", "0.5")
    assert code == 0
    assert archs([found["pick"]]) == ["small"]
    assert found["reasons"][0] == "timm/small.in1k at 3x224x224 has the highest Top-1 (70.00 %) of the 3 that fit."
    assert found["reasons"][1] == "It is closest to MACs ≤ 0.50 G: it has 0.40 G, 80% of it."
    assert archs(found["frontier"]) == ["small", "tiny"]
    assert all(row["on_frontier"] for row in found["frontier"])
    assert not any(row["on_frontier"] for row in found["left_out"])
    assert sorted((archs([row])[0], row["ratio"]) for row in found["left_out"]) == [("huge", 8), ("large", 2)]
    assert archs(found["nearest_misses"]) == ["large", "huge"]
    (relaxed,) = found["relaxations"]
    assert (archs([relaxed["next"]]), relaxed["ratio"], archs([relaxed["best"]])) == (["large"], 2, ["huge"])
    assert relaxed["sentence"].startswith(
        "MACs ≤ 0.50 G moved to 1.00 G (+100.0%): timm/large.in1k at 3x224x224, Top-1 80.00 % (+10.00 %)"
    )
    assert (archs(found["unknown"]), found["unranked"]) == (["broken"], 1)


def test_the_table_says_the_same() -> None:
    code, out, _ = zoometer("--max-gmacs", "0.5", "--min-top1", "65")
    assert code == 0
    said = " ".join(out.split())
    for sentence in (
        "timm/small.in1k at 3x224x224 has the highest Top-1 (70.00 %)", "On the frontier of Top-1, MACs: 1", "Left out: 3 of 6",
        "MACs ≤ 0.50 G 2 2 1", "Nearest misses that would be picked instead", "Gained by relaxing a limit",
        "Not known, so not considered: 1 without a count; 1 without Top-1.",
    ):  # fmt: skip
        assert sentence in said, out


def test_nothing_fits_is_exit_code_1_with_the_nearest_misses() -> None:
    code, out, _ = zoometer("--max-gmacs", "0.05")
    assert code == 1
    assert "Nothing fits: each of 6 candidates exceeds a limit" in out
    assert "MACs ≤ 0.050 G moved to 0.10 G (+100.0%): timm/tiny.in1k" in out


def test_csv_has_a_row_a_candidate() -> None:
    _, out, _ = zoometer("--max-gmacs", "0.5", "--format", "csv")
    table = pd.read_csv(io.StringIO(out)).set_index("model")
    assert table["state"].to_dict() == {
        "timm/broken.in1k": "unknown", "timm/huge.in1k": "over", "timm/large.in1k": "over", "timm/small.in1k": "fits",
        "timm/tiny.in1k": "fits", "timm/unknown.in1k": "fits",
    }  # fmt: skip
    assert table.loc["timm/huge.in1k"].to_dict().items() >= {"binding": "MACs", "ratio": 8, "broken": 1}.items()


def test_a_named_budget_and_options_that_go_before_it() -> None:
    assert archs([record("zoometer.yaml", "--budget", "phone")[1]["pick"]]) == ["large"]
    assert archs([record("zoometer.yaml", "--budget", "phone", "--max-gmacs", "0.5")[1]["pick"]]) == ["small"]
    assert record("zoometer.yaml", "--budget", "none")[0] == 1


def test_a_configured_budget_may_name_a_zoo_without_models_and_an_option_may_not() -> None:
    code, found = record("zoometer.yaml", "--budget", "other")
    assert (code, found["pick"]) == (1, None)
    code, _, err = zoometer("zoometer.yaml", "--budget", "other", "--family", "net_z")
    assert code == 2
    assert "--family: no model of the configuration has the family 'net_z'." in " ".join(err.split())


def test_a_licence_that_is_not_known_does_not_pass() -> None:
    _, found = record("--license", "apache-*", "--license", "MIT")
    assert archs([found["pick"]]) == ["large"]
    assert set(archs(found["unknown"])) == {"small", "unknown", "broken"}
    (relaxed,) = found["relaxations"]
    assert relaxed["sentence"] == "Allowing licence cc-by-nc-4.0: timm/huge.in1k at 3x224x224, Top-1 85.00 % (+5.00 %)"


def test_memory_is_that_of_the_dtype_and_of_the_device() -> None:
    _, found = record("--max-peak-memory", "2MB", "--dtype", "fp16")
    assert archs([found["pick"]]) == ["large"]  # 4 MB in float32
    assert "float32 times 2/4" in found["assumptions"][0]
    _, found = record("--device", "stm32h743", "--dtype", "int8")
    assert archs([found["pick"]]) == ["tiny"]  # its 1 MB of weights are in flash, as small's 4 MB cannot be
    assert [limit["title"] for limit in found["limits"]] == ["RAM of the device", "Flash of the device"]


UNKNOWN_LATENCY = (
    "No latency is known for NVIDIA GeForce RTX 4090 at float32: record workloads with `zoometer run CONFIG --traces fp32/nchw`."
)


def test_a_limit_on_latency_that_nothing_can_be_held_against_is_an_error_with_the_next_step() -> None:
    limit = ("--max-latency", "10ms", "--device", "rtx 4090")
    code, out, err = zoometer(*limit)
    assert code == 2
    assert err.splitlines() == [
        "error: Latency ≤ 10.0 ms cannot be tested, and what is listed leaves it out.",
        UNKNOWN_LATENCY,
    ]
    others = zoometer("--device", "rtx 4090")[1]  # what is known ranks: memory of the device, accuracy, MACs
    assert out == others.replace("of the 5 that fit.", "of the 5 that fit without Latency ≤ 10.0 ms.", 1) != others
    code, out, err = zoometer(*limit, "--format", "json")
    assert (code, out, err.splitlines()) == (2, "", ["error: Latency ≤ 10.0 ms cannot be tested.", UNKNOWN_LATENCY])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((), "Speed needs a device: --device NAME"),
        (("--device", "pixel 8"), "Google Pixel 8 at float32 or a device like it: give measurements (--speed FILE), or measure"),
        (("--device", "stm32h743", "--dtype", "int8"), "ST STM32H743 at int8 or a device like it: give measurements"),
        (("--device", "t4", "--dtype", "int8"), "NVIDIA T4 at int8: it is known at float32, amp and float16 (--dtype)."),
        (("--device", "s25", "--dtype", "bf16"), "it is known at float32, float16, int8 and w8a16 (--dtype)."),
        (("--device", "hailo-8"), "Hailo-8 at float32: it is known at int8 (--dtype)."),
        (("--device", "rpi4", "--batch", "8"), "at float32, batch 8: it is known at batch 1 (--batch)."),
        (("--device", "hailo-8", "--dtype", "int8", "--batch", "4"), "int8, batch 4: it is known at batch 1 and 8 (--batch)."),
        (("--device", "rtx-4090", "--speed", "speed.csv"), "at float32: record workloads with `zoometer run CONFIG --traces"),
    ],
)
def test_what_would_make_a_latency_known_depends_on_the_device(options: tuple[str, ...], sentence: str) -> None:
    for limit in ("--max-latency=10ms", "--min-throughput=5/s"):
        code, _, err = zoometer(limit, *options)
        assert code == 2
        assert sentence in err
        assert len(err.splitlines()) == 2
        assert max(map(len, err.splitlines())) <= 160


def test_a_device_of_which_no_latency_is_known_ranks_by_what_is_known_and_says_so_in_one_line() -> None:
    code, found = record("--device", "stm32h743", "--dtype", "int8")
    assert code == 0
    assert archs([found["pick"]]) == ["tiny"]
    (sentence,) = (one for one in found["assumptions"] if "atency" in one)
    assert sentence.startswith("No latency is known for ST STM32H743 at int8 or a device like it: give measurements")
    code, found = record("--device", "rtx-4090")  # whose latencies would be estimated if they were asked for
    assert [one for one in found["assumptions"] if "atency" in one] == []


@pytest.mark.parametrize("asked", [("--pick", "latency"), ("--pareto", "latency"), ("--pareto", "latency", "--dataset", "none")])
def test_without_a_latency_macs_rank_and_one_line_says_what_would_make_it_known(asked: tuple[str, ...]) -> None:
    code, found = record("--device", "rtx-4090", *asked)
    assert code == 0
    assert [sentence for sentence in found["assumptions"] if "atency" in sentence] == [UNKNOWN_LATENCY]
    in_place = [word.replace("latency", "macs") for word in asked]
    expected = record("--device", "rtx-4090", *in_place)[1]
    assert [found[name] for name in ("objectives", "pick", "frontier")] == [
        expected[name] for name in ("objectives", "pick", "frontier")
    ]


def test_a_device_that_is_only_meant_is_named() -> None:
    _, found = record("--device", "nvidia 4090")
    assert found["assumptions"][0] == "'nvidia 4090' is read as NVIDIA GeForce RTX 4090 (rtx-4090)."
    _, found = record("--device", "RTX 4090")
    assert not [sentence for sentence in found["assumptions"] if "is read as" in sentence]


def test_measured_speed_is_a_limit_and_an_objective() -> None:
    options = ("--device", "rtx-4090", "--dtype", "fp16", "--speed", "speed.csv")
    _, found = record(*options, "--max-latency", "20ms", "--pareto", "latency")
    assert archs([found["pick"]]) == ["large"]
    assert archs(found["frontier"]) == ["large", "small"]
    assert {"tiny", "unknown", "broken"} <= set(archs(found["unknown"]))
    _, found = record(*options, "--pick", "latency", "--min-top1", "75")
    assert archs([found["pick"]]) == ["large"]


def test_an_objective_that_nobody_has_is_left_out_and_named() -> None:
    _, found = record("--pareto", "latency,params")
    assert [objective["column"] for objective in found["objectives"]] == ["imagenet_top1", "params"]
    (said,) = found["assumptions"]
    assert said.startswith("Speed needs a device")
    _, found = record("--pareto", "file_size")
    assert [objective["column"] for objective in found["objectives"]] == ["imagenet_top1"]
    assert "No candidate has a value for File: it is not used for ranking." in found["assumptions"]


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (
            ["--max-params", "5Q", "--min-top1", "0.8"],
            "--max-params: '5Q' is not a number. Write 25M. --min-top1: 0.8 % is hardly meant.",
        ),
        (["--max-gmacs", "1GFLOPs"], "--max-gmacs: '1GFLOPs' is not an amount of MACs."),
        (["--budget", "phone"], "--budget phone needs the configuration that has it"),
        (["zoometer.yaml", "--budget", "fhone"], "has no budget 'fhone'. Did you mean phone"),
        (["--device", "rtx-409"], "There is no device 'rtx-409'. Did you mean rtx-4090"),
        (["--cache", "nowhere"], "The cache 'nowhere' holds no counts."),
        (
            ["--device", "rtx-4090", "--speed", "zoometer.yaml"],
            "'zoometer.yaml' is not a table of speeds in CSV: line 4 has 2 cells, and the first line 1 headings.",
        ),
        (["--speed", "speed.csv"], "--speed is of no use without a device"),
        (["--zoo", "tim"], "--zoo: no model of the cache has the zoo 'tim'. Did you mean timm?"),
        (["--task", "video"], "--task: no model of the cache has the task 'video'."),
        (["--max-peak-memory", "5"], "--max-peak-memory: '5' needs a unit. Write 500MB"),
        (["--pareto", "speed"], "--pareto: 'speed' is not a name of an objective."),
    ],
)
def test_a_mistake_ends_with_code_2_and_the_way_out(args: list[str], sentence: str) -> None:
    code, out, err = zoometer(*args)
    assert (code, out) == (2, "")
    assert sentence in " ".join(err.split())


def test_it_answers_without_torch_and_without_what_it_does_not_need(folder: Path) -> None:
    code = """
import contextlib, sys, reports.cli
sys.argv = ["zoometer", "select", "--max-gmacs", "0.5"]
with contextlib.suppress(SystemExit):
    reports.cli.main()
assert not {"torch", "torchvision", "timm"} & set(sys.modules)
slow = {"fsspec", "filelock", "zoo.refresh.fill_missing", "zoo.accuracy.timm", "reports.config.config", "reports.config.config_file", "reports.cli.keep.refresh", "scipy"}
assert not slow & set(sys.modules), slow & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "timm/small.in1k" in done.stdout


def test_options_replace_parts_of_a_budget_and_leave_the_others_as_they_are() -> None:
    """A duration without its unit is none: what was read once must not be read again."""
    named = BudgetSection.model_validate({"latency": "10ms", "throughput": "5/s", "params": "6M"})
    budget = BudgetSection.from_options({"params": "5M"}, base=named)
    assert (budget.latency, budget.throughput, budget.params) == (10.0, 5.0, 5_000_000)
