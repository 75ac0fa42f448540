"""`zoometer measure` and `zoometer speeds`."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # its stubs are a distribution of their own
import pandas as pd
import pytest
from fakes_cache import Cache
from typer.testing import CliRunner

from reports import cli
from reports.cli.common.answers import answer_schema
from reports.cli.measure.measure_run import MeasureRequest, read_settings
from reports.config.config_file import load_config
from zoo.cache.store import Store
from zoo.errors import ConfigError
from zoo.measurement.repetition import TimingTarget
from zoo.run_config import Precision, RunConfig

TIMM_HEADER = "model,infer_img_size,infer_samples_per_sec,infer_step_time,infer_batch_size,param_count\n"
TIMM_NAME = "speed-infer-amp-nhwc-pt240-cu124-rtx4090.csv"


def zoometer(*args: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli.app, list(args))
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of three models, and files of measured speeds."""
    monkeypatch.chdir(tmp_path)
    cache = Cache(tmp_path / "cache")
    for name, top1 in (("small", 70.0), ("large", 80.0), ("huge", 85.0)):
        cache.model(name, 10**9, top1)
    cache.report()
    rows = "small,224,4000,64.0,256,2.0\nlarge,224,1000,256.0,256,9.0\ngone.a1_in1k,224,9,1000,9,1\n"
    (tmp_path / TIMM_NAME).write_text(TIMM_HEADER + rows)
    (tmp_path / "mine.csv").write_text("model,latency_ms,measured_at\ntimm/small,2,2026-01-02\ntimm/large,8,2026-01-02\n")
    return tmp_path


MINE = ("speeds", "import", "mine.csv", "--device", "my-board", "--dtype", "fp16")


def listed(*args: str) -> list[dict[str, Any]]:
    code, out, _ = zoometer("speeds", "list", *args, "--format", "json")
    assert code == 0
    found: list[dict[str, Any]] = json.loads(out)
    return found


def test_the_example_configuration_measures_two_small_models(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(repository / "configs" / "measure.yaml", tmp_path)
    quick = ("--time", "300ms", "--threads", "1", "--precision", "20%", "--as", "here", "--least", "6")
    code, out, err = zoometer("measure", "measure.yaml", "timm/test_vit", "timm/test_resnet", *quick, "--format", "json")
    assert code == 0, err
    rows = json.loads(out)
    jsonschema.Draft202012Validator(answer_schema("measure")).validate(rows)
    assert [(row["arch"], row["batch"], row["status"], row["device"]) for row in rows] == [
        ("test_resnet", 1, "measured", "here"), ("test_vit", 1, "measured", "here"),
    ]  # fmt: skip
    assert all(row["latency_ms"] > 0 and row["achieved_gflops_per_s"] > 0 and row["environment"]["threads"] == 1 for row in rows)
    assert "2 measurements, 0 in the cache, 2 to make; about " in err
    assert "2 of 2  timm/test_vit 3x160x160, batch 1, torch-" in err
    code, out, err = zoometer("measure", "measure.yaml", "timm/test_vit", *quick)
    assert (code, "1 measurements, 1 in the cache, 0 to make\n" in err) == (0, True)
    assert "timm/test_vit  3x160x160      1" in out
    assert [row["arch"] for row in listed("timm/*_vit")] == ["test_vit"]


def test_the_configuration_says_how_and_options_go_before_it(tmp_path: Path) -> None:
    path = tmp_path / "measure.yaml"
    path.write_text(
        "cache: there/\nzoos: {timm: {include: [resnet18, vit_*], inputs: [160]}}\n"
        "measure: {device: 'cuda:1', as: my-gpu, dtype: [amp, float32], layout: nhwc, batch: [1, 8], max_batch: 64, precision: 1%, "
        "time: 5s, timeout: 1s, least: 7, most: 9, compiled: [false, true], memory_gb: 2.0}\n"
    )
    found = read_settings(MeasureRequest((str(path),), {}))
    assert (found.cache, found.device_id, found.batches, found.max_batch) == ("there/", "my-gpu", (1, 8), 64)
    assert found.runs == tuple(
        RunConfig("cuda:1", precision, "nhwc", compiled)
        for precision in (Precision.AMP, Precision.FP32)
        for compiled in (False, True)
    )
    assert (found.target, found.timeout_s, found.memory_gb) == (TimingTarget(0.01, 7, 9, 5.0), 1.0, 2.0)
    assert found.zoos["timm"].inputs == ("160",)
    asked = MeasureRequest(
        (str(path), "timm/resnet5?"), {"dtype": ["bf16"], "batch": [2]}, inputs=("96",), cache="here/", rebuild=True
    )
    changed = read_settings(asked)
    assert (changed.cache, changed.batches, changed.rebuild) == ("here/", (2,), True)
    assert {run.precision for run in changed.runs} == {Precision.BF16}
    assert (changed.zoos["timm"].selection.include, changed.zoos["timm"].inputs) == (("resnet5?",), ("96",))


def test_models_alone_need_no_configuration() -> None:
    found = read_settings(MeasureRequest(("timm/resnet18", "timm/vit_*", "torchvision/swin_t"), {}))
    assert {name: zoo.selection.include for name, zoo in found.zoos.items()} == {
        "timm": ("resnet18", "vit_*"), "torchvision": ("swin_t",),
    }  # fmt: skip
    assert (found.runs, found.batches, found.max_batch) == ((RunConfig("cpu"),), (1,), None)


@pytest.mark.parametrize(
    ("targets", "options", "sentence"),
    [
        (("resnet18",), {}, "'resnet18' names no model of a zoo. Write zoo/architecture"),
        (("mypackage:Net",), {}, "a model of your own is declared in one"),
        (("a.yaml", "b.yaml"), {}, "are two configurations"),
        (("timm/resnet18",), {"device": "gpu"}, "--device: 'gpu' is no device that can be measured on"),
        (("timm/resnet18",), {"dtype": ["int8"]}, "--dtype: 'int8' is not a dtype that can be measured in"),
        (("timm/resnet18",), {"time": "5"}, "--time: '5' is not a duration"),
        (("timm/resnet18",), {"as": "My GPU"}, "--as: "),
    ],
)
def test_a_mistake_is_said_with_the_option(targets: tuple[str, ...], options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence.split("'", maxsplit=1)[0] or "'") as raised:
        read_settings(MeasureRequest(targets, options))
    assert sentence in str(raised.value)


def test_a_mistake_in_the_section_is_said_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("zoos: {timm: {}}\nmeasure:\n  presicion: 2%\n")
    with pytest.raises(ConfigError, match=r"line 3: measure\.presicion is not a known key\. Did you mean precision\?"):
        load_config(path)


def test_an_unknown_model_ends_with_code_2(tmp_path: Path) -> None:
    code, _, err = zoometer("measure", "timm/resnet18000", "--cache", str(tmp_path))
    assert code == 2
    assert "timm has no architecture 'resnet18000'. Did you mean" in err


def test_a_timm_table_is_imported_once_and_says_what_did_not_join(folder: Path) -> None:
    code, out, _ = zoometer("speeds", "import", TIMM_NAME)
    assert (code, out) == (0, f"{TIMM_NAME}: 2 rows added, 1 not used:\n  1  no such architecture is known: gone.a1_in1k\n")
    code, out, _ = zoometer("speeds", "import", TIMM_NAME, "--format", "json")
    assert json.loads(out) == [
        {
            "file": TIMM_NAME, "added": 0, "known": 2,
            "unmatched": [{"model": "gone.a1_in1k", "input": "224", "reason": "no architecture gone"}],
        }
    ]  # fmt: skip
    found = {row["arch"]: row for row in listed("--device", "rtx-4090")}
    assert (found["large"]["latency_ms"], found["large"]["samples_per_s"], found["large"]["batch"]) == (256.0, 1000.0, 256)
    assert (found["large"]["dtype"], found["large"]["source"], found["large"]["measured_at"]) == ("amp", TIMM_NAME, None)


def test_a_users_table_is_imported_and_select_uses_it_without_being_told(folder: Path) -> None:
    assert zoometer(*MINE)[1] == "mine.csv: 2 rows added, 0 not used.\n"
    (row,) = listed("timm/large")
    assert (row["device"], row["dtype"], row["latency_ms"], row["measured_at"][:10]) == ("my-board", "float16", 8.0, "2026-01-02")
    select = ("select", "--device", "my-board", "--dtype", "fp16", "--max-latency", "10ms", "--format", "json")
    code, out, err = zoometer(*select)
    assert code == 0, err
    answer = json.loads(out)
    assert answer["pick"]["model"] == "timm/large.in1k"
    assert answer["pick"]["latency_ms"] == 8.0
    assert [row["model"] for row in answer["unknown"]] == ["timm/huge.in1k"]


def test_the_newest_measurement_counts_and_a_given_file_goes_before_the_cache(folder: Path) -> None:
    zoometer(*MINE)
    (folder / "mine.csv").write_text("model,latency_ms,measured_at\ntimm/large,12,2026-01-03\n")
    assert zoometer(*MINE)[1] == "mine.csv: 1 rows added, 0 not used.\n"
    (folder / "old.csv").write_text("model,latency_ms,measured_at\ntimm/large,99,2025-01-01\n")
    zoometer("speeds", "import", "old.csv", *MINE[3:])
    assert {row["arch"]: row["latency_ms"] for row in listed()} == {"small": 2.0, "large": 12.0}
    assert len(Store(folder / "cache").read("speed")) == 4
    (folder / "given.csv").write_text("model,latency_ms,device,dtype\ntimm/large,9,my-board,fp16\n")
    select = (
        "select",
        "--device",
        "my-board",
        "--dtype",
        "fp16",
        "--max-latency",
        "10ms",
        "--format",
        "json",
        "--speed",
        "given.csv",
    )
    assert json.loads(zoometer(*select)[1])["pick"]["latency_ms"] == 9.0


def test_speeds_are_listed_as_a_table_and_as_csv(folder: Path) -> None:
    zoometer("speeds", "import", TIMM_NAME)
    _, out, _ = zoometer("speeds", "list")
    assert "timm/large  3x224x224    256   256 ms  –     1,000" in out
    rows = list(csv.DictReader(io.StringIO(zoometer("speeds", "list", "--format", "csv")[1])))
    assert [(row["arch"], row["latency_ms"]) for row in rows] == [("small", "64.0"), ("large", "256.0")]


def test_published_speeds_are_listed_of_what_is_named(folder: Path) -> None:
    zoometer(*MINE)
    code, out, err = zoometer("speeds", "list")
    assert code == 0
    assert "published speeds besides: name models or a device" in err
    assert "galaxy-s25" not in out
    found = listed("--device", "Galaxy S25", "timm/resnet18")
    assert {row["status"] for row in found} == {"published"}
    assert {row["device"] for row in found} == {"galaxy-s25"}
    assert all(row["latency_ms"] > 0 and "Qualcomm AI Hub Models" in row["conditions"] for row in found)
    assert [row["status"] for row in listed("timm/small")] == ["measured"]
    assert listed("timm/resnet18", "--only", "measured") == []
    code, out, _ = zoometer("speeds", "list", "timm/resnet18", "--device", "s25", "--only", "published")
    assert "timm/resnet18  3x224x224      1" in out
    assert "NPU, tflite, int8" in out


def test_cache_commands_know_the_table(folder: Path) -> None:
    zoometer("speeds", "import", TIMM_NAME)
    info = json.loads(zoometer("cache", "info", "--format", "json")[1])
    assert {"table": "speed", "rows": 2}.items() <= next(table for table in info["tables"] if table["table"] == "speed").items()
    assert zoometer("cache", "verify")[0] == 0
    code, _, err = zoometer("cache", "export", "speed", "--output", "speed.csv")
    assert code == 0, err
    assert pd.read_csv("speed.csv")["arch"].tolist() == ["small", "large"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("model,latency_ms\ntimm/small,2\n", "does not say the device"),
        ("model,latency_ms,device,dtype,measured_at\ntimm/small,2,x,fp32,yesterday\n", "measured_at is 'yesterday'"),
    ],
)
def test_a_table_that_cannot_be_read_adds_nothing(folder: Path, text: str, sentence: str) -> None:
    (folder / "bad.csv").write_text(text)
    code, _, err = zoometer("speeds", "import", TIMM_NAME, "bad.csv")
    assert (code, sentence in err) == (2, True), err
    assert not len(Store(folder / "cache").read("speed"))


@pytest.mark.parametrize("verb", ["import", "list"])
def test_help_fits_80_columns_and_ends_with_examples(verb: str) -> None:
    result = CliRunner().invoke(cli.app, ["speeds", verb, "--help"], prog_name="zoometer", env={"COLUMNS": "80"})
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert f"\n Examples:\n\n   zoometer speeds {verb}" in result.stdout
