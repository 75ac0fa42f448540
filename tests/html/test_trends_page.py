"""The page of trends of real runs in Chromium: what it says, how it looks on every width and in the dark, and whether everybody can use it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

import pytest
from fakes_html_browser import Visit, Visitor
from typer.testing import CliRunner
from zoo_of_releases import INPUT, TOP1, WIDTHS, macs, model, releases_in
from zoo_of_versions import FIRST, SECOND, set_version

from reports.cli import app
from reports.columns.leaderboard_columns import LEADERBOARD_BY_KEY
from reports.html.trends.page import render_trends
from reports.trends.budgets import Pick, Series
from reports.trends.frontiers import Axis, FrontierChange, Move
from reports.trends.trends import Step, Trends
from zoo.cache.runs import RunRecord

_MOST_BYTES = 300_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reports of three runs: of the first release, with nothing new, and of the second release."""
    folder = tmp_path_factory.mktemp("trends")
    with releases_in(folder):
        for number, version in enumerate((FIRST, FIRST, SECOND)):
            set_version(folder, version)
            result = CliRunner().invoke(app, ["run", "mine.yaml", "--quiet", "--format", "json"])
            assert result.exit_code == 0, result.output
            written = [Path(file["path"]).name for file in json.loads(result.stdout)["files"]]
            assert written == (["trends.html", "leaderboard.html"] if number else ["leaderboard.html"])
            assert ('href="trends.html"' in (folder / "out/leaderboard.html").read_text("utf-8")) == (number > 0)
    return folder / "out"


@pytest.fixture
def open_page(visitor: Visitor, folder: Path) -> Iterator[Callable[..., Visit]]:
    visits: list[Visit] = []

    def open_page(**how: Any) -> Visit:
        visits.append(Visit(visitor.browser, folder / "trends.html", **how))
        return visits[-1]

    yield open_page
    for visit in visits:
        visit.close()
        assert visit.problems == []


@pytest.mark.browser
def test_the_page_says_what_changed(open_page: Callable[..., Visit]) -> None:
    at = open_page()
    clever = f"{model('clever')} at {INPUT}"
    summary = at.text(".summary").splitlines()
    assert summary[0] == f"MACs ≤ 1 G: Top-1 {TOP1[FIRST]['large']:.2f} → {TOP1[SECOND]['clever']:.2f} %, now {clever}."
    assert summary[-1] == "Frontiers of accuracy against a cost (classification): 2 models entered one, 1 left one."
    budgets = {row[0].split("  ")[0].strip(): row[1:4] for row in at.rows(".budgets")}
    small, large = (f"{TOP1[FIRST][arch]:.2f}" for arch in ("small", "large"))
    (within,) = [row for name, row in budgets.items() if name.startswith("MACs ≤ 1 G")]
    assert within == [large, f"{TOP1[SECOND]['clever']:.2f}", f"{TOP1[SECOND]['clever'] - TOP1[FIRST]['large']:+.2f}"]
    (within,) = [row for name, row in budgets.items() if name.startswith("MACs ≤ 0.3 G")]
    assert within == [small, small, ""]
    moves = {(row[0].split()[0], row[2]): (row[1], row[3], row[4]) for row in at.rows(".moves")}
    of_macs = {name: row for (name, title), row in moves.items() if title == "Top-1 against MACs"}
    widths = WIDTHS[SECOND]
    assert of_macs == {
        model("clever"): ("entered", "72.00 %", f"{macs(widths['clever']) / 1e9:.2f} G"),
        model("wide"): ("entered", "75.00 %", f"{macs(widths['wide']) / 1e9:.2f} G"),
        model("large"): ("left", "70.00 %", f"{macs(widths['large']) / 1e9:.2f} G"),
    }


@pytest.mark.browser
def test_the_charts_have_a_dot_for_each_best_model_and_a_mark_for_the_release(open_page: Callable[..., Visit]) -> None:
    at = open_page()
    by_run, by_release = at.page.locator("svg.trend.wide").all()
    said = by_run.locator("circle title").all_text_contents()
    assert f"MACs ≤ 1 G: {model('large')} at {INPUT}, 70.00 %" in said
    assert f"MACs ≤ 1 G: {model('clever')} at {INPUT}, 72.00 %" in said
    assert by_release.locator("circle title").all_text_contents() == said  # of three runs, two share a release
    assert by_run.locator(".mark-text").all_text_contents() == [f"released {SECOND}"]
    assert by_release.locator(".middle").all_text_contents() == [f"released {FIRST}", f"released {SECOND}"]
    assert "3 runs of mine.yaml" in at.text(".made")
    assert len(at.rows("details.fold")) == 3


@pytest.mark.browser
@pytest.mark.parametrize(("width", "dark"), [(1400, False), (1400, True), (390, False), (390, True), (820, False)])
def test_it_is_accessible_and_fits_every_width(
    open_page: Callable[..., Visit], screenshots: Path, width: int, dark: bool
) -> None:
    at = open_page(width=width, dark=dark)
    at.page.screenshot(path=screenshots / f"trends-{width}{'-dark' * dark}.png", full_page=True)
    assert at.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shown = [chart for chart in at.page.locator("svg.trend").all() if chart.is_visible()]
    assert {str(chart.get_attribute("class")) for chart in shown} == {"trend narrow" if width < 700 else "trend wide"}
    at.page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")
    at.page.evaluate(package_files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8"))
    assert at.page.evaluate("async () => (await axe.run()).violations.map((v) => [v.id, v.nodes.map((n) => n.html)])") == []


@pytest.mark.browser
def test_the_switch_and_the_links_work(open_page: Callable[..., Visit], folder: Path) -> None:
    at = open_page()
    background = "getComputedStyle(document.body).backgroundColor"
    light = at.page.evaluate(background)
    at.page.locator("#theme").click()
    assert at.page.evaluate(background) != light
    assert (folder / str(at.page.locator("a.tool-link").get_attribute("href"))).is_file()


def run(number: int) -> RunRecord:
    began = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=number)
    numbers: dict[str, Any] = dict.fromkeys(("planned", "counted", "added", "removed", "changed", "failing"), 1000 + number)
    return RunRecord(
        f"{number:012x}", "done", began, "c.yaml", versions=f"timm 1.0.{number // 20}, torchvision 0.{number // 50}", **numbers
    )


def many_runs(runs: int, states: int) -> Trends:
    """A year of nights: the best of each budget changes ten times for the largest of five tasks, and twice for the others."""
    top1, costs = LEADERBOARD_BY_KEY["imagenet_top1"], [LEADERBOARD_BY_KEY[key] for key in ("macs", "params")]
    tasks = dict.fromkeys(("classification", "detection", "video", "segmentation", "keypoints"), top1)
    name = "timm/a_model_with_quite_a_long_name_{}.of_weights_in22k_ft_in1k"
    series = [
        Series(f"{cost.title} ≤ {limit} G", f"{cost.title} ≤ {limit} G", task, top1, tuple(Pick(name.format(n // often), "3x224x224", 70 + limit + n // often / 10) for n in range(states)), cost)
        for task, often in zip(tasks, (6, 30, 30, 30, 30), strict=True) for cost in costs for limit in range(4)
    ]  # fmt: skip
    moves = [
        FrontierChange(Axis(task, top1, cost), move, name.format(n), "3x224x224", "base", 80.0, 1e9, f"beaten by {name.format(n + 1)}")
        for task in tasks for cost in costs for move in Move for n in range(2)
    ]  # fmt: skip
    steps = [Step(run(n), run(n - 1), tuple(moves)) for n in range(1, states)]
    points = [(run(n), n * states // runs) for n in range(runs)]
    return Trends("c.yaml", tuple(points), tasks, tuple(series), tuple(steps), 2)


def test_a_year_of_nights_stays_small() -> None:
    text = render_trends(many_runs(400, 60), title="Nights", created_at=datetime.now(UTC), leaderboard="leaderboard.html")
    assert len(text.encode()) < _MOST_BYTES
    assert "older moves" in text
    assert "older runs are left out" in text


def test_without_changes_it_says_so() -> None:
    trends = many_runs(5, 1)
    trends = dataclasses.replace(trends, steps=(), unknown=0)
    text = render_trends(trends, title="<b>Nights</b>", created_at=datetime.now(UTC))
    assert "No frontier and no best within a budget has changed." in text
    assert "each frontier is as the first run left it" in text
    assert "<b>Nights" not in text
    assert 'class="tool-link"' not in text
