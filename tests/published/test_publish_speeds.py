"""The program that builds the data file of published speeds."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from collected_rows import read_collected
from publish_speeds import build, summary

from zoo.errors import SpeedError
from zoo.published.published import NOTE, Check

COLLECTED = Path(__file__).resolve().parents[3] / "shared" / "data" / "speeds"
SHIPPED = Path(__file__).resolve().parents[2] / "zoo" / "published" / "published.parquet"
HEADER = (
    "source_repo,source_file,model_as_published,zoo_arch,input,device,soc,processor,runtime,dtype,batch,latency_ms,throughput_per_s,"
    "memory,macs_published,params_published,license,date,note"
)
EMPTY = f"{HEADER}\nr,f,nothing,,3x224x224,Hailo-8,Hailo-8,npu,HailoRT,int8,1,,10,,,,MIT,2026-01-20,\n"


def tables(folder: Path, **rows: str) -> Path:
    """The three tables, with these rows."""
    for name in ("qualcomm-ai-hub", "hailo-model-zoo", "ncnn-benchmark"):
        text = rows.get(name.partition("-")[0])
        (folder / f"{name}.csv").write_text(f"{HEADER}\n{text}\n" if text else EMPTY)
    return folder


AI_HUB = (
    "r,resnet18/perf.yaml,resnet18/ResNet18,torchvision/resnet18,3x224x224,Samsung Galaxy S25,Snapdragon 8 Elite,npu,tflite,w8a8,1,"
    "0.5,2000,,,11.7M,BSD-3-Clause,2026-02-24,layers 30 of which npu 28.0; qairt 2.43;tflite 2.17.0"
)


def test_a_model_is_joined_with_its_conditions(tmp_path: Path) -> None:
    table = build(tables(tmp_path, qualcomm=AI_HUB), str(tmp_path / "cache"))
    (row,) = table.to_pylist()
    assert (row["zoo"], row["arch"], row["device"], row["dtype"]) == ("torchvision", "resnet18", "galaxy-s25", "int8")
    assert (row["check"], row["params"], row["published_params"]) == (Check.PARAMS, 11_689_512, 11_700_000)
    assert (row["layers"], row["layers_on_npu"], row["conditions"]) == (30, 28, "qairt 2.43, tflite 2.17.0")
    assert row["same_as"] == ["timm/resnet18"]
    note = json.loads(table.schema.metadata[NOTE.encode()])
    assert note["sources"]["ai-hub"]["dates"] == ["2026-02-24"]
    assert [one["model"] for one in note["unmatched"]] == ["nothing", "nothing"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("11.7M", "14.0M"), "14.00 M parameters are published, 11.69 M are ours"),
        (("torchvision/resnet18,", ","), "no architecture of timm or torchvision is known for it"),
        (("torchvision/resnet18,", "timm/resnet_18,"), "timm/resnet_18, its guess, does not exist"),
        (("Samsung Galaxy S25", "Nobody's Phone"), "the table of devices does not have Nobody's Phone"),
        (("0.5,2000", ","), "neither a time nor a rate is published"),
    ],
)
def test_a_row_that_is_not_joined_costs_that_row_and_says_why(change: tuple[str, str], reason: str, tmp_path: Path) -> None:
    rows = f"{AI_HUB}\n{AI_HUB.replace('ResNet18', 'Other').replace(*change)}"
    table = build(tables(tmp_path, qualcomm=rows), str(tmp_path / "cache"))
    assert [row["model"] for row in table.to_pylist() if row["check"] != Check.NONE] == ["resnet18/ResNet18"]
    (why,) = [
        one["reason"] for one in json.loads(table.schema.metadata[NOTE.encode()])["unmatched"] if one["model"] == "resnet18/Other"
    ]
    assert why.startswith(reason)
    assert any(f"of ai-hub: {why}" in line for line in summary(table))


def test_a_table_that_is_not_there_or_lacks_a_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpeedError, match="cannot be read"):
        list(read_collected(tmp_path / "missing.csv", "ncnn"))
    path = tmp_path / "short.csv"
    path.write_text("model,latency_ms\nresnet,1\n")
    with pytest.raises(SpeedError, match="no table of collected speeds: it has no batch"):
        list(read_collected(path, "ncnn"))


def test_what_a_benchmark_note_says(tmp_path: Path) -> None:
    row = (
        "r,README.md:1,mobilenet,,3x224x224,NVIDIA Jetson Nano,NVIDIA Jetson Nano,cpu-4t,ncnn,fp32/fp16 (ncnn default),1,20.5,48.8,,,,B,,"
        "min 20.1 max 21.9 loops 8 powersave 2 NVIDIA Tegra X1 (nvgpu)"
    )
    path = tmp_path / "ncnn-benchmark.csv"
    path.write_text(f"{HEADER}\n{row}\n")
    (one,) = read_collected(path, "ncnn")
    assert {name: one.fields[name] for name in ("processor", "threads", "cores", "dtype", "latency_min_ms", "latency_max_ms")} == {
        "processor": "cpu", "threads": 4, "cores": "big", "dtype": "float", "latency_min_ms": 20.1, "latency_max_ms": 21.9,
    }  # fmt: skip
    assert one.fields["conditions"] == "mean of 8 runs; GPU driver of NVIDIA Tegra X1 (nvgpu)"


@pytest.mark.slow
@pytest.mark.skipif(not COLLECTED.exists(), reason="the collected tables are not there")
def test_the_collected_tables_give_the_file_that_is_shipped(tmp_path: Path) -> None:
    built, shipped = build(COLLECTED, str(tmp_path)), pq.read_table(SHIPPED)
    assert built.schema.metadata == shipped.schema.metadata
    assert built.equals(shipped)
    with (COLLECTED / "qualcomm-ai-hub.csv").open() as file:
        rows = sum(1 for _ in csv.reader(file)) - 1
    note = json.loads(built.schema.metadata[NOTE.encode()])
    joined = sum(row["source"] == "ai-hub" and row["check"] != Check.NONE for row in built.to_pylist())
    assert joined + sum(one["rows"] for one in note["unmatched"] if one["source"] == "ai-hub") == rows
