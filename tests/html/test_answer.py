"""The first screen of the page: uses in one click, and the answer in words, which is that of `zoometer select`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from fakes_html import zoo_like
from fakes_html_browser import Visit
from fakes_html_devices import CHOICES, RUNS, latencies
from fakes_html_devices import REPORT as WITH_DEVICES

from reports.columns.budget_columns import LATENCY
from reports.columns.format import figure_text
from reports.columns.leaderboard_columns import LEADERBOARD_BY_KEY
from reports.columns.limits import Limit
from reports.selection.selection import SelectionResult, State, select_models
from zoo.run_config import Precision, RunConfig

pytestmark = pytest.mark.browser

REPORT = zoo_like(300)
TABLE = REPORT.leaderboard[REPORT.leaderboard["task"] == "classification"].sort_values("model", ignore_index=True)
TOP1, MACS, PARAMS = (LEADERBOARD_BY_KEY[key] for key in ("imagenet_top1", "macs", "params"))


def selected(limits: dict[str, float]) -> SelectionResult:
    columns = {"macs": MACS, "params": PARAMS, "imagenet_top1": TOP1}
    return select_models(TABLE, [Limit(columns[key], bound) for key, bound in limits.items()], [TOP1, MACS])


@pytest.mark.parametrize("limits", [{}, {"params": 30e6, "macs": 4e9}, {"macs": 1e9, "imagenet_top1": 70.0}])
def test_the_pick_and_what_relaxing_a_limit_gains_are_those_of_select(
    visit: Callable[..., Visit], limits: dict[str, float]
) -> None:
    fields = {"params": ("max.params", 1e6), "macs": ("max.macs", 1e9), "imagenet_top1": ("least", 1)}
    address = "&".join(f"{fields[key][0]}={bound / fields[key][1]:g}" for key, bound in limits.items())
    at = visit(f"#{address}")
    wanted = selected(limits)
    assert wanted.pick is not None
    pick = TABLE.iloc[wanted.pick]
    assert at.page.locator("#answer-pick button.open").get_attribute("title") == pick["model"]
    assert at.text("#answer-pick .pick").endswith(f"at {pick['input']}")
    others = f"the {wanted.count(State.FITS)} that fit" if limits else "all that are shown"
    assert f"({pick['imagenet_top1']:.2f} %) of {others}." in at.text("#answer-pick")
    lines = at.page.locator("#answer-more li")
    moved = [lines.nth(place) for place in range(lines.count()) if " moved to " in lines.nth(place).inner_text()]
    names = [line.locator("button.open").get_attribute("title") for line in moved]
    assert sorted(map(str, names)) == sorted(str(TABLE["model"].iloc[one.row]) for one in wanted.relaxations)


def test_nothing_that_fits_is_said(visit: Callable[..., Visit]) -> None:
    at = visit("#max.params=0.000001")
    assert at.text("#answer-pick").startswith("Nothing fits: each of ")


def test_a_use_chooses_device_precision_and_limit_in_one_click(visit: Callable[..., Visit]) -> None:
    at = visit(report=WITH_DEVICES)
    at.page.get_by_role("button", name="Jetson").click()
    at.until("location.hash.includes('jetson-orin-nano')")
    at.settle()
    latency_ms = CHOICES["jetson-orin-nano", RUNS[0]].latency_ms
    table = WITH_DEVICES.leaderboard
    fits = (table["task"] == "classification").to_numpy(bool) & (latency_ms <= 10)
    assert at.text("#count-fitting") == str(fits.sum())
    best = table[fits].assign(latency_ms=latency_ms[fits]).sort_values(["imagenet_top1", "latency_ms"], ascending=[False, True])
    assert at.page.locator("#answer-pick button.open").get_attribute("title") == best["model"].iloc[0]
    assert f"{figure_text(LATENCY, best['latency_ms'].iloc[0])} ms, " in at.text("#answer-pick")
    pressed = at.page.locator("#uses [aria-pressed=true]").all_inner_texts()
    assert pressed == ["Jetson\nOrin Nano, float16, ≤ 10 ms"]
    assert at.page.evaluate("document.activeElement.textContent").startswith("Jetson")


def test_any_device_takes_back_the_limits_of_a_use(visit: Callable[..., Visit]) -> None:
    at = visit(report=WITH_DEVICES)
    at.page.get_by_role("button", name="Jetson").click()
    at.until("location.hash.includes('jetson-orin-nano')")
    at.page.get_by_role("button", name="Any device").click()
    at.until("location.hash === ''")
    assert at.text("#choices").startswith("No device and no limit")


FIELDS = "#task-panel input:visible, #task-panel select:visible"


def test_on_a_phone_the_pick_and_the_chart_come_before_any_field(visit: Callable[..., Visit]) -> None:
    at = visit(report=WITH_DEVICES, width=390)
    assert not at.page.locator("#limits").is_visible()
    top = {name: at.page.locator(name).bounding_box() for name in ("#answer-pick", "#chart")}
    assert all(top.values())
    fields = [field.bounding_box() for field in at.page.locator(FIELDS).all()]
    assert fields
    assert max(box["y"] for box in top.values() if box) < min(box["y"] for box in fields if box)
    follows = "document.getElementById('chart').compareDocumentPosition(document.querySelector('#task-panel select')) & 4"
    assert at.page.evaluate(follows)  # the order of the Tab key is that of the eye
    at.page.get_by_role("button", name="Choose device and limits").click()
    assert at.page.locator("#limits").is_visible()
    assert at.page.locator("#choose-device").is_visible()
    assert not at.page.locator("#more-limits").is_visible()
    assert at.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_device_is_chosen_in_its_usual_precision(visit: Callable[..., Visit]) -> None:
    runs = tuple(RunConfig(precision=precision) for precision in (Precision.FP32, Precision.FP16))
    in_both = tuple(latencies("t4", run, seed) for seed, run in enumerate(runs))
    at = visit(report=replace(WITH_DEVICES, device_latencies=in_both))
    assert [choice.title for choice in in_both] == ["float32", "float16"]
    at.page.select_option("#choose-device", "t4")
    at.until("location.hash.includes('device=t4')")
    assert at.page.input_value("#choose-run") == "float16"
