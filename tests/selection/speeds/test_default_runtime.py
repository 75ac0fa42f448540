"""The one runtime of an answer that none was asked for, and that every output has the same."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fakes_cache import Cache
from typer.testing import CliRunner

from reports import cli
from reports.config.workspace import Workspace
from reports.leaderboard.device_latencies import build_device_latencies
from reports.leaderboard.leaderboard import read_leaderboard
from reports.selection.speeds.default_runtime import with_runtime
from reports.selection.speeds.speed_estimates import CachedSpeeds
from zoo.cache.store import Store
from zoo.devices.device_names import find_device
from zoo.published.published import published_speeds
from zoo.run_config import Precision, RunConfig

ARCHS = ("resnet18", "resnet101")


def measured(*runtimes: str | None, **more: Any) -> pd.DataFrame:
    usual = {"dtype": "float16", "layout": "nchw", "compiled": False, "batch": 1}
    return pd.DataFrame([{**usual, "runtime": runtime, **more} for runtime in runtimes])


def runtime_on(device: str, precision: Precision, rows: pd.DataFrame | None = None, **stated: Any) -> str | None:
    run = RunConfig(device, precision, **stated)
    return with_runtime(run, find_device(device), Store("no/such/cache"), rows).runtime


def test_it_is_torch_where_a_data_sheet_is_enough() -> None:
    assert runtime_on("rtx-3090", Precision.FP32) == "torch"
    assert runtime_on("jetson-nano", Precision.INT8) == "ncnn"  # of which no data sheet is enough in int8


@pytest.mark.parametrize("precision", [Precision.FP16, Precision.INT8, Precision.W8A16])
@pytest.mark.parametrize("device", ["galaxy-s25", "qcs8550"])
def test_elsewhere_it_is_the_fastest_for_most_models(device: str, precision: Precision) -> None:
    rows = published_speeds(device)
    rows = rows[(rows["dtype"] == ("float" if precision is Precision.FP16 else precision.dtype)) & (rows["batch"] == 1)]
    steps = rows.pivot_table("latency_ms", "arch", "runtime", aggfunc="min").dropna()
    assert runtime_on(device, precision) == steps.idxmin(axis=1).value_counts().idxmax()


def test_on_a_cpu_and_a_gpu_of_one_board_it_is_the_same_software() -> None:
    assert runtime_on("raspberry-pi-5", Precision.FP32) == "ncnn"
    assert runtime_on("raspberry-pi-5", Precision.FP32, processor="gpu") == "ncnn-vulkan"


def test_what_was_measured_decides() -> None:
    assert runtime_on("rtx-3090", Precision.FP16, measured("trt-10", "trt-8", "torch-2.9.1")) == "trt"
    assert runtime_on("rtx-3090", Precision.FP16, measured("trt-10", dtype="int8")) == "torch"  # it is measured in another way
    assert runtime_on("rtx-3090", Precision.FP16, measured(None, None, "torch-2.9.1")) == "torch"
    assert runtime_on("rtx-3090", Precision.FP16, measured(None)) == "torch"
    assert runtime_on("galaxy-s25", Precision.INT8, measured("onnx", dtype="int8"), runtime="tflite") == "tflite"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Networks of which speeds are published on phones and on GPUs."""
    folder = tmp_path_factory.mktemp("runtime") / "cache"
    cache = Cache(folder)
    for arch in ARCHS:
        cache.arch(arch)
        cache.weights(arch, "in1k")
        cache.cost(arch, 10**9, params=10**7, weight_bytes=4 * 10**7, peak_activation_bytes=10**6)
        cache.accuracy(arch, "in1k", 70.0)
    cache.report()
    return folder


def answers(cache: Path, device: str, dtype: str, *more: str) -> dict[str, dict[str, Any]]:
    """By verb, the latency of each architecture, and of `show` and `compare` the stated runtime."""
    asked = ("--cache", str(cache), "--device", device, "--dtype", dtype, "--format", "json", *more)

    def record(*command: str) -> Any:
        result = CliRunner().invoke(cli.app, [*command, *asked])
        return json.loads(result.stdout) if result.stdout else {}

    names = [f"timm/{arch}" for arch in ARCHS]
    shown = [record("show", name)["latencies"][0] for name in names]
    compared = [model["latency"] for model in record("compare", *names)["models"]]
    assert [one["runtime"] for one in shown] == [one["runtime"] for one in compared]
    selected = record("select", "--pick", "latency", "--pareto", "latency,params")
    rows = [*selected["frontier"], *selected["left_out"], *selected["unknown"]]
    by_name = {row["model"].partition(".")[0]: row.get("latency_ms") for row in rows}
    return {
        "show": {name: one["latency_ms"] for name, one in zip(names, shown, strict=True)},
        "compare": {name: one["latency_ms"] for name, one in zip(names, compared, strict=True)},
        "select": {name: by_name[name] for name in names if name in by_name},
        "runtime": {one["runtime"]: None for one in shown},
    }


def fastest(device: str, dtype: str, runtime: str) -> dict[str, float]:
    rows = published_speeds(device)
    rows = rows[(rows["dtype"] == dtype) & (rows["batch"] == 1) & (rows["runtime"] == runtime)]
    return {f"timm/{arch}": rows.loc[rows["arch"] == arch, "latency_ms"].min() for arch in ARCHS}


def chosen_on_the_page(cache: Path, device: str, precision: Precision) -> tuple[dict[str, float | None], str | None]:
    table = read_leaderboard(Workspace(str(cache)))
    found, _ = build_device_latencies(table, CachedSpeeds(Store(str(cache))), [find_device(device)])
    choice = next((one for one in found if one.stands_for(precision) and one.run.layout == "nchw"), None)
    if choice is None:
        return {}, None
    return dict(zip(table["zoo"] + "/" + table["arch"], choice.latency_ms.tolist(), strict=True)), choice.runtime


def test_every_output_gives_the_latencies_of_the_same_runtime(cache: Path) -> None:
    runtime = runtime_on("galaxy-s25", Precision.INT8)
    assert runtime is not None
    found, expected = answers(cache, "galaxy-s25", "int8"), fastest("galaxy-s25", "int8", runtime)
    assert found["show"] == found["compare"] == expected
    assert found["select"].items() <= expected.items()
    assert found["select"]
    assert set(found["runtime"]) == {runtime}
    assert chosen_on_the_page(cache, "galaxy-s25", Precision.INT8) == (expected, runtime)


def test_published_speeds_of_another_runtime_stand_beside_no_estimate_of_torch(cache: Path) -> None:
    command = ["show", "timm/resnet18", "--cache", str(cache), "--device", "rtx-3090", "--format", "json"]
    found, *_ = json.loads(CliRunner().invoke(cli.app, command).stdout)["latencies"]
    assert (found["kind"], found["runtime"]) == ("estimated", "torch")
    assert chosen_on_the_page(cache, "rtx-3090", Precision.FP32) == ({}, None)  # the cache has no trace
    (asked,) = json.loads(CliRunner().invoke(cli.app, [*command, "--runtime", "ncnn-vulkan"]).stdout)["latencies"]
    assert asked["kind"] == "published"
    assert asked["latency_ms"] == fastest("rtx-3090", "float", "ncnn-vulkan")["timm/resnet18"]


def test_a_note_names_the_runtime_and_the_others(cache: Path) -> None:
    command = ("select", "--cache", str(cache), "--device", "galaxy-s25", "--dtype", "int8", "--pareto", "latency")
    output = " ".join(CliRunner().invoke(cli.app, [*command]).stdout.split())
    names = sorted(published_speeds("galaxy-s25").query("dtype == 'int8' and batch == 1")["runtime"].unique())
    runtime = runtime_on("galaxy-s25", Precision.INT8)
    assert f"All are in {runtime}; there are others: --runtime {', '.join(name for name in names if name != runtime)}." in output


def test_layout_and_execution_are_said_of_torch_only() -> None:
    assert RunConfig(runtime="torch").describe() == "float32, batch 1, nchw, eager, torch"
    assert replace(RunConfig(), runtime="tflite").describe() == "float32, batch 1, tflite"
