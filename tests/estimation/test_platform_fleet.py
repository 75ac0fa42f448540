"""Estimates of many models on many platforms at once are those of one model on one device, in Python and from plain numbers."""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from torch import nn

import zoo
from zoo.devices.data_sheets import shipped_devices
from zoo.devices.device_names import find_device
from zoo.errors import SpeedError
from zoo.estimation.platforms.constants import fitted_platforms
from zoo.estimation.platforms.estimate import FIGURES, estimate_on_platforms
from zoo.estimation.platforms.features import features_of
from zoo.estimation.platforms.fleet import PlatformSums
from zoo.estimation.platforms.portable import portable
from zoo.estimation.platforms.settings import has_platform_runs
from zoo.estimation.workloads.workload import summarise
from zoo.records import MODEL_COLUMNS
from zoo.run_config import Precision, RunConfig

MODELS = {
    "convolutions": nn.Sequential(
        nn.Conv2d(3, 64, 3, 2, 1), nn.BatchNorm2d(64), nn.SiLU(), nn.Conv2d(64, 64, 3, 1, 1, groups=64), nn.Conv2d(64, 64, 3, 1, 1),
        nn.MaxPool2d(2), nn.Conv2d(64, 128, 3, 1, 1, groups=4), nn.Upsample(scale_factor=2, mode="bilinear"),
    ),
    "attention": nn.Sequential(nn.Conv2d(3, 192, 16, 16), nn.Flatten(2), nn.Linear(196, 64), nn.LayerNorm(64), nn.Softmax(-1)),
    "measured": nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 10)),
    "unknown": nn.Sequential(nn.Conv2d(3, 8, 3)),
}  # fmt: skip
PRECISIONS = (Precision.FP32, Precision.INT8, Precision.W8A16)
CHOICES = [(device, RunConfig(device.id, precision)) for device in shipped_devices().values() for precision in PRECISIONS]


@pytest.fixture(scope="module")
def features() -> pd.DataFrame:
    tables = [pd.DataFrame(summarise(zoo.trace(model, (3, 224, 224)))).assign(model=name) for name, model in MODELS.items()]
    found = features_of(pd.concat(tables, ignore_index=True), ["model"])
    return found.assign(unknown_calls=np.where(found.index == "unknown", 1.0, 0.0))


@pytest.fixture(scope="module")
def models() -> pd.DataFrame:
    """One of them was measured on NPUs, and one is of a family that was."""
    fitted = fitted_platforms()["qualcomm-npu"]
    names = pd.DataFrame({name: ["mine"] * len(MODELS) for name in MODEL_COLUMNS}).assign(family="mine")
    place = list(MODELS).index("measured")
    names.loc[place, MODEL_COLUMNS] = fitted.effects.loc[fitted.effects["dtype"] == "int8", MODEL_COLUMNS].iloc[0]
    names.loc[list(MODELS).index("convolutions"), "family"] = min(fitted.families)
    return names


def test_every_figure_is_that_of_a_single_estimate(features: pd.DataFrame, models: pd.DataFrame) -> None:
    sums = PlatformSums(features, models)
    estimated = 0
    for device, run in CHOICES[::12]:
        alone = pd.concat(
            estimate_on_platforms(features.iloc[[place]], device, run, models=models.iloc[[place]])
            for place in range(len(features))
        )
        if not has_platform_runs(device, run):
            assert alone[FIGURES].isna().all(axis=None)
            with pytest.raises(SpeedError, match=f"no device like {device.id}"):
                sums.on(device, run)
            continue
        estimated += 1
        found = sums.on(device, run)
        for values, name in zip((found.latency_ms, found.low_ms, found.high_ms), FIGURES, strict=True):
            np.testing.assert_allclose(values, alone[name].to_numpy(float, na_value=np.nan), rtol=1e-12)
    assert estimated > 15


def test_plain_numbers_give_the_same_figures(features: pd.DataFrame, models: pd.DataFrame) -> None:
    sums = PlatformSums(features, models)
    choices = [(device, run, sums.on(device, run)) for device, run in CHOICES if has_platform_runs(device, run)]
    record = json.loads(json.dumps(portable(sums, choices)))
    assert len(record["choices"]) > 200
    for choice in record["choices"]:
        precision = Precision.parse(choice["dtype"])
        assert precision is not None
        found = sums.on(find_device(choice["device"]), RunConfig(precision=precision, batch=choice["batch"]))
        for model in range(len(features)):
            latency_ms, low_ms, high_ms = evaluate(record, choice, model)
            figures = found.latency_ms[model], found.low_ms[model], found.high_ms[model]
            assert (latency_ms, low_ms, high_ms) == pytest.approx(figures, rel=1e-9, nan_ok=True)


def evaluate(record: dict[str, Any], choice: dict[str, Any], model: int) -> tuple[float, float, float]:
    """As the docstring of the module says."""
    if model in record["unknown"]:
        return math.nan, math.nan, math.nan
    values = np.frombuffer(base64.b64decode(record["models"]), "<f4").reshape(len(record["features"]), -1)[:, model].astype(float)
    log_s, half_width = min(log_seconds(record, way, [*values, 1.0], model) for way in choice["ways"])
    scale = 1000 * choice["batch"]
    return math.exp(log_s) * scale, math.exp(log_s - half_width) * scale, math.exp(log_s + half_width) * scale


def log_seconds(record: dict[str, Any], way: dict[str, Any], values: list[float], model: int) -> tuple[float, float]:
    group = record["groups"][way["group"]]
    platform = record["platforms"][group["platform"]]
    amounts = [sum(cost * values[place] for place, cost in term) for term in platform["terms"]]
    parts = [math.exp(constant) * amount for constant, amount in zip(way["constants"], amounts, strict=True)]
    shares = [part / sum(parts) for part in parts]
    variance = sum(
        first * value * second
        for first, row in zip(shares, group["covariance"], strict=True)
        for second, value in zip(shares, row, strict=True)
    )
    effect = dict(group["known"]).get(model)
    noise, quantile = group["model"] if model in platform["related"] else group["family"]
    half_width = quantile * math.sqrt(variance + noise**2)
    if effect is not None:
        half_width = group["transfer"][0] * group["transfer"][1]
    if way["deviation"] is not None:
        of_device = group["device"][1] * way["deviation"]
        known = group["device"][1] * math.hypot(way["deviation"], group["transfer"][0])
        half_width = math.hypot(half_width, of_device) if effect is None else known
    return math.log(sum(parts)) + (effect or 0.0), half_width


def test_only_ways_that_are_the_fastest_for_a_model_are_written(features: pd.DataFrame) -> None:
    sums = PlatformSums(features)
    device, run = find_device("galaxy-s25"), RunConfig(precision=Precision.INT8)
    found = sums.on(device, run)
    (choice,) = portable(sums, [(device, run, found)])["choices"]
    assert {way["title"] for way in choice["ways"]} == {found.runs[place].describe() for place in found.fastest}
    assert len(choice["ways"]) < len(found.runs)
