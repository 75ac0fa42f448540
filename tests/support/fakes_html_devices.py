"""A report whose latencies on three devices are made up: three digits for each model, published ones among them."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from fakes_html import zoo_like

from reports.leaderboard.report import ORIGINS, DeviceLatencies
from reports.selection.speeds.estimate_rounding import STEPS_PER_E
from zoo.devices.data_sheets import shipped_devices
from zoo.run_config import Precision, RunConfig

PLAIN = zoo_like(300)
FACTOR = math.exp(26 / STEPS_PER_E)
MODEL = ["zoo", "arch", "input", "classes", "variant"]
DEVICES = ("t4", "jetson-orin-nano", "pixel-8")
RUNS = (RunConfig(precision=Precision.FP16), RunConfig(precision=Precision.FP16, layout="nhwc"))


def latencies(device: str, run: RunConfig, seed: int) -> DeviceLatencies:
    """Three digits for each model; a tenth unknown, and a third of the others published."""
    random = np.random.default_rng(seed)
    model = PLAIN.leaderboard.groupby(MODEL, sort=False, dropna=False).ngroup().to_numpy()
    models = model.max() + 1
    figures = np.array([float(f"{value:.3g}") for value in np.exp(random.normal(2, 1.5, models))])
    figures[random.random(models) < 0.1] = np.nan
    is_published = random.random(models) < 0.3
    origin = np.where(np.isnan(figures), -1, np.where(is_published, ORIGINS.index("published"), ORIGINS.index("estimated")))
    width = np.where(is_published, np.nan, FACTOR)
    return DeviceLatencies(
        shipped_devices()[device],
        run,
        figures[model],
        (figures / width)[model],
        (figures * width)[model],
        origin[model].astype(np.int8),
    )


CHOICES = {
    (device, run): latencies(device, run, seed) for seed, (device, run) in enumerate((d, r) for d in DEVICES for r in RUNS)
}
REPORT = dataclasses.replace(PLAIN, device_latencies=tuple(CHOICES.values()))
TABLE = PLAIN.leaderboard
IS_MAIN = (TABLE["task"] == "classification").to_numpy(bool)
