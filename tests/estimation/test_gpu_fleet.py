"""Estimates of many models on many GPUs at once are those of one model on one GPU."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from torch import nn

import zoo
from zoo.devices.data_sheets import shipped_devices
from zoo.devices.device_names import find_device
from zoo.errors import SpeedError
from zoo.estimation.estimate import FIGURES, estimate
from zoo.estimation.gpu_fleet import GpuSums
from zoo.estimation.workloads.workload import summarise
from zoo.run_config import Precision, RunConfig

MODELS = {
    "convolutions": nn.Sequential(
        nn.Conv2d(3, 64, 3, 2, 1), nn.BatchNorm2d(64), nn.ReLU(), nn.Conv2d(64, 64, 3, 1, 1, groups=64), nn.Conv2d(64, 256, 1),
        nn.Conv2d(256, 256, 9, 1, 4, groups=256), nn.Conv2d(256, 128, 3, 1, 1, groups=4), nn.Upsample(scale_factor=2, mode="bilinear"),
    ),
    "attention": nn.Sequential(nn.Conv2d(3, 192, 16, 16), nn.Flatten(2), nn.Linear(196, 64), nn.LayerNorm(64), nn.Softmax(-1)),
    "small": nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 10)),
}  # fmt: skip

RUNS = [
    RunConfig(precision=Precision.FP16),
    RunConfig(precision=Precision.AMP, layout="nhwc", batch=8),
    RunConfig(precision=Precision.FP32),
    RunConfig(precision=Precision.FP16, layout="nhwc", compiled=True, batch=4),
]


def workloads(run: RunConfig) -> pd.DataFrame:
    tables = [
        pd.DataFrame(summarise(zoo.trace(model, (3, 224, 224), precision=run.precision, layout=run.layout))).assign(model=name)
        for name, model in MODELS.items()
    ]
    return pd.concat(tables, ignore_index=True)


@pytest.mark.parametrize("run", RUNS, ids=RunConfig.describe)
def test_every_figure_is_that_of_a_single_estimate(run: RunConfig) -> None:
    rows = workloads(run)
    sums = GpuSums(rows, run, key=["model"])
    assert list(sums.models["model"]) == list(MODELS)
    gpus = 0
    for device in shipped_devices().values():
        one = estimate(rows, device, run, key=["model"])
        try:
            many = sums.on(device)
        except SpeedError:
            assert one["latency_ms"].isna().all()
            continue
        gpus += 1
        for found, name in zip((many.latency_ms, many.low_ms, many.high_ms), FIGURES, strict=False):
            np.testing.assert_allclose(found, one[name].to_numpy(float, na_value=np.nan), rtol=1e-9)
    assert gpus > 20


def test_a_model_that_does_not_fit_the_memory_has_no_estimate() -> None:
    run = RunConfig(precision=Precision.FP32)
    rows = workloads(run)
    device = find_device("t4")
    assert device.memory_bytes is not None
    is_small = (rows["model"] == "small").to_numpy()
    rows.loc[is_small, "model_weight_bytes"] = int(device.memory_bytes.value) + 1
    found = GpuSums(rows, run, key=["model"]).on(device)
    assert list(np.isnan(found.latency_ms)) == [False, False, True]


def test_a_device_that_is_no_gpu_is_refused_with_the_reason() -> None:
    run = RunConfig(precision=Precision.FP32)
    with pytest.raises(SpeedError, match="core-i9-10940x is no GPU"):
        GpuSums(workloads(run), run, key=["model"]).on(find_device("core-i9-10940x"))
