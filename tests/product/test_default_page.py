"""The page of the default run as its readers use it: the answer in few actions, for everybody, and on paper."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib.resources import files as package_files
from typing import Any

import pytest
from fakes_default_run import DefaultRun
from fakes_html_browser import CHROMIUM_NAMES, Visit, started_browser
from playwright.sync_api import Browser

from reports.columns.budget_columns import LATENCY
from reports.columns.format import figure_text

pytestmark = [pytest.mark.slow, pytest.mark.browser]

JETSON = (
    "#device=jetson-orin-nano&run=float16&cost=latency:jetson-orin-nano:float16&max.latency:jetson-orin-nano:float16=10&least=80"
)
PHONE: dict[str, Any] = {"width": 390, "height": 844}


class Reader:
    """Somebody at the page: every choice, typing and click is an action, and counted."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self.actions = 0

    def choose(self, label: str, option: str) -> None:
        self.actions += 1
        self.visit.page.get_by_label(label, exact=True).select_option(label=option)
        self.visit.settle()

    def type(self, label: str, text: str) -> None:
        self.actions += 1
        self.visit.page.get_by_label(label, exact=True).fill(text)
        self.visit.settle()

    def press(self, name: str) -> None:
        self.actions += 1
        self.visit.page.get_by_role("button", name=name).click()
        self.visit.settle()

    def pick(self) -> tuple[str | None, str]:
        """The model that the page says to take, and its input."""
        (input,) = re.findall(r" at (\S+)$", self.visit.text("#answer-pick .pick"))
        return self.visit.page.locator("#answer-pick button.open").get_attribute("title"), input


@pytest.fixture(scope="module")
def browser(require_program: object) -> Iterator[Browser]:
    assert callable(require_program)
    with started_browser(require_program(*CHROMIUM_NAMES)) as started:
        yield started


@pytest.fixture(scope="module")
def wanted(default_run: DefaultRun) -> dict[str, Any]:
    """What `zoometer select` answers: 10 ms on a Jetson Orin Nano in float16, at least 80 %."""
    limits = ["--device", "jetson-orin-nano", "--dtype", "float16", "--max-latency", "10ms", "--min-top1", "80"]
    answer = default_run.zoometer("select", "default.yaml", "--task", "classification", *limits, "--format", "json")
    assert answer.code == 0, answer.errors
    found: dict[str, Any] = json.loads(answer.output)
    return found


def check_answer(reader: Reader, wanted: dict[str, Any]) -> None:
    pick = wanted["pick"]
    assert reader.pick() == (pick["model"], pick["input"])
    assert "{} ms, estimated: {} to {} ms".format(
        *(figure_text(LATENCY, pick[name]) for name in ("latency_ms", "latency_low_ms", "latency_high_ms"))
    ) in (reader.visit.text("#answer-pick"))
    assert reader.visit.text("#count-fitting") == f"{wanted['candidates']['fits']:,}"


def test_the_best_model_for_a_latency_and_an_accuracy_takes_three_actions(
    default_run: DefaultRun, browser: Browser, wanted: dict[str, Any]
) -> None:
    visit = Visit(browser, default_run.report("html"), width=1440)
    reader = Reader(visit)
    reader.choose("Device", "NVIDIA Jetson Orin Nano 8GB")
    assert visit.page.input_value("#choose-run") == "float16"
    reader.type("Latency ≤", "10")
    reader.type("Accuracy ≥", "80")
    check_answer(reader, wanted)
    assert reader.actions == 3
    visit.close()
    assert visit.problems == []


def test_a_phone_answers_the_same_in_three_actions(default_run: DefaultRun, browser: Browser, wanted: dict[str, Any]) -> None:
    visit = Visit(browser, default_run.report("html"), **PHONE)
    reader = Reader(visit)
    reader.press("Jetson")  # Orin Nano, float16, 10 ms
    reader.press("Choose device and limits")
    reader.type("Accuracy ≥", "80")
    check_answer(reader, wanted)
    assert reader.actions == 3
    visit.close()
    assert visit.problems == []


@pytest.mark.parametrize(
    ("address", "how", "opened"),
    [
        ("", {}, True),
        (JETSON, {"dark": True}, True),
        ("", PHONE, False),
        (JETSON, PHONE, True),
    ],
    ids=["light, all open", "dark, device, all open", "phone", "phone, device, all open"],
)
def test_accessibility_rules_hold(
    default_run: DefaultRun, browser: Browser, address: str, how: dict[str, Any], opened: bool
) -> None:
    visit = Visit(browser, default_run.report("html"), address, **how)
    if opened:
        visit.page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    visit.settle()
    assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    visit.page.evaluate(package_files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8"))
    assert visit.page.evaluate("async () => (await axe.run()).violations.map((v) => [v.id, v.nodes.map((n) => n.html)])") == []
    visit.close()


@pytest.mark.parametrize(
    ("address", "paper"), [("", "A4"), (JETSON, "Letter"), ("#task=detection", "A4"), ("#task=features", "Letter")]
)
def test_two_pages_are_printed(default_run: DefaultRun, browser: Browser, address: str, paper: str) -> None:
    visit = Visit(browser, default_run.report("html"), address)
    assert len(re.findall(rb"/Type\s*/Page\b", visit.page.pdf(format=paper))) == 2
    visit.close()
