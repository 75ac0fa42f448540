"""Measuring through processes: what is measured, what fails, what is kept and what is not measured again."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from nets_for_tests import LARGEST_BATCH

from zoo.cache.health import verify
from zoo.cache.maintenance import compact
from zoo.cache.store import Store
from zoo.errors import BusyError, SpeedError
from zoo.measurement.repetition import TimingTarget
from zoo.measurement.session import measure
from zoo.measurement.settings import MeasureListener, MeasureSettings
from zoo.records import SPEED_KEY, DeclaredModel
from zoo.run_config import Precision, RunConfig
from zoo.settings import ZooSettings

QUICK = TimingTarget(half_width=0.5, least=6, most=50, time_s=0.2, warm_up=1, warm_up_s=0.0)
WIDTH, OUTPUTS = 64, 32
NETS = ("linear", "Crashing", "Hanging", "Hungry")


class Heard(MeasureListener):
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.plans: list[tuple[int, int]] = []
        self.rows: list[Mapping[Any, Any]] = []

    def planned(self, total: int, to_measure: int, expected_s: float, most_s: float) -> None:
        assert (expected_s > 0) == (most_s > 0) == (to_measure > 0)
        self.plans.append((total, to_measure))

    def measured(self, row: Mapping[Any, Any], left_s: float) -> None:
        assert left_s >= 0
        self.rows.append(row)


def declared(*names: str) -> dict[str, ZooSettings]:
    arguments = {"linear": f'{{"inputs": {WIDTH}, "outputs": {OUTPUTS}}}'}
    usual = f'{{"in_features": {WIDTH}, "out_features": {OUTPUTS}}}'
    models = (
        DeclaredModel(name, f"nets_for_tests:{name}", arguments=arguments.get(name, usual), inputs=(str(WIDTH),))
        for name in names
    )
    return {"mine": ZooSettings(models=tuple(models))}


def settings(cache: Path, *names: str, **more: Any) -> MeasureSettings:
    usual: dict[str, Any] = {
        "batches": (1,),
        "target": QUICK,
        "device_id": "here",
        "timeout_s": 60.0,
        "runs": (RunConfig("cpu", threads=1),),
    }
    return MeasureSettings(str(cache), declared(*names), **{**usual, **more})


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One model measured in two batches, one that crashes, one that hangs, and one that takes few images."""
    cache = tmp_path_factory.mktemp("measured")
    measure(settings(cache, "linear", "Crashing", batches=(1, 2)))
    measure(settings(cache, "Hanging", timeout_s=5.0))
    measure(settings(cache, "Hungry", max_batch=8))
    return cache


def rows(cache: Path, arch: str, *, failed: bool = True) -> pd.DataFrame:
    table = Store(cache).speeds("here", failed=failed)
    return table[table["arch"] == arch].sort_values("batch").reset_index(drop=True)


def test_a_row_says_what_was_measured_how_and_how_well(cache: Path) -> None:
    for batch, row in zip((1, 2), rows(cache, "linear").to_dict("records"), strict=True):
        assert (row["status"], row["batch"], row["dtype"], row["layout"], row["compiled"]) == (
            "measured",
            batch,
            "float32",
            "nchw",
            False,
        )
        assert (row["zoo"], row["input"], row["variant"], row["threads"]) == ("mine", str(WIDTH), "base", 1)
        assert row["samples_per_s"] == pytest.approx(1000 * batch / row["latency_ms"])
        flops = 2 * WIDTH * OUTPUTS * batch
        assert row["achieved_gflops_per_s"] == pytest.approx(flops / (row["latency_ms"] / 1000) / 1e9)
        assert row["share_of_peak"] == pytest.approx(row["achieved_gflops_per_s"] / row["peak_gflops_per_s"])
        assert 6 <= row["repetitions"] <= 50
        assert row["spread"] >= 0
        assert '"threads": 1' in row["environment"]
        assert '"library": "mine declared"' in row["environment"]
        assert row["source"].startswith("measured by zoometer ")


def test_a_model_that_crashes_its_process_is_a_failed_row_at_each_batch(cache: Path) -> None:
    found = rows(cache, "Crashing")
    assert found["batch"].tolist() == [1, 2]
    assert set(found["status"]) == {"failed"}
    assert set(found["reason"]) == {"worker: its process was ended by SIGSEGV"}
    assert found["latency_ms"].isna().all()


def test_a_model_that_hangs_is_ended_and_a_failed_row(cache: Path) -> None:
    (row,) = rows(cache, "Hanging").to_dict("records")
    assert (row["status"], row["reason"]) == ("failed", "timeout: no result within 5 s")


def test_the_largest_batch_is_searched_by_halving(cache: Path) -> None:
    """8 and 4 are too many; 2 fits. One image was asked for beside it."""
    assert LARGEST_BATCH == 3
    found = rows(cache, "Hungry")
    assert found[["batch", "status"]].to_dict("list") == {
        "batch": [1, 2, 4, 8],
        "status": ["measured", "measured", "failed", "failed"],
    }
    assert all(reason.startswith("memory: OutOfMemoryError") for reason in found["reason"][2:])
    assert rows(cache, "Hungry", failed=False)["batch"].tolist() == [1, 2]


def test_what_is_there_from_the_same_environment_is_not_measured_again(cache: Path) -> None:
    heard = Heard()
    again = measure(settings(cache, "linear", "Hungry", batches=(1, 2), max_batch=8), heard)
    assert heard.plans == [(2 * 3, 1)]  # the linear model's largest batch; the other's search has ended at 2
    assert [(row["arch"], row["batch"]) for row in heard.rows] == [("linear", 8)]
    assert (again.measured, again.failed) == (1, 0)
    assert [(row["arch"], row["batch"]) for row in again.rows] == [
        *(("linear", batch) for batch in (1, 2, 8)), *(("Hungry", batch) for batch in (1, 2, 8, 4)),
    ]  # fmt: skip


def test_failures_that_may_pass_and_another_environment_are_measured_again(cache: Path) -> None:
    heard = Heard()
    measure(settings(cache, "Crashing"), heard)
    assert heard.plans == [(1, 1)]
    measure(settings(cache, "linear", runs=(RunConfig("cpu", threads=2),)), heard)
    assert heard.plans[1:] == [(1, 1)]
    assert set(rows(cache, "linear")["threads"]) == {1, 2}


def test_rebuilding_measures_again_and_the_newest_counts(cache: Path) -> None:
    before = rows(cache, "linear")
    heard = Heard()
    measure(dataclasses.replace(settings(cache, "linear"), rebuild=True), heard)
    assert heard.plans == [(1, 1)]
    after = rows(cache, "linear")
    assert len(after) == len(before)
    newer = after.merge(before, on=list(SPEED_KEY))
    assert (newer["measured_at_x"] > newer["measured_at_y"]).sum() == 1


def test_the_table_survives_compaction_and_is_sound(cache: Path) -> None:
    store = Store(cache)
    before = store.speeds(failed=True)
    done = {one.table: one for one in compact(store)}
    assert done["speed"].files == 1 < done["speed"].files_before
    pd.testing.assert_frame_equal(
        store.speeds(failed=True).sort_values([*SPEED_KEY]).reset_index(drop=True),
        before.sort_values([*SPEED_KEY]).reset_index(drop=True),
    )
    assert list(verify(store)) == []


@pytest.mark.slow
def test_half_precision_and_channels_last_are_other_measurements(tmp_path: Path) -> None:
    runs = (RunConfig("cpu", Precision.BF16, threads=1), RunConfig("cpu", layout="nhwc", threads=1))
    measure(settings(tmp_path, "linear", runs=runs))
    assert {(row["dtype"], row["layout"]) for row in rows(tmp_path, "linear").to_dict("records")} == {
        ("bfloat16", "nchw"), ("float32", "nhwc"),
    }  # fmt: skip


@pytest.mark.slow
def test_a_compiled_model_is_measured(tmp_path: Path) -> None:
    measure(settings(tmp_path, "linear", runs=(RunConfig("cpu", compiled=True, threads=1),), timeout_s=300.0))
    (row,) = rows(tmp_path, "linear").to_dict("records")
    assert (row["status"], row["compiled"]) == ("measured", True), row["reason"]


def test_a_device_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(SpeedError, match=r"Nothing can be measured on 'cuda'.*Choose --device cpu"):
        measure(settings(tmp_path, "linear", runs=(RunConfig("cuda"),)))


def test_two_measurements_do_not_disturb_each_other(tmp_path: Path) -> None:
    class Second(Heard):
        def measured(self, row: Mapping[Any, Any], left_s: float) -> None:
            with pytest.raises(BusyError, match="Another process measures with this cache already"):
                measure(settings(tmp_path, "linear"))
            super().measured(row, left_s)

    heard = Second()
    measure(settings(tmp_path, "linear"), heard)
    assert len(heard.rows) == 1


def test_what_was_measured_before_an_interruption_is_kept_and_gone_on_from(tmp_path: Path) -> None:
    class Impatient(Heard):
        def measured(self, row: Mapping[Any, Any], left_s: float) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(settings(tmp_path, "linear", batches=(1, 2)), Impatient())
    assert rows(tmp_path, "linear")["batch"].tolist() == [1]
    heard = Heard()
    measure(settings(tmp_path, "linear", batches=(1, 2)), heard)
    assert heard.plans == [(2, 1)]
    assert [row["batch"] for row in heard.rows] == [2]
