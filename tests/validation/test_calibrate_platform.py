"""`zoometer calibrate` on phones and boards: a few measurements correct the estimates of all models and narrow their intervals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from reports import cli
from zoo.cache.storage.parts import CALIBRATIONS
from zoo.cache.store import Store
from zoo.devices.device_names import find_device
from zoo.errors import SpeedError
from zoo.estimation.platforms.constants import fitted_platforms
from zoo.estimation.platforms.estimate import estimate_on_platforms
from zoo.estimation.platforms.features import TRACED, USED, features_of
from zoo.estimation.platforms.fleet import PlatformSums
from zoo.estimation.platforms.settings import platform_runs_on
from zoo.records import MODEL_COLUMNS, TraceKey
from zoo.refresh.fill_missing import fill_missing, list_architectures
from zoo.run_config import Precision, RunConfig
from zoo.validation.calibration_store import load_platform_runs

MODELS = ("test_byobnet", "test_convnext", "test_efficientnet", "test_mambaout", "test_resnet", "test_vit")
DEVICE = "galaxy-s24"
RUN = RunConfig(DEVICE, Precision.INT8, runtime="tflite")
FACTOR = 1.4


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some of timm's smallest models, traced."""
    cache = tmp_path_factory.mktemp("phone") / "cache"
    listed = [one for one in list_architectures(str(cache), ["timm"]) if one.name in MODELS]
    keys = [
        TraceKey("timm", one.name, one.input, one.classes, precision=TRACED.precision, layout=TRACED.layout) for one in listed
    ]
    assert fill_missing(keys, str(cache))
    return cache


@pytest.fixture(scope="module")
def features(cache: Path) -> pd.DataFrame:
    workloads = Store(cache).workloads(precision=TRACED.precision, layout=TRACED.layout)
    return features_of(workloads[[*MODEL_COLUMNS, *USED]], MODEL_COLUMNS)


def table_of(features: pd.DataFrame, factor: float) -> pd.DataFrame:
    """As if each model took so many times as long as is estimated."""
    found = estimate_on_platforms(features, find_device(DEVICE), RUN)
    names = features.index.to_frame(index=False)
    return pd.DataFrame(
        {
            "model": "timm/" + names["arch"],
            "input": names["input"],
            "latency_ms": factor * found["latency_ms"].to_numpy(float),
            "device": DEVICE,
            "dtype": "int8",
            "runtime": "tflite",
        }
    )


def calibrate(cache: Path, table: pd.DataFrame, folder: Path) -> tuple[int, list[dict[str, Any]]]:
    table.to_csv(folder / "phone.csv", index=False)
    args = ["calibrate", "--cache", str(cache), "--device", DEVICE, "--from", str(folder / "phone.csv"), "--format", "json"]
    result = CliRunner().invoke(cli.app, args)
    assert result.stdout, result.output
    return result.exit_code, json.loads(result.stdout)


def test_a_slower_phone_is_found_out_and_its_intervals_are_narrower(cache: Path, features: pd.DataFrame, tmp_path: Path) -> None:
    code, (found,) = calibrate(cache, table_of(features, FACTOR), tmp_path)
    assert (code, found["status"], found["measurements"], found["way"]) == (0, "calibrated", len(MODELS), "NPU, tflite, int8")
    assert found["factor"] == pytest.approx(FACTOR, rel=1e-3)
    assert found["not_calibrated"]["median_error_percent"] == pytest.approx(100 * (1 - 1 / FACTOR), abs=0.1)
    assert found["calibrated"]["median_error_percent"] < 10
    (way,) = load_platform_runs(Store(cache), DEVICE)
    sums = PlatformSums(features)
    before, after = sums.on(find_device(DEVICE), RUN), sums.on(find_device(DEVICE), RUN, [way])
    assert np.median(after.latency_ms / before.latency_ms) == pytest.approx(FACTOR, rel=0.05)
    assert (after.high_ms / after.low_ms < 0.9 * before.high_ms / before.low_ms).all()


def test_a_calibrated_way_answers_where_it_is_asked_for(cache: Path, features: pd.DataFrame, tmp_path: Path) -> None:
    calibrate(cache, table_of(features, FACTOR), tmp_path)
    calibrated = load_platform_runs(Store(cache), DEVICE)
    device, fitted = find_device(DEVICE), fitted_platforms()
    assert platform_runs_on(device, RunConfig(precision=Precision.INT8), fitted, calibrated) == calibrated
    assert calibrated[0] not in platform_runs_on(device, RunConfig(precision=Precision.INT8, runtime="onnx"), fitted, calibrated)
    assert calibrated[0] not in platform_runs_on(device, RunConfig(), fitted, calibrated)
    found = estimate_on_platforms(features, device, RUN, calibrated=calibrated)
    assert set(found["latency_from"]) == {f"estimated: NPU, tflite, int8; calibrated with {len(MODELS)} measurements on it"}


def test_a_new_calibration_replaces_the_old_one(cache: Path, features: pd.DataFrame, tmp_path: Path) -> None:
    for factor in (FACTOR, 2 * FACTOR):
        calibrate(cache, table_of(features, factor), tmp_path)
    (way,) = load_platform_runs(Store(cache), DEVICE)
    sums = PlatformSums(features)
    ratio = sums.on(find_device(DEVICE), RUN, [way]).latency_ms / sums.on(find_device(DEVICE), RUN).latency_ms
    assert np.median(ratio) == pytest.approx(2 * FACTOR, rel=0.1)


def test_too_few_models_and_ways_that_nothing_is_known_of_are_refused(
    cache: Path, features: pd.DataFrame, tmp_path: Path
) -> None:
    table = table_of(features, FACTOR)
    code, (few,) = calibrate(cache, table.iloc[:4], tmp_path)
    assert (code, few["status"]) == (1, "refused")
    assert "4 of at least 5 measurements" in few["reason"]
    code, (other,) = calibrate(cache, table.assign(batch=32), tmp_path)
    assert (code, other["status"]) == (1, "refused")
    assert other["reason"].endswith("are at batch 1, not 32")


def test_a_file_that_is_no_calibration_is_named(cache: Path) -> None:
    path = cache / CALIBRATIONS / "galaxy-s23-ways.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text('[{"platform": "qualcomm-npu"}]')
    with pytest.raises(SpeedError, match=r"galaxy-s23-ways\.json: The file holds no calibrations"):
        load_platform_runs(Store(cache), "galaxy-s23")
