"""The default configuration over the real zoos: what is counted, and the report that comes of it in a reader's hands."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from fakes_default_run import RESULTS, DefaultRun
from fakes_html_browser import CHROMIUM_NAMES, Visit, started_browser

from reports.columns.frontier import frontier
from zoo.accuracy.result_tables import MAIN_TABLE
from zoo.adapters.registry import open_zoo
from zoo.cache.store import Store

pytestmark = pytest.mark.slow

MOST_PARAMS, MOST_MACS = 30_000_000, 4_000_000_000
MOST_PAGE_BYTES = 4_000_000


@pytest.fixture(scope="module")
def board(default_run: DefaultRun) -> pd.DataFrame:
    """The leaderboard as the Parquet export has it: what the page and the workbook are held against."""
    return pd.read_parquet(default_run.report("parquet"))


@pytest.fixture(scope="module")
def images(board: pd.DataFrame) -> pd.DataFrame:
    """The rows of image classification, which the page opens with."""
    return board[board["task"] == "classification"]


@pytest.fixture(scope="module")
def page(default_run: DefaultRun, require_program: object) -> Iterator[Visit]:
    assert callable(require_program)
    with started_browser(require_program(*CHROMIUM_NAMES)) as browser:
        at = Visit(browser, default_run.report("html"))
        yield at
        at.close()
        assert at.problems == []


def test_every_architecture_is_counted(default_run: DefaultRun) -> None:
    assert default_run.first.code == 0, default_run.first.errors
    costs = Store(default_run.cache).costs()
    counted = costs[costs["status"] != "failed"]
    for name in ("timm", "torchvision"):
        assert set(counted.loc[counted["zoo"] == name, "arch"]) == {a.name for a in open_zoo(name).architectures()}
    failed = costs[costs["status"] == "failed"]
    assert set(failed["reason"].str.extract(r"^(\w+)")[0]) <= {"input"}  # a size that an architecture cannot take


def test_without_a_network_models_have_their_accuracy(default_run: DefaultRun, board: pd.DataFrame) -> None:
    known = board[(board["zoo"] == "timm") & board["imagenet_top1_percent"].notna()]
    assert len(known) >= 1550
    assert "that come with zoometer: newer ones could not be downloaded" in default_run.first.errors
    assert "!" not in default_run.first.output  # the mark of a warning: nothing is wrong
    answer = default_run.zoometer("select", "--max-params", "5M", "--max-gmacs", "0.6", "--min-top1", "75", "--format", "json")
    assert answer.code == 0, answer.errors
    assert json.loads(answer.output)["pick"]["model"].startswith("timm/")


@pytest.mark.skipif(not RESULTS.is_dir(), reason="timm's published tables are not there")
def test_the_accuracy_of_every_row_is_the_published_one(board: pd.DataFrame) -> None:
    known = board[(board["zoo"] == "timm") & board["imagenet_top1_percent"].notna()]
    ours = zip(known["model"], known["input"], known["imagenet_top1_percent"], known["imagenet_top5_percent"], strict=True)
    table = pd.read_csv(RESULTS / MAIN_TABLE)
    inputs = "3x" + table["img_size"].astype(str) + "x" + table["img_size"].astype(str)
    assert {*ours} == {*zip("timm/" + table["model"], inputs, table["top1"], table["top5"], strict=True)}


def test_a_second_run_has_nothing_to_count(default_run: DefaultRun) -> None:
    again = default_run.zoometer("run", "default.yaml", "--format", "json")
    assert again.code == 0, again.errors
    assert json.loads(again.output)["counted"] == 0


def test_the_page_stays_small_enough_for_a_mail(default_run: DefaultRun) -> None:
    assert default_run.report("html").stat().st_size < MOST_PAGE_BYTES


def test_the_workbook_has_every_row(default_run: DefaultRun, board: pd.DataFrame) -> None:
    book = openpyxl.load_workbook(default_run.report("xlsx"), read_only=True)
    sheets = [book[name] for name in book.sheetnames if name.startswith("Leaderboard")]
    assert sum(sheet.max_row - 1 for sheet in sheets) == len(board)
    assert len(sheets) == board["task"].nunique()


@pytest.mark.browser
def test_a_budget_on_the_page_is_the_one_of_the_table(page: Visit, images: pd.DataFrame) -> None:
    page.page.get_by_label("Params ≤").fill("30")
    page.page.get_by_label("MACs ≤").fill("4000M")
    fitting = images[((images["params"] <= MOST_PARAMS) & (images["macs"] <= MOST_MACS)).fillna(False)]
    assert 100 < len(fitting) < len(images)
    assert page.text("#count-fitting") == f"{len(fitting):,}"
    best = fitting[frontier(fitting, cost="macs", quality="imagenet_top1_percent")]
    assert sorted(page.frontier()) == sorted(best["model"])


@pytest.mark.browser
def test_a_model_opens_is_compared_and_comes_back_from_its_address(page: Visit) -> None:
    names = page.models()
    page.page.locator("#board button.open").first.click()
    assert page.text("#drawer-title") in names[0]
    assert page.page.locator("#drawer table").count() >= 3  # sizes, where the cost is spent, weights
    page.page.locator("#drawer .close").click()
    for place in range(2):
        page.page.locator("#board input.pick").nth(place).check()
    page.page.get_by_role("button", name="Compare 2").click()
    compared = {row[0] for row in page.rows("#compare-table")}
    assert {"MACs (G)", "Params (M)", "Peak memory (MB)"} <= compared
    page.page.locator("#compare .close").click()
    page.settle()
    names, fitting = page.models(), page.text("#count-fitting")
    address = page.page.evaluate("location.hash")
    page.page.evaluate("location.hash = ''")
    page.until(f"document.getElementById('count-fitting').textContent !== '{fitting}'")
    page.page.evaluate("(hash) => { location.hash = hash; }", address)
    page.until(f"document.getElementById('count-fitting').textContent === '{fitting}'")
    assert page.models() == names


@pytest.mark.browser
def test_what_is_shown_is_what_is_taken_away(page: Visit, images: pd.DataFrame) -> None:
    expected = images[(images["macs"] <= 1_000_000_000).fillna(False)]
    page.page.evaluate("location.hash = '#max.macs=1'")
    page.until(f"document.getElementById('count-fitting').textContent === '{len(expected):,}'")
    with page.page.expect_download() as download:
        page.page.locator("#save-csv").click()
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8-sig"))))
    assert sorted((row["model"], row["input"], int(row["macs"])) for row in rows) == sorted(
        zip(expected["model"], expected["input"], expected["macs"], strict=True)
    )


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1400])
def test_pictures_for_a_person(default_run: DefaultRun, page: Visit, screenshots: Path, width: int, dark: bool) -> None:
    browser = page.page.context.browser
    assert browser is not None
    at = Visit(browser, default_run.report("html"), width=width, height=900, dark=dark)
    assert at.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    at.page.screenshot(path=screenshots / f"default-{width}-{'dark' if dark else 'light'}.png")
    at.close()
    assert at.problems == []


def test_a_selection_picks_what_the_table_has(default_run: DefaultRun, images: pd.DataFrame) -> None:
    answer = default_run.zoometer("select", "default.yaml", "--max-gmacs", "1", "--task", "classification", "--format", "json")
    assert answer.code == 0, answer.errors
    fitting = images[(images["macs"] <= 1_000_000_000).fillna(False)]
    assert json.loads(answer.output)["pick"]["imagenet_top1"] == fitting["imagenet_top1_percent"].max()
