"""Memory and speed under the conditions of a use: what is counted, what is derived, and what is said about it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from reports.columns.budget_columns import COCO_MAP, LATENCY, MEMORY, PEAK, RUN_COLUMNS, THROUGHPUT, WEIGHTS, WORKING
from reports.config.budget_section import BudgetSection
from reports.selection.budget_answer import answer_budget
from reports.selection.candidates import Candidates, _weights_in, build_candidates
from reports.selection.speeds.candidate_speeds import SpeedSources
from zoo.devices.device import Device
from zoo.devices.device_names import find_device
from zoo.measurement.speed_tables import Speed
from zoo.run_config import Precision, RunConfig

INPUT_ELEMENTS = 3 * 224 * 224
PEAK_BYTES, WEIGHT_BYTES = 4_000_000, 80_000_000


def leaderboard(*archs: str, **more: Any) -> pd.DataFrame:
    row = {
        "zoo": "timm", "tag": "in1k", "input": "3x224x224", "classes": 1000, "variant": "base", "status": "exact",
        "peak_activation_bytes": PEAK_BYTES, "weight_bytes": WEIGHT_BYTES, "params": WEIGHT_BYTES // 4, **more,
    }  # fmt: skip
    table = pd.DataFrame([{"arch": arch, **row} for arch in archs])
    return table.astype({"peak_activation_bytes": "Int64", "weight_bytes": "Int64"})


def speeds(*rows: dict[str, Any]) -> pd.DataFrame:
    usual: dict[str, Any] = {
        "zoo": "timm", "input": "3x224x224", "variant": "base", "device": "rtx-4090", "runtime": "torch-2.4.0", "dtype": "float16",
        "layout": "nhwc", "compiled": False, "batch": 1, "samples_per_s": 100.0, "latency_ms": 10.0, "spread": None, "source": "x",
        "measured_at": None,
    }  # fmt: skip
    return pd.DataFrame([Speed(**{**usual, **row}) for row in rows], columns=Speed._fields)


def plain(found: Candidates, column: str) -> list[float | None]:
    return [None if pd.isna(value) else value for value in found.table[column].tolist()]


def test_as_counted_nothing_is_assumed() -> None:
    found = build_candidates(leaderboard("a"), RunConfig())
    assert plain(found, PEAK.key) == [PEAK_BYTES]
    assert plain(found, WORKING.key) == [PEAK_BYTES + 4 * INPUT_ELEMENTS]
    assert plain(found, MEMORY.key) == [PEAK_BYTES + 4 * INPUT_ELEMENTS + WEIGHT_BYTES]
    assert found.notes_on([PEAK, WORKING, MEMORY, WEIGHTS]) == []


@pytest.mark.parametrize(
    ("precision", "item_bytes"), [(Precision.FP16, 2), (Precision.BF16, 2), (Precision.INT8, 1), (Precision.FP8, 1)]
)
def test_another_dtype_scales_memory_and_says_what_that_assumes(precision: Precision, item_bytes: int) -> None:
    found = build_candidates(leaderboard("a"), RunConfig(precision=precision))
    assert plain(found, WEIGHTS.key) == [WEIGHT_BYTES * item_bytes / 4]
    assert plain(found, WORKING.key) == [PEAK_BYTES * item_bytes / 4 + INPUT_ELEMENTS * item_bytes]
    (note,) = found.notes_on([PEAK, WEIGHTS, MEMORY])
    assert f"float32 times {item_bytes}/4" in note


def test_another_batch_is_an_upper_bound_unless_the_cache_has_it() -> None:
    found = build_candidates(leaderboard("a"), RunConfig(batch=8))
    assert plain(found, PEAK.key) == [8 * PEAK_BYTES]
    assert "upper bound" in found.notes_on([PEAK])[0]
    counted = pd.concat([leaderboard("a", "b", batch=1), leaderboard("a", batch=8, peak_activation_bytes=5 * PEAK_BYTES)])
    found = build_candidates(counted, RunConfig(batch=8))
    assert plain(found, PEAK.key) == [5 * PEAK_BYTES, 8 * PEAK_BYTES]
    assert found.table["arch"].tolist() == ["a", "b"]
    assert "Where the cache has no count" in found.notes_on([PEAK])[0]


def test_work_is_that_of_one_image_whatever_batch_was_counted() -> None:
    work = {"macs": 80, "flops": 160, "activations": 40}
    found = build_candidates(leaderboard("a", batch=4, **work), RunConfig(batch=8))
    assert [plain(found, name) for name in work] == [[20], [40], [10]]
    assert plain(found, PEAK.key) == [2 * PEAK_BYTES]
    assert plain(build_candidates(leaderboard("a", batch=4, **work), RunConfig()), PEAK.key) == [
        None
    ]  # nothing bounds it from above


def test_what_is_not_counted_has_no_memory() -> None:
    found = build_candidates(
        leaderboard("a", peak_activation_bytes=None, weight_bytes=None), RunConfig(precision=Precision.INT8, batch=4)
    )
    assert [plain(found, column.key) for column in RUN_COLUMNS] == [[None]] * len(RUN_COLUMNS)


CARD, HALF = find_device("rtx-4090"), RunConfig(precision=Precision.FP16)
ANY_BUT_BATCH = ("layout", "compiled")


def test_speed_is_that_of_the_device_dtype_and_batch() -> None:
    measured = speeds(
        {"arch": "a"},
        {"arch": "a", "batch": 256, "samples_per_s": 5000.0, "latency_ms": 51.2},
        {"arch": "b", "batch": 256, "samples_per_s": 900.0, "latency_ms": 284.0},
        {"arch": "c", "device": "t4"},
        {"arch": "d", "dtype": "float32"},
        {"arch": "e", "input": "3x288x288"},
    )
    table = leaderboard("a", "b", "c", "d", "e")
    found = build_candidates(table, HALF, SpeedSources(CARD, measured, free=("batch", *ANY_BUT_BATCH)))
    assert plain(found, LATENCY.key) == [10, None, None, None, None]
    assert plain(found, THROUGHPUT.key) == [5000, 900, None, None, None]  # of the fastest batch
    found = build_candidates(table, replace(HALF, batch=256), SpeedSources(CARD, measured, free=ANY_BUT_BATCH))
    assert plain(found, LATENCY.key) == [51.2, 284, None, None, None]
    assert "as measured on NVIDIA GeForce RTX 4090 (torch-2.4.0, float16, nhwc, eager)" in found.notes_on([LATENCY])[0]


def test_only_one_way_of_running_is_compared_the_one_measured_most() -> None:
    measured = speeds({"arch": "a", "compiled": True, "latency_ms": 5.0}, {"arch": "a"}, {"arch": "b"})
    found = build_candidates(leaderboard("a", "b"), HALF, SpeedSources(CARD, measured, free=ANY_BUT_BATCH))
    assert plain(found, LATENCY.key) == [10, 10]
    assert found.notes_on([LATENCY])[0].endswith("1 other configuration was measured too.")


def test_autocast_stands_for_float16_and_for_nothing_else() -> None:
    measured = speeds({"arch": "a", "dtype": "amp"})
    sources = SpeedSources(CARD, measured, free=ANY_BUT_BATCH)
    latencies = [
        plain(build_candidates(leaderboard("a"), RunConfig(precision=precision), sources), LATENCY.key)
        for precision in (Precision.FP16, Precision.FP32)
    ]
    assert latencies == [[10], [None]]


def test_an_estimate_fills_what_was_not_measured() -> None:
    def estimate(rows: pd.DataFrame) -> pd.DataFrame:
        known = rows["arch"] == "b"
        figures = {"latency_ms": 20.0, "latency_low_ms": 15.0, "latency_high_ms": 27.0, "latency_from": "estimated"}
        return pd.DataFrame({name: known.map({True: value, False: None}) for name, value in figures.items()}, index=rows.index)

    sources = SpeedSources(CARD, speeds({"arch": "a", "batch": 4}), estimate, ANY_BUT_BATCH)
    found = build_candidates(leaderboard("a", "b", "c"), replace(HALF, batch=4), sources)
    assert plain(found, LATENCY.key) == [10, 20, None]
    assert plain(found, THROUGHPUT.key) == [100, 1000 * 4 / 20, None]
    assert plain(found, "latency_high_ms") == [None, 27, None]
    assert found.table["latency_from"].fillna("").tolist() == ["measured", "estimated", ""]


@pytest.mark.parametrize(
    ("device", "said"),
    [
        (None, "Speed needs a device"),
        (CARD, "No latency is known for NVIDIA GeForce RTX 4090 at float32: give measurements (--speed FILE), or"),
    ],
)
def test_without_speed_it_says_what_is_missing(device: Device | None, said: str) -> None:
    sources = SpeedSources(device) if device else None
    assert said in build_candidates(leaderboard("a"), RunConfig(), sources).notes_on([LATENCY])[0]


def of_tasks(*rows: tuple[str, float | None, float | None]) -> pd.DataFrame:
    """A leaderboard of these tasks, with the mAP of keypoints and of boxes."""
    tasks, keypoints, boxes = (list(values) for values in zip(*rows, strict=True))
    table = leaderboard(*(f"model{place}" for place in range(len(rows))))
    return table.assign(
        task=tasks, coco_keypoint_map=pd.array(keypoints, dtype="Float64"), coco_box_map=pd.array(boxes, dtype="Float64")
    )


def test_the_map_on_coco_is_that_of_each_models_task() -> None:
    rows = [("detection", None, 37.0), ("keypoints", 65.0, 54.6), ("keypoints", None, 50.0), ("classification", None, None)]
    found = build_candidates(of_tasks(*rows), RunConfig())
    assert plain(found, COCO_MAP.key) == [37.0, 65.0, None, None]  # the third's boxes are not what its task is about
    (note,) = found.notes_on([COCO_MAP])
    assert note.startswith("mAP is box mAP for detection; keypoint mAP for keypoints.")
    assert "--task" in note


def test_of_one_task_the_map_needs_no_warning() -> None:
    found = build_candidates(of_tasks(("detection", None, 37.0)), RunConfig())
    assert found.notes_on([COCO_MAP]) == ["mAP is box mAP for detection."]
    assert build_candidates(of_tasks(("detection", None, None)), RunConfig()).notes_on([COCO_MAP]) == []


def test_where_nothing_that_fits_has_an_accuracy_costs_rank() -> None:
    columns = {
        "imagenet_top1": pd.array([80.0, None, None], dtype="Float64"),
        "macs": pd.array([9 * 10**9, 3 * 10**9, 2 * 10**9], dtype="Int64"),
    }
    table = leaderboard("a", "b", "c").assign(model=["timm/a", "timm/b", "timm/c"], task="classification", **columns)
    answer = answer_budget(table, BudgetSection.model_validate({"macs": "5G"}))
    assert answer.selection.pick is not None
    assert answer.selection.table["model"].iloc[answer.selection.pick] == "timm/c"
    assert answer.assumptions[0] == "None of those that fit has a value for Top-1: it is not used for ranking."
    assert answer_budget(table, BudgetSection.model_validate({"macs": "1G"})).selection.pick is None


def test_a_budget_whose_speed_cannot_be_tested_says_so_and_picks_nothing() -> None:
    columns = {"imagenet_top1": pd.array([70.0, 80.0], dtype="Float64"), "macs": pd.array([10**9] * 2, dtype="Int64")}
    table = leaderboard("a", "b").assign(model=["timm/a", "timm/b"], task="classification", **columns)
    budget = BudgetSection.model_validate({"device": "rtx-4090", "latency": "5ms", "throughput": "9/s"})
    answer = answer_budget(table, budget, SpeedSources(CARD))
    assert answer.selection.pick is None
    (reason,) = answer.reasons
    assert reason.startswith("Latency ≤ 5.00 ms and Throughput ≥ 9.00 /s cannot be tested. No latency is known for NVIDIA")
    known = answer_budget(
        table, budget, SpeedSources(CARD, speeds({"arch": "a", "dtype": "float32"}), free=("batch", *ANY_BUT_BATCH))
    )
    assert not known.untestable  # one is known: the other is left out for want of a figure
    assert known.reasons == ("Nothing fits: each of 2 candidates exceeds a limit or has no value for it.",)


@pytest.mark.parametrize(
    ("dtype", "of_float32", "of_int8"), [("fp32", 400.0, 130.0), ("fp16", 200.0, 130.0), ("int8", 100.0, 100.0)]
)
def test_weights_that_are_stored_in_int8_stay_as_they_are(dtype: str, of_float32: float, of_int8: float) -> None:
    """A model of 100 parameters with 4 bytes each, and one with 1 byte each and 30 bytes of scales."""
    precision = Precision.parse(dtype)
    assert precision is not None
    stored, params = pd.Series([400.0, 130.0], dtype="Float64"), pd.Series([100, 100], dtype="Float64")
    assert list(_weights_in(precision, stored, params)) == [of_float32, of_int8]
