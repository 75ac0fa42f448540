"""The data file of published speeds that comes with zoometer."""

from __future__ import annotations

from importlib import resources

import pandas as pd
import pyarrow.parquet as pq
import pytest
from match_checks import TOLERANCE

from zoo.devices.data_sheets import shipped_devices
from zoo.published.published import FILE, FOR_FITTING, SCHEMA, Check, published_sources, published_speeds, unmatched_models

ALL = published_speeds(near=True)
JOINED = published_speeds()


def test_the_file_is_small_and_of_the_declared_types() -> None:
    path = resources.files("zoo.published").joinpath(FILE)
    with resources.as_file(path) as file:
        assert file.stat().st_size < 500_000
        assert pq.read_schema(file).remove_metadata().equals(SCHEMA)


def test_every_row_names_its_source_and_a_device_we_know() -> None:
    sources = published_sources()
    assert set(ALL["source"]) == set(sources)
    assert all(source.license and source.url.startswith("https://") for source in sources.values())
    assert set(ALL["device"]) <= set(shipped_devices())


@pytest.mark.parametrize(("published", "ours", "checks"), [("published_params", "params", [Check.FIGURES, Check.PARAMS])])
def test_parameters_of_joined_models_are_ours_within_the_tolerance(published: str, ours: str, checks: list[Check]) -> None:
    """A figure may be rounded, by half a unit of at most a million."""
    rows = JOINED[JOINED["check"].isin(checks)]
    apart = (rows[published] - rows[ours]).abs()
    assert len(rows) > 3000
    assert (apart <= TOLERANCE * rows[ours] + 500_000).all()
    exact = rows[rows["figures_from"].notna() & (rows["source"] == "ncnn")]
    assert (apart[exact.index] <= TOLERANCE * exact[ours]).all()


def test_multiply_accumulates_of_joined_models_are_ours_up_to_the_operations_that_others_count() -> None:
    rows = JOINED[JOINED["check"].isin([Check.FIGURES, Check.MACS])]
    share = rows["published_macs"] / rows["macs"]
    assert len(rows) > 2000
    assert share.between(1 - TOLERANCE, 1 + 2 * TOLERANCE).all()
    assert (share[rows["source"] == "ncnn"] - 1).abs().max() <= TOLERANCE  # counted from the files it runs


def test_few_rows_are_matched_by_name_alone() -> None:
    by_name = JOINED[JOINED["check"] == Check.NAME]
    assert set(by_name["model"]) == {"regnet_y_800mf/RegNet-Y-800MF"}


def test_rows_that_are_not_joined_say_why_and_are_left_out_unless_asked_for() -> None:
    near = ALL[ALL["check"].isin(FOR_FITTING)]
    assert len(near) == len(ALL) - len(JOINED) > 1000
    assert near["reason"].notna().all()
    assert JOINED["reason"].isna().all()
    assert {("ncnn", "resnet50"), ("hailo", "resnet_v1_50")} <= set(zip(near["source"], near["model"], strict=True))
    unmatched = unmatched_models()
    assert unmatched["reason"].str.len().min() > 10
    assert not set(JOINED["source"] + JOINED["model"]) & set(near["source"] + near["model"])
    assert {"shufflenet", "yolov8n"} <= set(unmatched["model"])


def test_a_row_has_the_time_of_a_step_and_the_rate_that_goes_with_it() -> None:
    assert (ALL["latency_ms"] > 0).all()
    assert ALL["samples_per_s"].to_numpy() == pytest.approx((1000 * ALL["batch"] / ALL["latency_ms"]).to_numpy())
    assert (ALL.loc[ALL["source"] == "hailo", "is_rate"]).all()
    timed = ALL[ALL["latency_min_ms"].notna()]
    assert (timed["latency_min_ms"] <= timed["latency_max_ms"]).all()


def test_conditions_are_columns() -> None:
    board = published_speeds("raspberry-pi-5")
    one = board[(board["model"] == "mobilenet") & (board["threads"] == 1)]
    (row,) = one.to_dict("records")
    assert (row["processor"], row["runtime"], row["dtype"], row["cores"]) == ("cpu", "ncnn", "float", "all")
    assert (row["zoo"], row["arch"], row["input"]) == ("timm", "mobilenetv1_100", "3x224x224")
    phone = published_speeds("galaxy-s25")
    assert {"float", "int8", "w8a16"} <= set(phone["dtype"])
    assert set(phone["processor"]) == {"npu"}
    assert "timm/resnet18" in phone.loc[phone["arch"] == "resnet18", "same_as"].iloc[0]


def test_layers_say_how_many_run_on_the_npu() -> None:
    rows = ALL[ALL["layers"].notna()]
    assert set(rows["source"]) == {"ai-hub"}
    on_npu = rows[rows["processor"] == "npu"]
    assert (on_npu["layers_on_npu"] <= on_npu["layers"]).all()
    assert pd.isna(ALL.loc[ALL["source"] == "ncnn", "layers"]).all()
