"""`zoometer calibrate`: from measurements to a calibration that is kept, and what it is worth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from reports import cli
from zoo.cache.store import Store
from zoo.devices.device_names import find_device
from zoo.errors import SpeedError
from zoo.estimation.calibration import Calibration
from zoo.estimation.estimate import estimate
from zoo.records import TraceKey
from zoo.refresh.fill_missing import fill_missing, list_architectures
from zoo.run_config import Precision, RunConfig
from zoo.validation.calibration_store import load_calibration, save_calibration

MODELS = (
    "test_byobnet",
    "test_convnext",
    "test_efficientnet",
    "test_mambaout",
    "test_nfnet",
    "test_resnet",
    "test_vit",
    "test_vit3",
)
PRECISION, LAYOUT, BATCH = Precision.AMP, "nhwc", 64
RUN = RunConfig("rtx-4090", PRECISION, LAYOUT, batch=BATCH)
FACTOR = 1.3


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """timm's smallest models, traced."""
    cache = tmp_path_factory.mktemp("calibrated") / "cache"
    listed = [one for one in list_architectures(str(cache), ["timm"]) if one.name in MODELS]
    assert len(listed) == len(MODELS)
    keys = [TraceKey("timm", one.name, one.input, one.classes, precision=PRECISION, layout=LAYOUT) for one in listed]
    assert fill_missing(keys, str(cache))
    return cache


@pytest.fixture(scope="module")
def measured(cache: Path) -> pd.DataFrame:
    """As if each model took so many times as long as is estimated."""
    workloads = Store(cache).workloads(precision=PRECISION, layout=LAYOUT)
    found = estimate(workloads, find_device("rtx-4090"), RUN)
    assert found["latency_ms"].notna().all(), found["latency_from"].tolist()
    return pd.DataFrame(
        {"model": "timm/" + found["arch"], "batch": BATCH, "latency_ms": FACTOR * found["latency_ms"].astype(float)}
    ).assign(device="rtx-4090", dtype="amp", layout=LAYOUT, compiled=False, runtime="torch-2.9.1")


def calibrate(cache: Path, *args: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli.app, ["calibrate", "--cache", str(cache), *args])
    return result.exit_code, result.stdout, result.stderr


def record(cache: Path, *args: str) -> tuple[int, list[dict[str, Any]]]:
    code, out, err = calibrate(cache, *args, "--format", "json")
    assert out, err
    return code, json.loads(out)


def test_a_device_that_is_slower_than_its_data_sheet_is_found_out(cache: Path, measured: pd.DataFrame, tmp_path: Path) -> None:
    measured.to_csv(tmp_path / "speed.csv", index=False)
    code, (found,) = record(cache, "--device", "rtx-4090", "--from", str(tmp_path / "speed.csv"))
    assert (code, found["status"], found["measurements"]) == (0, "calibrated", len(MODELS))
    assert (found["precision"], found["layout"], found["compiled"]) == (PRECISION, LAYOUT, False)
    assert found["factor"] == pytest.approx(FACTOR, rel=0.02)
    assert found["not_calibrated"]["median_error_percent"] == pytest.approx(100 * (1 - 1 / FACTOR), abs=0.1)
    assert found["calibrated"]["median_error_percent"] < 2
    assert found["calibrated"]["models"] == len(MODELS)
    kept = load_calibration(Store(cache), RUN)
    assert kept is not None
    assert kept.factor == pytest.approx(found["factor"])
    assert Path(found["path"]).is_file()


def test_measurements_of_the_cache_are_used_without_a_file_and_the_sentences_say_what_it_is_worth(
    cache: Path, measured: pd.DataFrame, tmp_path: Path
) -> None:
    measured.to_csv(tmp_path / "speed.csv", index=False)
    assert CliRunner().invoke(cli.app, ["speeds", "import", str(tmp_path / "speed.csv"), "--cache", str(cache)]).exit_code == 0
    code, out, _ = calibrate(cache, "--device", "rtx-4090")
    assert code == 0
    assert f"rtx-4090, amp, nhwc, eager: {len(MODELS)} measurements, which take 1.30 times as long as estimated" in out
    assert "  not calibrated  median error 23.1 %" in out


def test_rows_of_another_runtime_are_left_out_and_counted(cache: Path, measured: pd.DataFrame, tmp_path: Path) -> None:
    other = measured.head(2).assign(runtime="onnxruntime-1.20", latency_ms=1.0)
    pd.concat([measured, other]).to_csv(tmp_path / "speed.csv", index=False)
    _, (found,) = record(cache, "--device", "rtx-4090", "--from", str(tmp_path / "speed.csv"))
    assert (found["measurements"], found["left_out"]) == (len(MODELS), 2)
    assert found["factor"] == pytest.approx(FACTOR, rel=0.02)


def test_too_few_measurements_are_refused_with_the_reason(cache: Path, measured: pd.DataFrame, tmp_path: Path) -> None:
    measured.head(2).to_csv(tmp_path / "speed.csv", index=False)
    code, (found,) = record(cache, "--device", "rtx-4090", "--from", str(tmp_path / "speed.csv"))
    assert (code, found["status"]) == (1, "refused")
    assert found["reason"].startswith("2 of at least ")
    _, out, _ = calibrate(cache, "--device", "rtx-4090", "--from", str(tmp_path / "speed.csv"))
    assert out.startswith("amp, nhwc, eager: not calibrated: 2 of at least ")


def test_a_device_without_estimates_says_why(cache: Path, measured: pd.DataFrame, tmp_path: Path) -> None:
    measured.assign(device="pixel-8").to_csv(tmp_path / "speed.csv", index=False)
    code, (found,) = record(cache, "--device", "pixel-8", "--from", str(tmp_path / "speed.csv"))
    assert (code, found["status"]) == (1, "refused")
    assert found["reason"].startswith("no device like pixel-8")


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["--device", "t4"], "has no measurement on 't4'. Measure models there with zoometer measure --as t4"),
        (["--device", "rtx-409"], "There is no device 'rtx-409'. Did you mean rtx-4090"),
        (["--device", "t4", "--from", "nowhere.csv"], "There is no file 'nowhere.csv'"),
    ],
)
def test_a_mistake_ends_with_code_2(cache: Path, args: list[str], sentence: str) -> None:
    code, out, err = calibrate(cache, *args)
    assert (code, out) == (2, "")
    assert sentence in err


def test_a_calibration_is_kept_in_the_place_of_an_older_one(tmp_path: Path) -> None:
    store = Store(tmp_path)
    run = RunConfig("my-gpu", compiled=True)
    covariance = tuple((0.0,) * 4 for _ in range(4))
    for factor in (0.1, 0.2):
        save_calibration(store, Calibration(run, 7, (factor, 0.0, 0.0, 0.0), covariance))
    kept = load_calibration(store, run)
    assert kept is not None
    assert kept.coefficients[0] == 0.2
    assert load_calibration(store, RunConfig("my-gpu")) is None
    path = tmp_path / "calibrations" / "my-gpu-fp32-nchw-compiled.yaml"
    path.write_text("device: 7\n")
    with pytest.raises(SpeedError, match="is no calibration"):
        load_calibration(store, run)
