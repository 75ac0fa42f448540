"""The page in Chromium, opened from disk: reading, sorting, searching and choosing by budget."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest
from fakes_html import HOSTILE, hostile_report, report_like, row_like, zoo_like
from fakes_html_browser import Visit

from reports.columns.frontier import frontier
from reports.columns.leaderboard_columns import LEADERBOARD

pytestmark = pytest.mark.browser

REPORT = zoo_like(400)
TABLE = REPORT.leaderboard
MAIN = TABLE[TABLE["task"] == "classification"]


def fitting(**limits: float) -> pd.DataFrame:
    """The rows of the first task that keep these limits; an unknown figure keeps none."""
    keeps = [(MAIN[key] <= limit).fillna(False) for key, limit in limits.items()]
    return MAIN[pd.concat(keeps, axis=1).all(axis=1)]


def frontier_of(rows: pd.DataFrame, cost: str = "macs", quality: str = "imagenet_top1") -> list[str]:
    best = rows[frontier(rows, cost=cost, quality=quality)]
    return list(best.sort_values([cost, "model"])["model"])


def inked(at: Visit) -> float:
    """Share of the chart's pixels that something is drawn on."""
    script = """() => {
        const canvas = document.querySelector('#chart canvas');
        const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        return pixels.filter((value, place) => place % 4 === 3 && value > 0).length / (canvas.width * canvas.height);
    }"""
    return float(at.page.evaluate(script))


def test_the_page_opens_with_its_table_chart_and_frontier(visit: Callable[..., Visit]) -> None:
    at = visit()
    shown = [c.key for c in LEADERBOARD if c.shown and MAIN[c.key].notna().any()]
    assert at.page.evaluate("[...document.querySelectorAll('#board thead th')].map((th) => th.dataset.key)") == shown
    assert len(at.models()) == 25
    assert inked(at) > 0.02  # axes, thousands of points and names; an empty canvas has none
    assert sorted(at.frontier()) == sorted(MAIN[MAIN["on_frontier"].fillna(False)]["model"]) == sorted(frontier_of(MAIN))
    assert at.text("#page-info") == f"1–25 of {len(MAIN)}"


def test_figures_are_shown_in_their_unit_and_the_most_accurate_first(visit: Callable[..., Visit]) -> None:
    at = visit()
    best = MAIN.sort_values("imagenet_top1", ascending=False).iloc[0]
    assert at.models()[0] == best["model"]
    assert at.column("macs")[0] == f"{best['macs'] / 1e9:,.2f}"
    assert at.column("imagenet_top1")[0] == f"{best['imagenet_top1']:.2f}"


def test_unknown_is_a_dash_and_never_zero(visit: Callable[..., Visit]) -> None:
    at = visit(report=report_like([row_like("known", macs=0, params=4_000), row_like("unknown", None, status="failed")]))
    cells = dict(zip(at.models(), zip(at.column("macs"), at.column("params"), strict=True), strict=True))
    assert cells["timm/known.a1_in1k"] == ("0.00", "< 0.01")
    assert [cell.split("\n")[0] for cell in cells["timm/unknown"]] == ["–", "–"]
    assert "not available" in (at.page.locator("#board tbody tr").nth(1).text_content() or "")


@pytest.mark.parametrize("way", ["hover", "focus"])
def test_a_header_explains_its_column(visit: Callable[..., Visit], way: str) -> None:
    at = visit()
    for column in (c for c in LEADERBOARD if c.key in {"macs", "imagenet_top1", "input"}):
        header = at.page.locator(f"#board th[data-key={column.key}]")
        if way == "hover":
            header.hover()
        else:
            header.locator("button").focus()
        for part in (column.header, column.meaning, column.origin):
            assert part in at.text("#hint")


def test_sorting_puts_unknown_last_both_ways(visit: Callable[..., Visit]) -> None:
    rows = [row_like(f"n{n}", macs=macs) for n, macs in enumerate([5, None, 3, 9])]
    at = visit(report=report_like(rows))
    for click, expected in enumerate([["n3", "n0", "n2", "n1"], ["n2", "n0", "n3", "n1"]]):  # it opens by rising MACs
        at.page.locator("#board th[data-key=macs]").click()
        at.until(f"document.querySelector('#board th[data-key=macs]').ariaSort === '{('descending', 'ascending')[click]}'")
        assert at.models() == [f"timm/{name}.a1_in1k" for name in expected]


def test_a_header_sorts_by_keys_and_leaves_the_order_after_its_last_direction(visit: Callable[..., Visit]) -> None:
    at = visit()
    header = at.page.locator("#board th[data-key=macs] button")
    for direction in ("ascending", "descending", "ascending"):
        header.press("Enter")
        assert at.page.locator("#board th[data-key=macs]").get_attribute("aria-sort") == direction
    family = at.page.locator("#board th[data-key=family]")
    for direction in ("asc", "desc", ""):  # by a click with Shift: after MACs, which stay the first
        family.click(modifiers=["Shift"])
        assert (family.get_attribute("data-direction"), family.get_attribute("aria-sort")) == (direction, None)
    assert at.page.locator("#board th[aria-sort]").evaluate_all("(heads) => heads.map((head) => head.dataset.key)") == ["macs"]


def test_pages_of_the_table_are_turned(visit: Callable[..., Visit]) -> None:
    at = visit()
    first, count = list(zip(at.models(), at.column("input"), strict=True)), len(MAIN)
    assert at.text("#page-info") == f"1–25 of {count}"
    at.page.locator("#page-next").click()
    assert at.text("#page-info").startswith("26–")
    assert not set(first) & set(zip(at.models(), at.column("input"), strict=True))
    at.page.locator("#page-last").click()
    assert at.text("#page-info") == f"{(count - 1) // 25 * 25 + 1}–{count} of {count}"
    assert at.page.locator("#page-next").is_disabled()
    at.page.locator("#page-size").select_option("50")
    assert at.text("#page-info").endswith(f"of {count}")
    at.page.locator("#page-first").click()
    assert list(zip(at.models(), at.column("input"), strict=True))[:25] == first
    at.page.locator("#page-size").select_option("25")
    assert len(at.models()) == 25


def test_sorting_by_several_columns(visit: Callable[..., Visit]) -> None:
    at = visit()
    at.page.locator("#board th[data-key=family]").click()
    at.page.locator("#board th[data-key=macs]").click(modifiers=["Shift"])
    expected = MAIN.sort_values(["family", "macs"], kind="stable").head(25)
    assert at.column("family") == list(expected["family"])
    assert at.column("macs") == [f"{value / 1e9:,.2f}" for value in expected["macs"]]
    at.settle()
    assert at.page.evaluate("location.hash") == "#sort=family%2Cmacs"


def test_search_wants_every_word_and_no_word_with_a_minus(visit: Callable[..., Visit]) -> None:
    at = visit()
    at.page.keyboard.press("/")
    at.page.keyboard.type("vit 224 -swin")
    wanted = MAIN[
        [
            all(w in f"{r.model} {r.family} {r.input}" for w in ("vit", "224")) and "swin" not in f"{r.model}{r.family}"
            for r in MAIN.itertuples()
        ]
    ]
    assert 0 < len(wanted) < len(MAIN)
    assert at.text("#count-fitting") == str(len(wanted))
    assert sorted(at.frontier()) == sorted(frontier_of(wanted))


def test_a_limit_narrows_table_frontier_and_counts_at_once(visit: Callable[..., Visit]) -> None:
    at = visit()
    at.page.get_by_label("Params ≤").fill("30")
    at.page.get_by_label("MACs ≤").fill("4000M")
    expected = fitting(params=30e6, macs=4e9)
    assert 0 < len(expected) < len(MAIN)
    assert at.text("#count-fitting") == str(len(expected))
    assert at.text("#page-info").endswith(f"of {len(expected)}")
    assert sorted(at.frontier()) == sorted(frontier_of(expected))
    assert set(at.models()) <= set(expected["model"])
    at.page.get_by_role("button", name="Reset", exact=True).first.click()
    assert at.text("#count-fitting") == str(len(MAIN))
    assert at.page.get_by_label("Params ≤").input_value() == ""


def test_left_out_models_are_explained(visit: Callable[..., Visit]) -> None:
    rows = [
        row_like("fits", macs=4_000_000_000, params=20_000_000, imagenet_top1=80.0),
        row_like("near", macs=5_000_000_000, params=20_000_000, imagenet_top1=82.0),  # a quarter beyond MACs alone
        row_like("far", macs=40_000_000_000, params=90_000_000, imagenet_top1=85.0),  # ten times beyond, and beyond params
        row_like("worse", macs=4_500_000_000, params=1, imagenet_top1=70.0),  # nearest, but the frontier would not take it
        row_like("unknown", None, status="failed"),
    ]
    at = visit(report=report_like(rows))
    at.page.get_by_label("MACs ≤").fill("4")
    at.page.get_by_label("Params ≤").fill("50")
    assert at.rows("#binding") == [["MACs ≤ 4.00 G", "3", "2", "1"], ["Params ≤ 50.00 M", "1", "0", "1"]]
    misses = at.rows("#misses")
    assert [line[0] for line in misses] == ["timm/near.a1_in1k", "timm/far.a1_in1k"]
    assert misses[0][2:] == ["MACs ≤ 4.00 G", "5.00 G", "25.0 %", "82.00", "+2.00"]
    assert misses[1][4] == "×10"


def test_an_amount_that_cannot_be_read_limits_nothing_and_says_so(visit: Callable[..., Visit]) -> None:
    at = visit()
    at.page.get_by_label("Params ≤").fill("many")
    assert at.text("#count-fitting") == str(len(MAIN))
    assert "Write an amount" in at.text("#max-params-note")


def test_a_least_accuracy_and_another_dataset(visit: Callable[..., Visit]) -> None:
    at = visit()
    at.page.get_by_label("Accuracy ≥").fill("84")
    assert at.text("#count-fitting") == str(int((MAIN["imagenet_top1"] >= 84).sum()))
    at.page.locator("#choose-accuracy").select_option("imagenet_v2_top1")
    assert at.page.get_by_label("Accuracy ≥").input_value() == ""
    assert sorted(at.frontier()) == sorted(frontier_of(MAIN, quality="imagenet_v2_top1"))


def test_another_cost_gives_another_frontier(visit: Callable[..., Visit]) -> None:
    at = visit()
    at.page.locator("#choose-cost").select_option("params")
    assert sorted(at.frontier()) == sorted(frontier_of(MAIN, cost="params"))
    at.page.get_by_label("Frontier only").check()
    assert sorted(at.models()) == sorted(frontier_of(MAIN, cost="params"))[:25]
    assert set(at.column("on_frontier")) == {"yes"}


def test_equal_models_share_the_frontier(visit: Callable[..., Visit]) -> None:
    rows = [
        row_like(name, macs=macs, imagenet_top1=top1)
        for name, macs, top1 in (("a", 5, 80.0), ("b", 5, 80.0), ("c", 6, 80.0), ("d", 5, 79.0))
    ]
    assert visit(report=report_like(rows)).frontier() == ["timm/a.a1_in1k", "timm/b.a1_in1k"]


def test_choosing_values_by_keyboard(visit: Callable[..., Visit]) -> None:
    at = visit()
    at.page.locator("#more > summary").click()
    summary = at.page.locator("details.facet[data-key=zoo] summary")
    summary.focus()
    at.page.keyboard.press("Enter")
    box = at.page.locator("details.facet[data-key=zoo] input[value=torchvision]")
    box.focus()
    at.page.keyboard.press("Space")
    expected = MAIN[MAIN["zoo"] == "torchvision"]
    assert at.text("#count-fitting") == str(len(expected))
    at.page.keyboard.press("Escape")
    assert not box.is_visible()
    assert at.page.evaluate("document.activeElement.tagName") == "SUMMARY"


def test_tasks_have_their_own_leaderboards(visit: Callable[..., Visit]) -> None:
    at = visit()
    at.page.get_by_role("tab", name="classification").focus()
    at.page.keyboard.press("ArrowRight")
    features = TABLE[TABLE["task"] == "features"]
    assert at.text("#count-fitting") == str(len(features))
    assert "No accuracy available" in at.text("#no-accuracy")
    assert at.column("macs") == [f"{value / 1e9:,.2f}" for value in sorted(features["macs"])[:25]]


TASKS_REPORT = report_like(
    [
        row_like("net", macs=1_000_000_000, imagenet_top1=80.0),
        *(
            row_like(f"detector{n}", "coco", 800, task="detection", macs=10**11 * n, params=10**7, coco_box_map=30.0 + value)
            for n, value in ((1, 3.0), (2, 9.0), (3, 7.0))
        ),
        *(
            row_like(f"flow{n}", "c_t", 440, task="optical-flow", macs=10**11 * n, sintel_train_clean_epe=error)
            for n, error in ((1, 2.5), (2, 1.25), (3, 1.75))
        ),
        row_like("clips", "kinetics", 112, task="video", macs=40_000_000_000, kinetics400_top1=57.5),
    ]
)


def test_each_task_is_ranked_by_its_own_metric(visit: Callable[..., Visit]) -> None:
    at = visit(report=TASKS_REPORT)
    tabs = [tab.inner_text().split()[0] for tab in at.page.get_by_role("tab").all()]
    assert tabs == ["classification", "detection", "optical-flow", "video"]
    at.page.get_by_role("tab", name="detection").click()
    assert at.column("coco_box_map") == ["39.00", "37.00", "33.00"]
    assert at.frontier() == ["timm/detector1.coco", "timm/detector2.coco"]
    assert not at.page.locator("#board th[data-key=imagenet_top1]").count()
    at.page.get_by_label("Accuracy ≥").fill("35")
    assert at.text("#count-fitting") == "2"


def test_an_error_is_better_the_lower_it_is(visit: Callable[..., Visit]) -> None:
    at = visit("#task=optical-flow", TASKS_REPORT)
    assert at.column("sintel_train_clean_epe") == ["1.25", "1.75", "2.50"]
    assert at.frontier() == ["timm/flow1.c_t", "timm/flow2.c_t"]
    assert at.rows("#frontier-list")[1][1:] == ["1.25", "+1.25", "200.00"]  # better by 2.5 - 1.25
    at.page.get_by_label("Error ≤").fill("2")
    assert at.text("#count-fitting") == "2"
    at.page.get_by_label("Error ≤").fill("1")
    assert [row[0] for row in at.rows("#misses")] == ["timm/flow2.c_t", "timm/flow3.c_t", "timm/flow1.c_t"]


def test_the_first_screen_names_the_best_for_round_costs(visit: Callable[..., Visit]) -> None:
    rows = [
        row_like(f"n{n}", macs=int(macs * 1e9), imagenet_top1=top1)
        for n, (macs, top1) in enumerate(((0.9, 70), (1.8, 75), (6, 81)))
    ]
    at = visit(report=report_like(rows))
    best = [card.inner_text().split("\n") for card in at.page.locator("#picks button").all()]
    assert best == [
        ["≤ 1 G MACs", "n0", "70.00 % · 0.90 G"],
        ["≤ 2 G MACs", "n1", "75.00 % · 1.80 G"],  # and up to 5 G as well
        ["any MACs", "n2", "81.00 % · 6.00 G"],
    ]
    at.page.locator("#picks button").last.click()
    assert at.text("#drawer-title") == "timm/n2"


def test_without_accuracy_the_page_says_so_and_ranks_by_cost(visit: Callable[..., Visit]) -> None:
    report = zoo_like(60, accuracy=False)
    at = visit(report=report)
    assert "No accuracy available" in at.text("#no-accuracy")
    assert report.warnings[0] in at.text("#no-accuracy")
    assert not at.page.locator("#chart-area").is_visible()
    assert at.models()


def test_an_empty_report_is_a_page_too(visit: Callable[..., Visit]) -> None:
    at = visit(report=report_like([]))
    assert "No model fits" in at.text("#board")


def test_hostile_text_is_shown_as_it_is(visit: Callable[..., Visit]) -> None:
    at = visit(report=hostile_report())
    assert set(at.models()) == {f"{text}/{text}.{text}" for text in HOSTILE}
    for button in at.page.locator("#frontier-list button").all():
        button.click()
        at.page.keyboard.press("Escape")
    for kind in ("fold", "group"):
        for part in at.page.locator(f"details.{kind}:visible").all():
            part.locator("summary").first.click()
    at.page.locator("#board th[data-key=family]").hover()
    assert at.page.locator("img, [onerror], [onmouseover]").count() == 0
    assert at.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(
    "address",
    ["#accuracy=<img>&cost=nope&sort=nope,-macs", "#max.macs=x&is.zoo=%00&open=a&compare=b", "#columns=,,x&task=__proto__", "#%"],
)
def test_an_address_that_makes_no_sense_gives_the_plain_page(visit: Callable[..., Visit], address: str) -> None:
    at = visit(address)
    assert at.page.locator("#board tbody tr").count() >= 1
    assert not at.page.locator("dialog[open]").count()


def test_coverage_names_failures_with_their_reason(visit: Callable[..., Visit]) -> None:
    at = visit()
    at.page.locator(".coverage-card > summary").click()
    group = at.page.locator("#coverage-list details").first
    assert "failed" in group.inner_text()
    assert "build: ValueError: unknown block 'x'" in group.inner_text()
    group.locator("summary").click()
    group.get_by_text("timm/funny_net at 3x224x224").wait_for()
    assert "timm 1.0.31 has no such architecture" in at.text("#unmatched-list")
