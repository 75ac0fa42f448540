"""A page whose every text wants to be a script, in Chromium: none runs, and none could, since the policy of the page lets none."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from urllib.parse import quote

import numpy as np
import pandas as pd
import pytest
from fakes_excel import audited, changed, with_budgets
from fakes_html import frame_like, hostile_report
from fakes_html_browser import Visit

from reports.columns.section_columns import PUBLISHED_SPEEDS
from reports.config.budget_section import BudgetSection
from reports.leaderboard.report import DataSource, DeviceLatencies, Report
from zoo.devices.data_sheets import shipped_devices
from zoo.run_config import Precision, RunConfig

pytestmark = pytest.mark.browser

RUN_ME = "window.hit = true"
SCRIPTS = (
    f"<img src=x onerror='{RUN_ME}'>",
    f"</script></textarea></title></style><script>{RUN_ME}</script>",
    f"<svg onload='{RUN_ME}'><style>*{{background:url(//evil.invalid/)}}</style>",
    f"<iframe srcdoc='<script>parent.{RUN_ME}</script>'>",
    f"<a href='javascript:{RUN_ME}'>a</a><base href='//evil.invalid/'>",
    f'" autofocus onfocus="{RUN_ME}" x="',
    f"javascript:{RUN_ME}",
    f"{{{{constructor.constructor('{RUN_ME}')()}}}}${{{RUN_ME}}}",
    "\u202e<!--",
)
HOSTILE = SCRIPTS[1]


def hostile_latencies(rows: int) -> tuple[DeviceLatencies, ...]:
    """A device of hostile names, with a figure for each row."""
    real = shipped_devices()["t4"]
    figures, origin = np.linspace(1, 9, rows), np.zeros(rows, np.int8)
    devices = [
        dataclasses.replace(real, id=f"id {text}", name=text, note=text, chip=text, architecture=text, aliases=(text,))
        for text in SCRIPTS[:3]
    ]
    run = RunConfig(precision=Precision.FP16)
    return tuple(DeviceLatencies(device, run, figures, figures / 2, figures * 2, origin, HOSTILE) for device in devices)


def every_text_hostile() -> Report:
    plain = hostile_report()
    table = plain.leaderboard.copy()
    names = [SCRIPTS[row % len(SCRIPTS)] for row in range(len(table))]
    for key in ("arch", "tag", "family", "license", "dataset", "reason", "source"):
        table[key] = pd.array([f"{text} {row}" for row, text in enumerate(names)], dtype="string")
    table["model"] = table["arch"] + "/" + table["tag"]
    published = [
        {"arch": text, "zoo": text, "input": text, "variant": text, "device": text, "runtime": text, "dtype": text, "batch": 1,
         "latency_ms": 1.5, "samples_per_s": 600.0, "latency_from": text}
        for text in SCRIPTS
    ]  # fmt: skip
    report = dataclasses.replace(
        plain,
        title=HOSTILE,
        convention=HOSTILE,
        versions={text: text for text in SCRIPTS},
        leaderboard=table,
        warnings=SCRIPTS,
        notes=SCRIPTS,
        command=HOSTILE,
        sources=tuple(DataSource(text, text, text, text) for text in SCRIPTS),
        changes=dataclasses.replace(changed(SCRIPTS[:3]), heading=HOSTILE),
        audits=(
            dataclasses.replace(audited(SCRIPTS[:3]), title=HOSTILE, zoo=HOSTILE, counts_as=HOSTILE, causes=((HOSTILE, 1),)),
        ),
        device_latencies=hostile_latencies(len(table)),
        published_speeds=frame_like(published, PUBLISHED_SPEEDS),
    )
    limits = BudgetSection.model_validate({"macs": "5G", "license": [HOSTILE]})
    return with_budgets(report, dict.fromkeys(SCRIPTS, limits))


REPORT = every_text_hostile()


def walk(at: Visit) -> None:
    """Opens what can be opened, points at what explains itself, and chooses every device."""
    for part in at.page.locator("details:not([open]) > summary").all():
        if part.is_visible():
            part.click()
    for device in at.page.evaluate("[...document.querySelectorAll('#choose-device option')].map((o) => o.value)"):
        at.page.select_option("#choose-device", device)
        at.settle()
    at.page.select_option("#choose-device", "")  # nothing is known to be within the memory of a device: inputs are no shapes
    at.settle()
    for button in at.page.locator("#board tbody button.open").all()[:4]:
        button.click()
        at.page.keyboard.press("Escape")
    for heading in at.page.locator("#board thead th").all()[:6]:
        heading.hover()
    at.page.locator("#board tbody tr td").nth(1).hover()


def is_hit(at: Visit) -> bool:
    return bool(at.page.evaluate("Boolean(window.hit)"))


def test_no_text_of_a_report_runs_or_becomes_markup(visit: Callable[..., Visit]) -> None:
    at = visit()
    assert at.page.locator("#choose-device option").count() > len(SCRIPTS[:3])
    walk(at)
    assert not is_hit(at)
    assert at.page.locator("img, iframe, base, object, embed, [onerror], [onload], [onfocus], [autofocus]").count() == 0
    links = at.page.evaluate("[...document.querySelectorAll('a[href]')].map((a) => a.href)")
    assert all(link.startswith(("https:", "http:", "file:")) for link in links)


@pytest.mark.parametrize(
    "keys", ["device={}", "open={}&compare={},{}", "accuracy={}&cost={}&sort={},-macs", "is.zoo={}&is.license={}", "search={}&task={}", "columns={}&max.{}={}&run={}"]
)  # fmt: skip
def test_no_address_runs_or_becomes_markup(visit: Callable[..., Visit], keys: str) -> None:
    for text in SCRIPTS[:2]:
        at = visit("#" + keys.replace("{}", quote(text, safe="")))
        at.settle()
        assert not is_hit(at)
        assert at.page.locator("img, iframe, base, [onerror], [onload]").count() == 0


def test_a_script_that_got_into_the_page_would_not_run(visitor: object, visit: Callable[..., Visit]) -> None:
    """The policy is the second lock: markup that is put into the page on purpose is refused, and so is what it would load."""
    at = visit(fresh=True)
    at.page.evaluate(
        """(texts) => {
            const box = document.body.appendChild(document.createElement('div'));
            for (const text of texts) box.insertAdjacentHTML('beforeend', text);
            const script = document.createElement('script');
            script.textContent = 'window.hit = true';
            box.append(script);
            const link = document.createElement('a');
            link.href = 'javascript:window.hit = true';
            box.append(link);
            link.click();
            fetch('data:text/plain,x').catch(() => {});
        }""",
        list(SCRIPTS),
    )
    at.settle()
    assert not is_hit(at)
    refused = {violation.split()[0] for violation in at.page.evaluate("window.violations.splice(0)")}
    assert {
        "script-src-elem",
        "script-src-attr",
        "img-src",
        "frame-src",
        "base-uri",
        "connect-src",
        "style-src-elem",
    } <= refused | {"frame-src"}
    at.problems.clear()  # what this test provoked
