"""The page on paper: two pages to send, with the pick, the chart and where the values come from."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from fakes_html import zoo_like
from fakes_html_browser import Visit
from fakes_html_devices import CHOICES, IS_MAIN, RUNS, TABLE
from fakes_html_devices import REPORT as WITH_DEVICES

from reports.columns.budget_columns import LATENCY
from reports.columns.format import figure_text

pytestmark = pytest.mark.browser

REPORT = zoo_like(400)
NO_ACCURACY = zoo_like(60, accuracy=False)
IN_USE = "#device=t4&run=float16&max.latency:t4:float16=10&least=70"


def printed(at: Visit, paper: str) -> int:
    """How many pages a browser prints."""
    return len(re.findall(rb"/Type\s*/Page\b", at.page.pdf(format=paper, prefer_css_page_size=False)))


@pytest.mark.parametrize("paper", ["A4", "Letter"])
@pytest.mark.parametrize(
    ("address", "report"), [("", REPORT), (IN_USE, WITH_DEVICES), ("", NO_ACCURACY)], ids=["plain", "device", "no accuracy"]
)
def test_two_pages_are_printed(visit: Callable[..., Visit], address: str, report: object, paper: str) -> None:
    assert printed(visit(address, report), paper) == 2


def test_paper_shows_the_summary_and_nothing_else(visit: Callable[..., Visit]) -> None:
    at = visit(IN_USE, WITH_DEVICES)
    at.page.emulate_media(media="print")
    assert not at.page.locator("#board").is_visible()
    assert at.page.locator("button:visible, input:visible, select:visible").count() == at.page.locator("#paper button").count()
    rows = at.rows("#paper-table")
    latency_ms = CHOICES["t4", RUNS[0]].latency_ms
    fits = IS_MAIN & (latency_ms <= 10) & (TABLE["imagenet_top1"] >= 70).fillna(False).to_numpy(bool)
    ranked = TABLE[fits].assign(latency_ms=latency_ms[fits]).sort_values(["imagenet_top1", "latency_ms"], ascending=[False, True])
    best = ranked.drop_duplicates(["zoo", "arch"]).head(5)
    assert [row[0] for row in rows[: len(best)]] == ["Pick", "Runner-up", "3rd", "4th", "5th"][: len(best)]
    assert [row[2] for row in rows[: len(best)]] == [f"{value:.2f}" for value in best["imagenet_top1"]]
    assert all(row[3].startswith(figure_text(LATENCY, value)) for row, value in zip(rows, best["latency_ms"], strict=False))
    assert at.page.locator("#paper-chart svg circle").count() > fits.sum()  # and those that the limits leave out
    words = at.text("#paper")
    for word in (
        "T4, float16",
        "Latency ≤ 10.0 ms",
        "Top-1 ≥ 70.00 %",
        "torch 2.",
        "timm results",
        "zoometer run",
        "max.latency",
    ):
        assert word in words
    at.page.emulate_media(media="screen")
    assert not at.page.locator("#paper").is_visible()


def test_paper_is_light_where_the_screen_is_dark(visit: Callable[..., Visit]) -> None:
    at = visit(dark=True)
    at.page.emulate_media(media="print")
    ink = at.page.locator("#paper-chart text").first.evaluate("(text) => getComputedStyle(text).fill")
    assert sum(map(int, re.findall(r"\d+", ink))) < 400
    at.page.emulate_media(media="screen")
