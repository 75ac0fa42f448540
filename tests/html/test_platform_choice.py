"""Estimates on phones, accelerators and boards, which the page makes by itself from plain numbers: those of Python, digit by digit."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fakes_html import zoo_like
from fakes_html_browser import Visit

from reports.columns.budget_columns import LATENCY
from reports.columns.format import figure_text
from reports.leaderboard.report import ORIGINS, DeviceLatencies, PlatformEstimates
from reports.selection.speeds.estimate_rounding import round_estimates
from zoo.devices.device_names import find_device
from zoo.estimation.platforms.features import FEATURES
from zoo.estimation.platforms.fleet import PlatformSums
from zoo.estimation.platforms.portable import portable
from zoo.run_config import Precision, RunConfig

pytestmark = pytest.mark.browser

PLAIN = zoo_like(200)
TABLE = PLAIN.leaderboard
IS_MAIN = (TABLE["task"] == "classification").to_numpy(bool)
KEY = ["zoo", "arch", "input", "classes", "variant"]
RUN = RunConfig(precision=Precision.INT8)
DEVICES = [find_device(name) for name in ("galaxy-s25", "galaxy-s24", "hailo-8", "raspberry-pi-5")]
PLACES = TABLE.groupby(KEY, sort=False, dropna=False).ngroup().to_numpy().astype(np.int64)


def platform_sums() -> PlatformSums:
    """Models whose amounts are of any size; one has an operation that nothing is known of, and one was measured elsewhere."""
    random = np.random.default_rng(5)
    count = int(PLACES.max()) + 1
    scale = {name: 1e3 if name.endswith("_calls") else 1e8 for name in FEATURES}
    amounts = {name: np.float32(scale[name] * random.random(count) ** 4).astype(float) for name in FEATURES}
    features = pd.DataFrame(amounts | {"unknown_calls": np.where(np.arange(count) == 3, 1.0, 0.0)})
    models = TABLE[[*KEY, "family"]].drop_duplicates(KEY).reset_index(drop=True).astype({"arch": object})
    sums = PlatformSums(features)
    of_dtype = sums.fitted["qualcomm-npu"].effects
    models.loc[0, ["zoo", "arch", "input", "variant"]] = of_dtype.loc[
        of_dtype["dtype"] == "int8", ["zoo", "arch", "input", "variant"]
    ].iloc[0]
    models.loc[1, "family"] = min(sums.fitted["qualcomm-npu"].families)
    return PlatformSums(features, models)


SUMS = platform_sums()
FOUND = [(device, RUN, SUMS.on(device, RUN)) for device in DEVICES]
ESTIMATES = {device.id: round_estimates(found.latency_ms, found.high_ms) for device, _, found in FOUND}


def choices() -> tuple[DeviceLatencies, ...]:
    columns = []
    for device in DEVICES:
        latency_ms, low_ms, high_ms = (figure[PLACES] for figure in ESTIMATES[device.id])
        origin = np.where(np.isnan(latency_ms), -1, ORIGINS.index("estimated")).astype(np.int8)
        columns.append(DeviceLatencies(device, RUN, latency_ms, low_ms, high_ms, origin, is_on_platform=True))
    return tuple(columns)


REPORT = dataclasses.replace(PLAIN, device_latencies=choices(), platforms=PlatformEstimates(portable(SUMS, FOUND), PLACES))


@pytest.mark.parametrize("device", [device.id for device in DEVICES])
def test_the_page_gives_the_figures_of_python(visit: Callable[..., Visit], device: str) -> None:
    at = visit()
    at.page.select_option("#choose-device", device)
    at.until("document.getElementById('device-note').textContent !== ''")
    latency_ms, low_ms, high_ms = (figure[PLACES][IS_MAIN] for figure in ESTIMATES[device])
    assert (
        at.text("#device-note") == f"Latencies: {(~np.isnan(latency_ms)).sum()} estimated, {np.isnan(latency_ms).sum()} unknown"
    )
    with at.page.expect_download() as download:
        at.page.locator("#save-csv").click()
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8-sig"))))
    shown = {(row["model"], row["input"]): row[f"latency_{device}_int8_ms"] for row in rows}
    main = TABLE[IS_MAIN]
    names = zip(main["model"], main["input"], strict=True)
    expected = {name: "" if np.isnan(value) else f"{value:g}" for name, value in zip(names, latency_ms, strict=True)}
    if next(one for one in DEVICES if one.id == device).memory_bytes:  # a limit, which models that were not counted never satisfy
        uncounted = main[main["status"] == "failed"]
        for name in zip(uncounted["model"], uncounted["input"], strict=True):
            del expected[name]
    assert shown == expected
    cell = at.page.locator("#board .latency.is-estimated").first
    value = float(cell.inner_text().replace(",", ""))
    intervals = {
        f"estimated: {figure_text(LATENCY, low)} to {figure_text(LATENCY, high)} ms nine times in ten"
        for one, low, high in zip(latency_ms, low_ms, high_ms, strict=True)
        if figure_text(LATENCY, one) == figure_text(LATENCY, value)
    }
    assert cell.get_attribute("title") in intervals
