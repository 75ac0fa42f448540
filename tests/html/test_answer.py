"""The first screen of the page: uses in one click, and the answer in words, which is that of `zoometer select`."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fakes_html import zoo_like
from fakes_html_browser import Visit
from fakes_html_devices import CHOICES, RUNS
from fakes_html_devices import REPORT as WITH_DEVICES

from reports.columns.leaderboard_columns import LEADERBOARD_BY_KEY
from reports.columns.limits import Limit
from reports.selection.selection import SelectionResult, State, select_models

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
    assert f"{best['latency_ms'].iloc[0]:.2f} ms, " in at.text("#answer-pick")
    pressed = at.page.locator("#uses-list [aria-pressed=true]").all_inner_texts()
    assert pressed == ["Jetson"]


def test_on_a_phone_limits_are_folded_until_asked_for(visit: Callable[..., Visit]) -> None:
    at = visit(width=390)
    assert not at.page.locator("#limits").is_visible()
    at.page.get_by_text("Limits and filters").click()
    assert at.page.locator("#limits").is_visible()
    assert not at.page.locator("#more-limits").is_visible()
    assert at.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
