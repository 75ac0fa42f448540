"""A chosen device on the page, in Chromium: found by words of its name, and models have to be within its memory, as with `select`."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

import numpy as np
import pytest
from fakes_html_browser import Visit
from fakes_html_devices import CHOICES, DEVICES, IS_MAIN, PLAIN, RUNS, TABLE

from reports.columns.budget_columns import MEMORY
from reports.leaderboard.report import DeviceLatencies
from reports.selection.candidates import build_candidates
from zoo.devices.data_sheets import shipped_devices
from zoo.devices.device import Figure

pytestmark = pytest.mark.browser

PHONE = shipped_devices()["pixel-8"]
BYTES = build_candidates(TABLE.assign(batch=1), RUNS[0]).table[MEMORY.key].astype(float).to_numpy()
WITHIN = float(np.median(BYTES[IS_MAIN & (BYTES > 0)]))
"""The memory of a phone that half of the models exceed."""


def in_little_memory() -> tuple[DeviceLatencies, ...]:
    assert PHONE.memory_bytes
    small = dataclasses.replace(PHONE, memory_bytes=Figure(WITHIN, PHONE.memory_bytes.source))
    return tuple(dataclasses.replace(one, device=small) if one.device.id == PHONE.id else one for one in CHOICES.values())


REPORT = dataclasses.replace(PLAIN, device_latencies=in_little_memory())


def is_chosen(at: Visit, device: str) -> None:
    at.until(f"document.getElementById('choose-device').value === '{device}'")


def test_models_have_to_be_within_the_memory_of_the_device(visit: Callable[..., Visit]) -> None:
    at = visit()
    at.page.select_option("#choose-device", PHONE.id)
    is_chosen(at, PHONE.id)
    at.until("document.getElementById('count-fitting').textContent !== ''")
    fits = IS_MAIN & (BYTES <= WITHIN) & TABLE["macs"].notna().to_numpy()
    assert at.text("#count-fitting") == str(fits.sum())
    assert f"Memory of the device ≤ {WITHIN / 1e9:,.2f} GB" in at.text("#binding")
    assert set(at.frontier()) <= set(TABLE["model"][fits])
    at.page.select_option("#choose-run", "float16-nhwc")
    at.settle()
    assert at.text("#count-fitting") == str(fits.sum())


def test_a_limit_of_0_has_no_factor(visit: Callable[..., Visit]) -> None:
    at = visit()
    at.page.get_by_label("Params ≤").fill("0")
    at.settle()
    assert at.text("#count-fitting") == "0"
    said = at.text("#answer") + at.text("#left-out")
    assert "moved to" in said
    assert not re.search(r"×\d|\+\d+%", said)


@pytest.mark.parametrize(("words", "device"), [("orin nano", "jetson-orin-nano"), ("T4", "t4"), ("8 pixel", "pixel-8")])
def test_a_device_is_found_by_words_of_its_name(visit: Callable[..., Visit], words: str, device: str) -> None:
    at = visit()
    at.page.fill("#find-device", words)
    at.page.press("#find-device", "Enter")
    is_chosen(at, device)
    assert at.page.input_value("#find-device") == ""
    at.page.fill("#find-device", "no such device")
    at.page.press("#find-device", "Enter")
    is_chosen(at, device)
    names = at.page.locator("#device-names option").evaluate_all("options => options.map((one) => one.value)")
    assert sorted(names) == sorted(shipped_devices()[one].name for one in DEVICES)
