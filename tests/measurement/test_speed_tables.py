"""Measured speeds read from timm's tables and from a user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from paths import SHARED

from zoo.devices.data_sheets import shipped_devices
from zoo.devices.device_names import DeviceNames
from zoo.errors import SpeedError
from zoo.measurement.speed_tables import COLUMNS, Speed, SpeedTable, read_speeds, timm_columns
from zoo.records import SPEED_KEY, Architecture

TIMM = SHARED / "data" / "timm"
HEADER = "model,infer_img_size,infer_samples_per_sec,infer_step_time,infer_batch_size,param_count\n"


def architecture(name: str, zoo: str = "timm", input: str = "3x224x224") -> Architecture:
    return Architecture(zoo, name, "classification", None, input, 1000)


NAMES = DeviceNames(shipped_devices().values())
KNOWN = [architecture("resnet50"), architecture("resnet50", "torchvision"), architecture("grey", input="1x28x28")]


def read(folder: Path, text: str, name: str = "mine.csv", given: dict[str, Any] | None = None) -> SpeedTable:
    path = folder / name
    path.write_text(text)
    return read_speeds(path, KNOWN, NAMES, given)


def test_a_timm_table_is_read_with_what_its_name_says(tmp_path: Path) -> None:
    text = HEADER + "resnet50,224,2000.0,128.0,256,25.56\nresnet50.a1_in1k,288,1000.0,256.0,256,25.56\nresnet5,224,1,1000,1,1.0\n"
    table = read(tmp_path, text, "speed-infer-amp-nhwc-pt240-cu124-rtx4090-dynamo.csv")
    source = "speed-infer-amp-nhwc-pt240-cu124-rtx4090-dynamo.csv"
    assert table.rows[0] == Speed(
        "timm", "resnet50", "3x224x224", "base", "rtx-4090", "torch-2.4.0+cu124", "amp", "nhwc", True, 256, 2000.0, 128.0, None, source, None
    )  # fmt: skip
    assert [row.input for row in table.rows] == ["3x224x224", "3x288x288"]
    assert [(one.name, one.input, one.reason) for one in table.unmatched] == [("resnet5", "224", "no architecture resnet5")]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "benchmark-infer-amp-nhwc-pt113-cu117-rtx3090.csv",
            {"device": "rtx3090", "runtime": "torch-1.13+cu117", "dtype": "amp", "layout": "nhwc", "compiled": False},
        ),
        (
            "speed-infer-fp32-nchw-pt240-cpu-i9_10940x-dynamo.csv",
            {"device": "i9_10940x", "runtime": "torch-2.4.0", "dtype": "fp32", "layout": "nchw", "compiled": True},
        ),
        (
            "benchmark-infer-amp-nchw-pt2100-cu130-pro6000maxq.csv",
            {"device": "pro6000maxq", "runtime": "torch-2.10.0+cu130", "dtype": "amp", "layout": "nchw", "compiled": False},
        ),
        (
            "speed-infer-fp32-nchw-pt291-cpu-i7_12700h-dynamo.csv",
            {"device": "i7_12700h", "runtime": "torch-2.9.1", "dtype": "fp32", "layout": "nchw", "compiled": True},
        ),
        (
            "speed-infer-amp-nhwc-pt291-cu130-5090-dynamo.csv",
            {"device": "5090", "runtime": "torch-2.9.1+cu130", "dtype": "amp", "layout": "nhwc", "compiled": True},
        ),
        ("mine.csv", {}),
    ],
)
def test_the_names_of_timms_files(name: str, expected: dict[str, Any]) -> None:
    assert timm_columns(name) == expected


@pytest.mark.parametrize(
    ("name", "device"),
    [("pro6000maxq", "rtx-pro-6000-max-q"), ("i7_12700h", "core-i7-12700h"), ("5090", "rtx-5090"), ("a_new_card", "a_new_card")],
)
def test_a_device_of_a_file_name_is_found_where_it_is_in_the_table(name: str, device: str, tmp_path: Path) -> None:
    (row,) = read(tmp_path, HEADER + "resnet50,224,2000.0,128.0,256,25.56\n", f"speed-infer-amp-nhwc-pt291-cu130-{name}.csv").rows
    assert row.device == device


@pytest.mark.parametrize(
    ("rate", "time", "expected"),
    [
        ("0.05", "21276.6", (1000 / 21276.6, 21276.6)),  # 0.047, printed to two digits after the point
        ("0.03", "21276.6", None),  # 0.025 to 0.035 round to it
        ("200", "5", (200.0, 5.0)),
        ("33.3", "30", (33.3, 30.0)),
        ("200", "6", None),  # 5.5 to 6.5 ms are 154 to 182 a second
    ],
)
def test_a_rate_and_a_time_agree_as_far_as_they_are_printed(
    rate: str, time: str, expected: tuple[float, float] | None, tmp_path: Path
) -> None:
    table = read(tmp_path, f"model,samples_per_s,latency_ms,device,dtype\ngrey,{rate},{time},t4,fp32\n")
    assert [(row.samples_per_s, row.latency_ms) for row in table.rows] == ([expected] if expected else [])
    assert len(table.unmatched) == (expected is None)


def test_one_bad_row_costs_that_row(tmp_path: Path) -> None:
    text = (
        "model,latency_ms,device,dtype,compiled\n"
        "grey,fast,t4,fp32,\ngrey,5,t4,fp32,\ngrey,0,t4,fp16,\ngrey,-1,t4,bf16,\ngrey,4,t4,int8,maybe\n,4,t4,fp32,\n"
    )
    table = read(tmp_path, text)
    assert [row.latency_ms for row in table.rows] == [5]
    assert [one.reason.partition(",")[0] for one in table.unmatched] == [
        "latency_ms is 'fast'", "latency_ms is '0'", "latency_ms is '-1'", "compiled is 'maybe'", "no model is named",
    ]  # fmt: skip


def test_one_bad_size_of_a_timm_table_costs_that_row(tmp_path: Path) -> None:
    text = HEADER + "resnet50,big,2000.0,128.0,256,25.56\nresnet50,288,1000.0,256.0,256,25.56\n"
    table = read(tmp_path, text, "speed-infer-amp-nhwc-pt240-cu124-rtx4090.csv")
    assert [row.input for row in table.rows] == ["3x288x288"]
    assert [one.name for one in table.unmatched] == ["resnet50"]


def test_a_users_table_needs_little_and_can_say_everything(tmp_path: Path) -> None:
    text = (
        "model,input,batch,latency_ms,samples_per_s,device,runtime,dtype,layout,compiled,variant,threads,spread_percent,source,"
        "measured_at\n"
        "torchvision/resnet50,256,4,10,,my-board,ort-1.20,fp16,nhwc,yes,deploy,8,2.5,bench 7,2026-01-02\n"
        "grey,,,,50,i9_10940x,,int8,,,,,,,\n"
    )
    full, least = read(tmp_path, text).rows
    assert full == Speed(
        "torchvision", "resnet50", "3x256x256", "deploy", "my-board", "ort-1.20", "float16", "nhwc", True, 4, 400.0, 10.0, 0.025, "bench 7", "2026-01-02", 8
    )  # fmt: skip
    assert (least.input, least.batch, least.latency_ms, least.device) == ("1x28x28", 1, 1000 / 50, "core-i9-10940x")
    assert (least.source, least.runtime, least.compiled, least.spread, least.measured_at) == ("mine.csv", None, None, None, None)
    assert set(text.splitlines()[0].split(",")) == set(COLUMNS)


def test_what_the_table_leaves_out_can_be_given(tmp_path: Path) -> None:
    (row,) = read(tmp_path, "model,latency_ms\ngrey,5\n", given={"device": "t4", "dtype": "fp16", "runtime": "trt-10"}).rows
    assert (row.device, row.dtype, row.runtime) == ("t4", "float16", "trt-10")


def test_rows_that_cannot_be_used_are_kept_apart_with_the_reason(tmp_path: Path) -> None:
    text = (
        "model,input,batch,latency_ms,samples_per_s,device,dtype\n"
        "grey,28,2,10,200,t4,fp32\n"
        "resnet50,224,1,10,100,t4,fp32\n"
        "grey,28,2,11,182,t4,fp32\n"
        "grey,28,1,10,200,t4,fp32\n"
        "grey,28,1,,,t4,fp32\n"
        "grey,1x2x3x4,1,1,,t4,fp32\n"
    )
    table = read(tmp_path, text)
    assert len(table.rows) == 1
    assert [one.reason.split(";")[0] for one in table.unmatched] == [
        "timm and torchvision both have it",
        "measured by an earlier row of the table already",
        "10 ms for 1 images are 100 images a second, not 200",
        "neither a latency nor a rate",
        "Input '1x2x3x4' does not fit a model that takes 1x28x28.",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model,latency_ms,dtype\ngrey,1,fp32\n", "does not say the device"),
        ("model,latency_ms,device\ngrey,1,t4\n", "does not say the dtype"),
        ("model,device,dtype\ngrey,t4,fp32\n", "needs a column model, and latency_ms or samples_per_s"),
        ("model,latency,device,dtype\ngrey,1,t4,fp32\n", "a column 'latency'. Did you mean latency_ms"),
        ("model,latency_ms,device,dtype\ngrey,fast,t4,fp32\n", "line 2: latency_ms is 'fast'"),
        ("model,latency_ms,device,dtype\ngrey,0,t4,fp32\n", "must be a number above 0"),
        ("model,latency_ms,device,dtype,compiled\ngrey,1,t4,fp32,maybe\n", "compiled is 'maybe'"),
        ("model,infer_samples_per_sec\ngrey,1\n", "not one of timm's speed tables: it has no column infer_batch_size"),
        ("", "has no headings in its first line"),
    ],
)
def test_a_table_that_is_wrong_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SpeedError, match=message):
        read(tmp_path, text)


def test_a_table_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpeedError, match="There is no file"):
        read_speeds(tmp_path / "missing.csv", KNOWN)


def test_records_have_the_columns_of_the_table(tmp_path: Path) -> None:
    (row,) = read(tmp_path, "model,latency_ms,device,dtype\ngrey,5,t4,fp32\n").rows
    assert set(SPEED_KEY) < set(row._fields)
    assert row.samples_per_s == 200


@pytest.mark.skipif(not TIMM.exists(), reason="timm's tables are not there")
@pytest.mark.parametrize("path", sorted(TIMM.glob("speed-infer-*.csv")), ids=lambda path: path.stem)
def test_every_row_of_timms_newest_tables_joins(path: Path) -> None:
    from zoo.adapters.registry import open_zoo

    table = read_speeds(path, open_zoo("timm").architectures(), NAMES)
    assert len(table.rows) > 1400
    assert not table.unmatched
    assert {row.device for row in table.rows} <= set(shipped_devices())
