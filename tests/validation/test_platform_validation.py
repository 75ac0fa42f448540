"""Validation of estimates on platforms: what is held out is not seen, and baselines are what their names say."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from reports.cli import app
from zoo.devices.data_sheets import shipped_devices
from zoo.estimation.platforms.features import FEATURES
from zoo.estimation.platforms.platform import platforms
from zoo.published.published import published_speeds
from zoo.records import MODEL_COLUMNS
from zoo.validation.platforms.baselines import FOUR_FEATURES, MACS_ALONE, baselines, relative_least_squares
from zoo.validation.platforms.measurements import Measurements, measurements_of
from zoo.validation.platforms.protocols import FEW, Protocol, device_held_out, family_held_out, model_held_out

ROWS = published_speeds(near=True)


def made_up_features(models: pd.DataFrame, seed: int = 1) -> pd.DataFrame:
    values = np.random.default_rng(seed).lognormal(15, 1, (len(models), len(FEATURES)))
    features = pd.DataFrame(values, columns=list(FEATURES), index=pd.MultiIndex.from_frame(models[MODEL_COLUMNS]))
    return features.assign(unknown_calls=0.0)


def some_measurements(devices: Iterable[str] = ("galaxy-s25", "qcs8550", "snapdragon-8-elite-gen-5-qrd")) -> Measurements:
    rows = ROWS[ROWS["device"].isin(list(devices)) & (ROWS["dtype"] == "int8") & (ROWS["runtime"] == "tflite")]
    return measurements_of(platforms()["qualcomm-npu"], rows, made_up_features(rows[MODEL_COLUMNS].drop_duplicates()))


def test_measurements_leave_out_what_ran_partly_elsewhere() -> None:
    rows = ROWS[ROWS["source"] == "ai-hub"]
    found = measurements_of(platforms()["qualcomm-npu"], rows, made_up_features(rows[MODEL_COLUMNS].drop_duplicates()))
    on_npu = rows[(rows["processor"] == "npu") & rows["dtype"].isin(["float", "int8", "w8a16"])]
    assert len(found.data.log_time) <= (on_npu["layers_on_npu"] == on_npu["layers"]).sum()
    assert len(found.data.log_time) == len(set(zip(found.model.tolist(), found.data.setting.tolist(), strict=True)))


def test_times_are_of_one_image_in_seconds() -> None:
    rows = ROWS[(ROWS["source"] == "hailo") & (ROWS["arch"] == "resnet18") & (ROWS["device"] == "hailo-8")]
    found = measurements_of(platforms()["hailo"], rows, made_up_features(rows[MODEL_COLUMNS].drop_duplicates()))
    seconds = np.exp(found.data.log_time)
    assert sorted(seconds) == pytest.approx(sorted(rows["latency_ms"] / rows["batch"] / 1000))


def test_a_measurement_says_nothing_of_its_own_prediction() -> None:
    measurements = some_measurements()
    full = measurements.hierarchy().fit(measurements.data)
    before = model_held_out(measurements, full)
    changed = measurements.data.log_time.copy()
    changed[measurements.model == 0] += 3.0  # in every setting
    moved = Measurements(
        measurements.platform, measurements.settings, measurements.models, measurements.model, measurements.is_exact,
        type(measurements.data)(measurements.data.amounts, measurements.data.setting, changed, measurements.data.weight),
    )  # fmt: skip
    after = model_held_out(moved, full)
    own = measurements.model == 0
    assert after.residual[own] - before.residual[own] == pytest.approx(np.full(own.sum(), 3.0), abs=0.02)


def test_a_family_is_left_out_as_a_whole() -> None:
    measurements = some_measurements()
    full = measurements.hierarchy().fit(measurements.data)
    names = measurements.models[["zoo", "arch"]].astype(str).to_numpy().tolist()
    families = {(zoo, arch): "res" if arch.startswith("res") else arch for zoo, arch in names}
    found = family_held_out(measurements, full, families)
    is_res = measurements.models["arch"].str.startswith("res").to_numpy()[measurements.model]
    assert len(set(found.group[is_res])) == 1
    assert len(set(found.group)) == len(set(families.values()))


def test_a_device_is_foreseen_and_a_few_measurements_help() -> None:
    measurements = some_measurements()
    full = measurements.hierarchy().fit(measurements.data)
    alone, few = device_held_out(measurements, full, shipped_devices())
    assert (alone.protocol, few.protocol) == (Protocol.DEVICE, Protocol.FEW)
    assert len(alone.row) == len(measurements.data.log_time)  # all three are of one series
    assert np.median(np.abs(few.residual)) < np.median(np.abs(alone.residual))
    assert few.variance.mean() < alone.variance.mean()
    assert len(measurements.models) > FEW


def test_costs_of_features_are_found_and_none_is_below_nothing() -> None:
    amounts = np.random.default_rng(0).lognormal(0, 1, (30, 3))
    assert relative_least_squares(amounts, amounts @ [2.0, 0.0, 0.5]) == pytest.approx([2.0, 0.0, 0.5], abs=1e-6)
    assert (relative_least_squares(amounts, amounts @ [2.0, -0.1, 0.5]) >= 0).all()


def test_a_time_in_proportion_to_macs_is_foreseen_by_macs_alone() -> None:
    measurements = some_measurements()
    features = made_up_features(measurements.models)
    macs = features.loc[pd.MultiIndex.from_frame(measurements.models[MODEL_COLUMNS]), "macs"].to_numpy()
    log_time = np.log(macs[measurements.model] * 1e-12)
    data = measurements.data
    exact = Measurements(
        measurements.platform, measurements.settings, measurements.models, measurements.model, measurements.is_exact,
        type(data)(data.amounts, data.setting, log_time, data.weight),
    )  # fmt: skip
    found = baselines(exact, features)
    assert found[MACS_ALONE].residual == pytest.approx(np.zeros(len(log_time)), abs=1e-9)
    assert np.abs(found[FOUR_FEATURES].residual).max() < 0.01


def test_tables_or_published_speeds_have_to_be_named() -> None:
    found = CliRunner().invoke(app, ["validate-speed", "--quiet"])
    assert found.exit_code != 0
    assert "--published" in (found.output + str(found.exception))
