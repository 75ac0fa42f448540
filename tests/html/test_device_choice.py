"""Choosing a device on the page, in Chromium: column, axis, limit and frontier follow, and the address keeps the choice."""

from __future__ import annotations

from collections.abc import Callable

import fakes_html_devices
import pytest
from fakes_html_browser import Visit
from fakes_html_devices import CHOICES, DEVICES, FACTOR, IS_MAIN, RUNS, TABLE

from reports.columns.budget_columns import LATENCY
from reports.columns.format import figure_text
from reports.columns.frontier import frontier
from reports.leaderboard.report import ORIGINS

pytestmark = pytest.mark.browser

REPORT = fakes_html_devices.REPORT


def choose(at: Visit, device: str, run: str = "") -> None:
    at.page.select_option("#choose-device", device)
    at.until(
        f"document.getElementById('choose-device').value === '{device}' && document.getElementById('device-note').textContent !== ''"
    )
    if run:
        at.page.select_option("#choose-run", run)
        at.until(f"location.hash.includes('{run}')")


@pytest.mark.parametrize("device", DEVICES)
def test_a_limit_on_latency_keeps_the_rows_within_it(visit: Callable[..., Visit], device: str) -> None:
    at = visit()
    choose(at, device)
    at.page.fill(f"[id='max-latency:{device}:float16']", "10ms")
    at.settle()
    latency = CHOICES[device, RUNS[0]].latency_ms
    fits = IS_MAIN & (latency <= 10) & TABLE["macs"].notna()  # what was not counted fits no limit
    assert at.text("#count-fitting") == str(fits.sum())
    rows = TABLE[fits].assign(latency_ms=latency[fits])
    best = rows[frontier(rows, cost="latency_ms", quality="imagenet_top1")]
    assert at.text("#count-frontier") == str(len(best))
    assert set(at.frontier()) == set(best["model"])


def test_each_figure_says_how_it_is_known(visit: Callable[..., Visit]) -> None:
    at = visit()
    choose(at, "pixel-8")
    known = CHOICES["pixel-8", RUNS[0]].origin[IS_MAIN]
    counts = [f"{(known == ORIGINS.index(name)).sum()} {name}" for name in ("published", "estimated")]
    assert at.text("#device-note") == "Latencies: " + ", ".join([*counts, f"{(known < 0).sum()} unknown"])
    shown = at.page.locator("#board .latency.is-estimated").first
    value = float(shown.inner_text())
    low, high = (figure_text(LATENCY, end) for end in (value / FACTOR, value * FACTOR))
    assert shown.get_attribute("title") == f"estimated: {low} to {high} ms nine times in ten" or value < 1.5


def test_the_address_keeps_device_precision_and_limit(visit: Callable[..., Visit]) -> None:
    at = visit()
    choose(at, "t4", "float16-nhwc")
    at.page.fill("[id='max-latency:t4:float16-nhwc']", "0.005 s")
    at.settle()
    again = visit(at.page.evaluate("location.hash"), fresh=True)
    assert (
        again.text("#count-fitting")
        == at.text("#count-fitting")
        == str((IS_MAIN & (CHOICES["t4", RUNS[1]].latency_ms <= 5)).sum())
    )
    assert again.page.input_value("#choose-device") == "t4"
    assert again.page.input_value("#choose-run") == "float16-nhwc"


def test_the_limit_moves_to_the_next_device_and_goes_with_the_last(visit: Callable[..., Visit]) -> None:
    at = visit()
    choose(at, "t4")
    at.page.fill("[id='max-latency:t4:float16']", "8")
    choose(at, "jetson-orin-nano")
    at.settle()
    assert at.page.input_value("[id='max-latency:jetson-orin-nano:float16']") == "8"
    assert at.text("#count-fitting") == str((IS_MAIN & (CHOICES["jetson-orin-nano", RUNS[0]].latency_ms <= 8)).sum())
    at.page.select_option("#choose-device", "")
    at.until("!location.hash.includes('device=')")
    assert at.page.locator("[id^='max-latency']").count() == 0
    assert at.page.input_value("#choose-cost") == "macs"
