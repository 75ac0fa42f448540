"""Latency in the default run: devices chosen on its page give the rows of `zoometer select`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fakes_default_run import DefaultRun
from fakes_html_browser import CHROMIUM_NAMES, Visit, started_browser

pytestmark = [pytest.mark.slow, pytest.mark.browser]

DEVICES = [("t4", "float16", 5), ("galaxy-s24", "int8", 4), ("raspberry-pi-5", "float32", 60)]
"""Of three kinds, each with a limit in milliseconds: a cloud GPU by its data sheet, a phone and a board by what was published of
devices like it."""


@pytest.fixture(scope="module")
def page(default_run: DefaultRun, require_program: object) -> Iterator[Visit]:
    assert callable(require_program)
    with started_browser(require_program(*CHROMIUM_NAMES)) as browser:
        at = Visit(browser, default_run.report("html"))
        yield at
        at.close()
        assert at.problems == []


def selected(default_run: DefaultRun, *options: str) -> dict[str, Any]:
    answer = default_run.zoometer("select", "default.yaml", "--task", "classification", *options, "--format", "json")
    assert answer.code == 0, answer.errors
    found: dict[str, Any] = json.loads(answer.output)
    return found


@pytest.mark.parametrize(("device", "dtype", "limit_ms"), DEVICES)
def test_a_device_and_a_limit_on_the_page_give_the_rows_of_select(
    default_run: DefaultRun, page: Visit, device: str, dtype: str, limit_ms: int
) -> None:
    wanted = selected(default_run, "--device", device, "--dtype", dtype, "--max-latency", f"{limit_ms}ms", "--pareto", "latency")
    page.page.select_option("#choose-device", device)
    page.until(f"document.getElementById('choose-device').value === '{device}'")
    page.page.locator("#choose-run option").filter(has_text=dtype).first.wait_for(state="attached")
    run = page.page.locator("#choose-run option").filter(has_text=dtype).first.get_attribute("value")
    page.page.select_option("#choose-run", str(run))
    page.until(f"document.getElementById('max-latency:{device}:{run}') !== null")
    page.page.fill(f"[id='max-latency:{device}:{run}']", str(limit_ms))
    page.settle()
    assert page.text("#count-fitting") == f"{wanted['candidates']['fits']:,}"
    assert 100 < wanted["candidates"]["fits"] < sum(wanted["candidates"].values())
    assert sorted(page.frontier()) == sorted(row["model"] for row in wanted["frontier"])
    page.page.locator("#only-frontier").check()
    page.settle()
    shown = page.page.locator("#board tbody .latency").all_inner_texts()
    rows = list(zip(page.models(), [float(text.replace(",", "")) for text in shown], strict=True))
    assert rows
    for model, latency_ms in rows:  # a model may be on the frontier at two inputs
        known = [row["latency_ms"] for row in wanted["frontier"] if row["model"] == model]
        assert any(latency_ms == pytest.approx(other, rel=0.006) for other in known), model
    page.page.locator("#only-frontier").uncheck()


def test_the_memory_of_a_device_limits_the_rows_as_with_select(default_run: DefaultRun, page: Visit) -> None:
    wanted = selected(default_run, "--device", "jetson-nano", "--dtype", "fp16", "--pareto", "latency")
    page.page.select_option("#choose-device", "")  # the limit on latency of another test goes with its device
    page.until("!location.hash.includes('max.latency')")
    page.page.select_option("#choose-device", "jetson-nano")
    page.until("document.getElementById('choose-device').value === 'jetson-nano'")
    page.page.select_option("#choose-run", "float16")
    page.settle()
    assert page.text("#count-fitting") == f"{wanted['candidates']['fits']:,}"
    assert next(limit for limit in wanted["limits"] if limit["title"] == "Memory of the device")["beyond"] > 0


def test_every_kind_of_device_can_be_chosen(page: Visit) -> None:
    groups = page.page.locator("#choose-device optgroup").evaluate_all("groups => groups.map(group => group.label)")
    assert {"Cloud GPU", "Desktop GPU", "Jetson", "Phone", "Accelerator", "Board", "CPU"} <= set(groups)
