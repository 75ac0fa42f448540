"""Published speeds on a leaderboard: after what was measured, before what is estimated."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from reports.columns.budget_columns import LATENCY, THROUGHPUT
from reports.selection.candidates import Candidates, build_candidates
from reports.selection.speeds.candidate_speeds import Estimator, SpeedSources
from reports.selection.speeds.published_speeds import describe_origin, published_by_architecture
from zoo.devices.device import Device
from zoo.devices.device_names import find_device
from zoo.measurement.speed_tables import Speed
from zoo.published.published import published_speeds
from zoo.run_config import Precision, RunConfig

PHONE, BOARD, ACCELERATOR = (find_device(name) for name in ("galaxy-s25", "raspberry-pi-5", "hailo-8"))


def leaderboard(*models: str) -> pd.DataFrame:
    rows = [
        {
            "zoo": name.partition("/")[0], "arch": name.partition("/")[2], "tag": "in1k", "input": "3x224x224", "classes": 1000,
            "variant": "base", "status": "exact", "peak_activation_bytes": 4_000_000, "weight_bytes": 80_000_000, "params": 20_000_000,
        }
        for name in models
    ]  # fmt: skip
    return pd.DataFrame(rows).astype({"peak_activation_bytes": "Int64", "weight_bytes": "Int64"})


def at(
    table: pd.DataFrame,
    dtype: str,
    device: Device,
    batch: int | None = 1,
    *,
    speeds: pd.DataFrame | None = None,
    estimate: Estimator | None = None,
    **stated: Any,
) -> Candidates:
    """The candidates in a dtype on a device; without a batch, throughput may be that of any."""
    precision = Precision.parse(dtype)
    assert precision
    free = ("layout", "compiled", *(["batch"] if batch is None else []))
    run = RunConfig(device.id, precision, batch=batch or 1, **stated)
    return build_candidates(table, run, SpeedSources(device, speeds, estimate, free))


def rows_of(device: str, arch: str, **also: Any) -> pd.DataFrame:
    rows = published_speeds(device)
    return rows[(rows["arch"] == arch) & (rows[list(also)] == pd.Series(also)).all(axis=1)]


def known(found: Candidates, column: str = LATENCY.key) -> list[float | None]:
    return [None if pd.isna(value) else value for value in found.table[column].tolist()]


def test_the_fastest_published_way_of_running_answers_and_says_its_conditions() -> None:
    found = at(leaderboard("torchvision/resnet50", "timm/resnet50", "timm/resnet50d"), "int8", PHONE, 1)
    best = rows_of("galaxy-s25", "resnet50", dtype="int8").sort_values("latency_ms").iloc[0]
    assert known(found) == [best["latency_ms"], best["latency_ms"], None]  # timm's computes the same
    assert known(found, THROUGHPUT.key) == [pytest.approx(1000 / best["latency_ms"])] * 2 + [None]
    said = found.table["latency_from"].iloc[0]
    assert said.startswith(f"published: NPU, {best['runtime']}, int8; ")
    assert said.endswith("Qualcomm AI Hub Models, perf.yaml of each model, 2026-02-24")
    (note,) = found.notes_on([LATENCY])
    assert note.startswith("2 latencies are published by Qualcomm AI Hub Models")


def test_measured_comes_before_published_and_published_before_estimated() -> None:
    mine = Speed(
        "timm", "resnet18", "3x224x224", "base", "galaxy-s25", "ort", "int8", None, None, 1, 1000 / 7, 7.0, None, "lab", None
    )

    def estimate(rows: pd.DataFrame) -> pd.DataFrame:
        figures = {"latency_ms": 20.0, "latency_low_ms": 15.0, "latency_high_ms": 27.0, "latency_from": "estimated"}
        return pd.DataFrame(figures, index=rows.index)

    speeds = pd.DataFrame([mine])
    found = at(
        leaderboard("timm/resnet18", "timm/resnet101", "timm/resnet50d"), "int8", PHONE, 1, speeds=speeds, estimate=estimate
    )
    assert [word.partition(":")[0] for word in found.table["latency_from"]] == ["measured", "published", "estimated"]
    assert [value is not None for value in known(found, "latency_low_ms")] == [False, False, True]


@pytest.mark.parametrize(
    ("dtype", "there"),
    [("float32", True), ("float16", True), ("int8", True), ("w8a16", False), ("bfloat16", False), ("amp", False)],
)
def test_a_float_model_answers_for_float32_and_float16(dtype: str, there: bool) -> None:
    found = at(leaderboard("torchvision/resnet18"), dtype, BOARD, 1)
    assert (known(found) != [None]) == there


def test_w8a16_is_a_dtype_of_its_own() -> None:
    found = at(leaderboard("torchvision/mobilenet_v3_large"), "w8a16", PHONE, 1)
    assert known(found) == [rows_of("galaxy-s25", "mobilenet_v3_large", dtype="w8a16")["latency_ms"].min()]
    assert found.table["weights_at_dtype_bytes"].iloc[0] == 80_000_000 / 4
    assert found.table["peak_bytes"].iloc[0] == 4_000_000 / 2


@pytest.mark.parametrize(
    "choice",
    [{"processor": "cpu", "threads": 1}, {"processor": "cpu", "threads": 4}, {"processor": "gpu"}, {"runtime": "NCNN-V"}],
)
def test_a_way_of_running_can_be_chosen(choice: dict[str, Any]) -> None:
    found = at(leaderboard("timm/mobilenetv1_100"), "float32", BOARD, 1, **choice)
    expected = {"runtime": "ncnn-vulkan"} if "runtime" in choice else choice
    assert known(found) == [rows_of("raspberry-pi-5", "mobilenetv1_100", dtype="float", **expected)["latency_ms"].min()]


def test_what_is_not_published_in_the_chosen_way_is_not_known() -> None:
    for choice in ({"processor": "npu"}, {"runtime": "tflite"}, {"compiled": True}):
        assert known(at(leaderboard("timm/mobilenetv1_100"), "float32", BOARD, 1, **choice)) == [None]


def test_throughput_without_a_batch_is_that_of_the_fastest_and_a_stream_says_so() -> None:
    found = at(leaderboard("torchvision/resnet34"), "int8", ACCELERATOR, None)
    rows = rows_of("hailo-8", "resnet34").set_index("batch")
    assert known(found) == [rows.loc[1, "latency_ms"]]
    assert known(found, THROUGHPUT.key) == [pytest.approx(rows["samples_per_s"].max())]
    assert "a stream's images a second, not the time of one" in found.table["latency_from"].iloc[0]
    at_eight = at(leaderboard("torchvision/resnet34"), "int8", ACCELERATOR, 8)
    assert known(at_eight) == [rows.loc[8, "latency_ms"]]


def test_every_architecture_that_computes_the_same_has_the_row() -> None:
    rows = published_by_architecture("galaxy-s25")
    names = set(rows["zoo"] + "/" + rows["arch"])
    assert {"torchvision/vit_b_16", "timm/vit_base_patch16_224", "timm/deit_base_patch16_224"} <= names
    assert len(published_by_architecture()) > len(published_speeds())


def test_conditions_are_said_in_words() -> None:
    row = rows_of("rk3588", "resnet18", threads=4, cores="little", dtype="float").iloc[0].to_dict()
    assert describe_origin(row) == "published: CPU, 4 threads on little cores, ncnn, float; mean of 8 runs; ncnn, benchmark table"


def test_a_device_that_nobody_published_of_has_nothing() -> None:
    assert published_by_architecture("rtx-4090").empty
    found = at(leaderboard("torchvision/resnet18"), "float32", find_device("rtx-4090"), 1)
    assert known(found) == [None]
    assert "at float32: give measurements (--speed FILE), or measure there" in found.notes_on([LATENCY])[0]
