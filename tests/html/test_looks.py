"""The page in Chromium: how it looks on every width, in the dark and on paper, and whether everybody can use it."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files as package_files
from pathlib import Path
from urllib.parse import quote

import pytest
from fakes_html import report_like, row_like, zoo_like
from fakes_html_browser import Visit

pytestmark = pytest.mark.browser

REPORT = zoo_like(400)
SMALL = report_like(
    [
        row_like("net_a", "in1k", 224, macs=1_000_000_000, params=5_000_000, imagenet_top1=76.0, source="https://example.org/a"),
        row_like("net_a", "in1k", 288, macs=1_653_061_224, params=5_000_000, imagenet_top1=77.5),
        row_like("net_a", None, 384, macs=2_938_775_510, params=5_000_000, status="bound", reason="top_k counted as 0"),
        row_like("net_b", "in1k", 224, macs=4_000_000_000, params=20_000_000, imagenet_top1=81.25),
        *(row_like(f"other{n}", "in1k", 224, macs=10**9 * n, params=10**6, imagenet_top1=60.0 + n) for n in range(1, 6)),
    ]
)


def test_header_and_first_column_stay_in_sight(visit: Callable[..., Visit]) -> None:
    at = visit(width=700, height=600)
    place = "(() => { const b = document.querySelector('.board-scroller').getBoundingClientRect(), h = document.querySelector('#board th').getBoundingClientRect(); return [h.left - b.left, h.top - b.top]; })()"
    before = at.page.evaluate(place)
    at.page.evaluate("document.querySelector('.board-scroller').scrollTo(400, 200)")
    assert at.page.evaluate(place) == pytest.approx(before, abs=1)


@pytest.mark.parametrize("width", [360, 820, 2200])
def test_no_width_scrolls_sideways(visit: Callable[..., Visit], screenshots: Path, width: int) -> None:
    at = visit("#max.macs=4", width=width, height=900)
    assert at.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    at.page.screenshot(path=screenshots / f"width-{width}.png", full_page=True)


def test_a_model_opened_on_a_phone_fits_its_width(visit: Callable[..., Visit], screenshots: Path) -> None:
    at = visit(f"#open={quote('timm/net_a.in1k@3x288x288')}", SMALL, width=390, height=844)
    assert at.page.evaluate("(() => { const d = document.getElementById('drawer'); return d.scrollWidth <= d.clientWidth; })()")
    at.page.screenshot(path=screenshots / "phone-drawer.png")


def test_dark_follows_the_system_and_the_switch(visit: Callable[..., Visit], screenshots: Path) -> None:
    at = visit(dark=True)
    background = "getComputedStyle(document.body).backgroundColor"
    dark = at.page.evaluate(background)
    at.page.screenshot(path=screenshots / "dark.png", full_page=True)
    at.page.locator("#theme").click()
    light = at.page.evaluate(background)
    assert sum(map(int, dark[4:-1].split(","))) < 120
    assert sum(map(int, light[4:-1].split(","))) > 600
    at.until("document.querySelector('#chart canvas')")
    at.page.reload()
    at.until("document.documentElement.dataset.ready === 'yes'")
    assert at.page.evaluate(background) == light


@pytest.mark.parametrize(
    ("address", "dark", "opened"),
    [
        ("", False, "for (const d of document.querySelectorAll('details')) d.open = true"),
        ("#max.macs=2&least=90", True, "1"),
        (f"#open={quote('timm/net_a.in1k@3x288x288')}", False, "1"),
        (
            f"#compare={quote('timm/net_a.in1k@3x288x288')}&compare={quote('timm/net_b.in1k@3x224x224')}",
            True,
            "document.getElementById('compare-open').click()",
        ),
    ],
    ids=["everything open", "nothing fits, dark", "drawer", "comparison, dark"],
)
def test_accessibility_rules_hold(visit: Callable[..., Visit], screenshots: Path, address: str, dark: bool, opened: str) -> None:
    at = visit(address, SMALL, dark=dark)
    at.page.evaluate(opened)
    at.settle()
    at.page.screenshot(path=screenshots / f"accessible-{len(address)}.png")
    at.page.evaluate(package_files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8"))
    broken = at.page.evaluate("async () => (await axe.run()).violations.map((v) => [v.id, v.nodes.map((n) => n.html)])")
    assert broken == []
