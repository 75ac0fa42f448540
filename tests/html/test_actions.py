"""The page in Chromium: opening and comparing models, taking things away, choosing columns, and how it looks."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree as ET

import pytest
from fakes_html import breakdown_like, report_like, row_like, zoo_like
from fakes_html_browser import Visit

from reports.columns.leaderboard_columns import LEADERBOARD

pytestmark = pytest.mark.browser

LARGE = zoo_like(400)
MAIN = LARGE.leaderboard[LARGE.leaderboard["task"] == "classification"]
HEADERS = {column.key: column.export_name for column in LEADERBOARD}
REPORT = report_like(
    [
        row_like("net_a", "in1k", 224, macs=1_000_000_000, params=5_000_000, imagenet_top1=76.0, source="https://example.org/a"),
        row_like("net_a", "in1k", 288, macs=1_653_061_224, params=5_000_000, imagenet_top1=77.5),
        row_like("net_a", None, 384, macs=2_938_775_510, params=5_000_000, status="bound", reason="top_k counted as 0"),
        row_like("net_b", "in1k", 224, macs=4_000_000_000, params=20_000_000, imagenet_top1=81.25),
        *(row_like(f"other{n}", "in1k", 224, macs=10**9 * n, params=10**6, imagenet_top1=60.0 + n) for n in range(1, 6)),
    ],
    breakdown=breakdown_like(
        "net_a",
        operation={"conv": (900_000_000, 30_000_000), "norm": (0, 10_000_000), "linear": (100_000_000, 0)},
        stage={"stem": (250_000_000, 10_000_000), "stages.0": (750_000_000, 30_000_000)},
    ),
)


def saved(at: Visit, button: str) -> bytes:
    with at.page.expect_download() as download:
        at.page.locator(button).click()
    return Path(download.value.path()).read_bytes()


def test_a_model_opens_with_its_sizes_weights_links_and_command(visit: Callable[..., Visit]) -> None:
    at = visit()
    at.page.locator("#board button.open[title='timm/net_a.in1k']").first.click()
    drawer = at.page.locator("#drawer")
    assert drawer.locator("h2").inner_text() == "timm/net_a"
    sizes, operations, stages, weights = (
        [cell.text_content() for cell in table.locator("tbody tr > :first-child").all()]
        for table in drawer.locator("table").all()
    )
    assert sizes == ["3x224x224", "3x288x288", "3x384x384"]
    assert (operations, stages) == (["convolution", "normalisation", "linear"], ["stem", "stages.0"])
    assert weights == ["in1k", "in1k", "no trained weights"]
    assert "3x384x384, bound: top_k counted as 0" in drawer.inner_text()
    assert {link.get_attribute("href") for link in drawer.locator("a").all()} == {"https://example.org/a"}
    assert drawer.locator("code").last.inner_text() == "zoometer count timm/net_a --input 3x288x288"
    assert drawer.locator("#small-chart canvas").count() == 1
    drawer.get_by_role("button", name="Copy zoometer").click()
    at.until("document.getElementById('notice').textContent")
    assert at.page.evaluate("navigator.clipboard.readText()") == "zoometer count timm/net_a --input 3x288x288"
    at.page.keyboard.press("Escape")
    at.until("!document.querySelector('dialog[open]')")
    at.settle()
    assert at.page.evaluate("location.hash") == ""


def test_the_drawer_says_where_the_cost_is_spent_and_how_it_grows(visit: Callable[..., Visit]) -> None:
    at = visit(f"#open={quote('timm/net_a.in1k@3x224x224')}")
    tables = at.page.locator("#drawer .breakdown table")
    shares = [[cell.split("\n") for cell in row.split("\t")] for row in tables.first.inner_text().split("\n")]
    assert [row[1:] for row in shares[1:]] == [
        [["90.0 %"], ["75.0 %"]],  # 0.9 of 1 GMACs, 30 of 40 MB
        [["–"], ["25.0 %"]],
        [["10.0 %"], ["–"]],
        [["1 G"], ["40 MB"]],
    ]
    labels = [chart.get_attribute("aria-label") for chart in at.page.locator("#growth-charts canvas").all()]
    assert labels == ["MACs (G) by side of the input: 1.00 at 224, 1.65 at 288, 2.94 at 384."]  # parameters do not grow


def test_a_model_without_a_breakdown_opens_too(visit: Callable[..., Visit]) -> None:
    at = visit(f"#open={quote('timm/net_b.in1k@3x224x224')}")
    assert at.page.locator("#drawer table").count() == 2
    assert at.page.locator("#growth-charts canvas").count() == 0


def test_a_command_with_an_odd_name_is_quoted_for_the_shell(visit: Callable[..., Visit]) -> None:
    at = visit(report=report_like([row_like("a b'; rm -rf ~ #")]))
    at.page.locator("#board button.open").click()
    assert at.text("#drawer code >> nth=-1") == "zoometer count 'timm/a b'\\''; rm -rf ~ #' --input 3x224x224"


def test_comparing_marks_the_best_and_what_differs(visit: Callable[..., Visit]) -> None:
    at = visit()
    for name in ("net_a.in1k, 3x224x224", "net_b.in1k, 3x224x224"):
        at.page.get_by_label(f"Compare timm/{name}").check()
    at.page.get_by_role("button", name="Compare 2").click()
    lines = {row[0]: row[1:] for row in at.rows("#compare-table")}
    assert lines["MACs (G)"] == ["1.00 best", "4.00×4.00"]
    assert lines["Top-1 (%)"] == ["76.00", "81.25 best+5.25"]
    assert lines["Input"] == ["3x224x224", "3x224x224"]
    at.page.get_by_label("Differences only").check()
    assert "Input" not in {row[0] for row in at.rows("#compare-table")}
    at.page.get_by_role("button", name="Remove timm/net_a.in1k").last.click()
    assert {len(row) for row in at.rows("#compare-table")} == {2}


def test_at_most_six_models_are_compared(visit: Callable[..., Visit]) -> None:
    at = visit()
    boxes = at.page.locator("#board input.pick")
    for place in range(7):
        boxes.nth(place).click()
    assert at.page.locator("#board input.pick:checked").count() == 6
    assert "At most 6" in at.text("#notice")


def test_a_view_comes_back_from_its_address(visit: Callable[..., Visit]) -> None:
    at = visit(report=LARGE)
    at.page.get_by_label("Params ≤").fill("60M")
    at.page.locator("#search").fill("in1k")
    at.page.locator("#choose-cost").select_option("params")
    at.page.locator("#board th[data-key=macs]").click()
    at.page.locator("#board input.pick").nth(1).check()
    at.page.locator("#board button.open").nth(2).click()
    at.settle()
    seen = (at.models(), at.frontier(), at.text("#counts"), at.page.evaluate("location.hash"), at.text("#drawer-title"))
    again = visit(seen[3], LARGE)
    again.settle()
    assert (
        again.models(),
        again.frontier(),
        again.text("#counts"),
        again.page.evaluate("location.hash"),
        again.text("#drawer-title"),
    ) == seen
    assert again.page.get_by_label("Params ≤").input_value() == "60M"
    assert again.page.locator("#board input.pick:checked").count() == 1
    again.page.keyboard.press("Escape")
    again.page.evaluate("location.hash = ''")
    again.until(f"document.getElementById('count-fitting').textContent === '{len(MAIN)}'")


def test_csv_and_json_hold_what_is_shown_with_exact_values(visit: Callable[..., Visit]) -> None:
    at = visit("#max.params=30&sort=macs&columns=model,macs,imagenet_top1,license,on_frontier", LARGE)
    shown = MAIN[(MAIN["params"] <= 30e6).fillna(False)].sort_values(["macs"], kind="stable")
    table = list(csv.DictReader(io.StringIO(saved(at, "#save-csv").decode("utf-8-sig"))))
    records = json.loads(saved(at, "#save-json"))
    assert (
        list(table[0])
        == list(records[0])
        == [HEADERS[key] for key in ("model", "macs", "imagenet_top1", "license", "on_frontier")]
    )
    assert len(table) == len(records) == len(shown)
    assert [int(row["macs"]) for row in table] == [row["macs"] for row in records] == list(shown["macs"])
    for key in ("imagenet_top1", "license"):
        expected = [None if value is None else value for value in shown[key].astype(object).where(shown[key].notna(), None)]
        assert [row[HEADERS[key]] for row in records] == expected
        assert [row[HEADERS[key]] for row in table] == ["" if value is None else str(value) for value in expected]


def test_a_spreadsheet_runs_no_name_as_a_formula(visit: Callable[..., Visit]) -> None:
    at = visit("#columns=model,family,license,macs", report_like([row_like("=1+1", family="=1+1", license='say "a,b"')]))
    assert saved(at, "#save-csv").decode("utf-8-sig").splitlines()[1] == 'timm/=1+1.a1_in1k,\'=1+1,"say ""a,b""",'
    at.page.locator("#copy-rows").click()
    at.until("document.getElementById('notice').textContent.includes('copied')")
    assert at.page.evaluate("navigator.clipboard.readText()").splitlines()[1].split("\t")[1] == "'=1+1"


def test_the_chart_is_saved_as_a_picture_with_title_and_names(visit: Callable[..., Visit]) -> None:
    at = visit()
    assert saved(at, "#save-png").startswith(b"\x89PNG\r\n")
    picture = ET.fromstring(saved(at, "#save-svg"))  # noqa: S314 our own file
    texts = [element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")]
    for part in ("Vision model zoo", "net_b", "MACs (G), logarithmic", "Top-1 (%)"):
        assert part in texts
    # One point a row with an accuracy (the third has none), and a ring around each of the frontier.
    assert len(list(picture.iter("{http://www.w3.org/2000/svg}circle"))) == 8 + len(at.frontier())


def test_points_of_the_chart_explain_themselves_and_open(visit: Callable[..., Visit]) -> None:
    at = visit(address="#search=net_b")  # a single point
    box = at.page.locator("#chart").bounding_box()
    assert box
    # One point at cost c in a window from c/1.25 to 1.3c stands at log(1.25)/log(1.625) of the width, half way up.
    x, y = box["x"] + 54 + 0.46 * (box["width"] - 72), box["y"] + 14 + 0.5 * (box["height"] - 60)
    at.page.mouse.move(x, y)
    assert at.text("#hint").splitlines()[0] == "timm/net_b.in1k"
    assert "4.00 G" in at.text("#hint")
    at.page.mouse.click(x, y)
    assert at.text("#drawer-title") == "timm/net_b"


def test_the_chart_zooms_by_keys_buttons_and_wheel(visit: Callable[..., Visit]) -> None:
    at = visit()
    reset = at.page.locator("#zoom-reset")
    at.page.locator("#chart").focus()
    ways: tuple[Callable[[], None], ...] = (
        lambda: at.page.keyboard.press("+"),
        lambda: at.page.locator("#zoom-in").click(),
        lambda: at.page.mouse.wheel(0, -200),
    )
    for zoom_in in ways:
        at.page.locator("#chart").hover()
        at.page.locator("#chart").focus()
        assert reset.is_disabled()
        zoom_in()
        at.until("!document.getElementById('zoom-reset').disabled")
        reset.click()


def test_columns_are_chosen_and_moved(visit: Callable[..., Visit]) -> None:
    at = visit()
    keys = "[...document.querySelectorAll('#board thead th')].map((th) => th.dataset.key)"
    before = at.page.evaluate(keys)
    at.page.locator("#column-menu summary").click()
    at.page.locator("#column-list input[value=zoo]").uncheck()
    at.page.locator("#column-list input[value=arch]").check()
    at.page.get_by_role("button", name="Move Input left").click()
    assert at.page.evaluate(keys)[:3] == ["model", "input", "arch"]
    assert at.column("arch")[0] == "net_b"
    at.page.locator("#columns-reset").click()
    assert at.page.evaluate(keys) == before


def test_columns_are_dragged_and_the_view_remembers(visit: Callable[..., Visit]) -> None:
    at = visit()
    at.page.locator("#board").scroll_into_view_if_needed()
    start, end = (at.page.locator(f"#board th[data-key={key}]").bounding_box() for key in ("macs", "zoo"))
    assert start
    assert end
    at.page.mouse.move(start["x"] + 40, start["y"] + 10)
    at.page.mouse.down()
    at.page.mouse.move(end["x"] + 20, start["y"] + 12, steps=12)
    at.page.mouse.up()
    at.until("location.hash.startsWith('#columns=model%2Cmacs%2Czoo')")
    assert at.column("macs")[0] == "4.00"
    at.page.locator("#board th[data-key=macs]").click()
    at.until("document.querySelector('#board th[data-key=macs]').ariaSort === 'ascending'")
    assert at.column("macs") == sorted(at.column("macs"), key=float)


_RELEASE = """([pressed, at, isReleased]) => {
  const header = document.querySelector(`#board th[data-key=${pressed}]`);
  const [x, y] = [at.x + 20, at.y + 10];
  header.dispatchEvent(new PointerEvent('pointerdown', { bubbles: true, button: 0 }));
  if (isReleased) header.dispatchEvent(new PointerEvent('pointerup', { bubbles: true, clientX: x, clientY: y }));
}"""


def test_a_drag_ends_where_its_pointer_is_released_and_only_then(visit: Callable[..., Visit]) -> None:
    at = visit()
    at.page.locator("#board").scroll_into_view_if_needed()
    end = at.page.locator("#board th[data-key=zoo]").bounding_box()
    cell = at.page.locator("#board tbody td").first.bounding_box()
    assert end
    assert cell
    keys = "[...document.querySelectorAll('#board thead th')].map((th) => th.dataset.key)"
    before = at.page.evaluate(keys)
    at.page.evaluate(_RELEASE, ["macs", end, False])  # released outside the window, so the page is not told
    at.page.mouse.move(cell["x"] + 5, cell["y"] + 5)
    at.page.mouse.down()
    at.page.mouse.move(end["x"] + 20, end["y"] + 10)
    at.page.mouse.up()
    assert at.page.evaluate(keys) == before
    at.page.evaluate(_RELEASE, ["macs", end, True])  # a touch, of which the pressed header gets every event
    assert at.page.evaluate(keys)[:3] == ["model", "macs", "zoo"]
