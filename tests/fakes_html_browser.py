"""Opening pages in Chromium for the tests and the benchmark, and noticing everything a page must not do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Dialog, sync_playwright

from reports.html import write
from reports.leaderboard import Report

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
_CHROMIUM_OPTIONS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)


@contextmanager
def started_browser(program: str) -> Iterator[Browser]:
    """Chromium without a window, without its own traffic."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_CHROMIUM_OPTIONS.split())
        yield browser
        browser.close()


class Visit:
    """A page opened from disk, and everything it should not have done: errors, requests, breaches of its policy, dialogs."""

    def __init__(
        self, browser: Browser, path: Path, address: str = "", *, width: int = 1400, height: int = 900, dark: bool = False
    ) -> None:
        self.problems: list[str] = []
        self._context = browser.new_context(viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light")
        self._context.grant_permissions(["clipboard-read", "clipboard-write"])
        self.page = self._context.new_page()
        own = path.as_uri()
        self.page.on("console", lambda message: self.problems.append(f"console: {message.text}"))
        self.page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        self.page.on("dialog", self._refuse)
        self.page.on("request", lambda request: None if request.url.split("#")[0] == own else self.problems.append(request.url))
        self.page.add_init_script(
            "window.violations = []; addEventListener('securitypolicyviolation', (e) => violations.push(`${e.violatedDirective} ${e.blockedURI}`))"
        )
        self.page.goto(own + address)
        self.until("document.documentElement.dataset.ready === 'yes'")

    def _refuse(self, dialog: Dialog) -> None:
        self.problems.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def until(self, expression: str, seconds: float = 15) -> None:
        """Wait until the expression holds. The page's policy forbids playwright's own waiting, which needs eval."""
        deadline = time.monotonic() + seconds
        while not self.page.evaluate(expression):
            assert time.monotonic() < deadline, f"never came true: {expression}"
            time.sleep(0.02)

    def settle(self) -> None:
        """Wait until the address has been written, which comes last after a change."""
        self.page.wait_for_timeout(350)

    def close(self) -> None:
        self.problems += self.page.evaluate("window.violations")
        self._context.close()

    def text(self, selector: str) -> str:
        return self.page.locator(selector).inner_text()

    def column(self, key: str) -> list[str]:
        """The shown cells of a column, from top to bottom."""
        script = """(key) => {
            const place = [...document.querySelectorAll('#board thead th')].findIndex((th) => th.dataset.key === key);
            return [...document.querySelectorAll('#board tbody tr')].map((row) => row.cells[place].innerText.trim());
        }"""
        return list(self.page.evaluate(script, key))

    def rows(self, selector: str) -> list[list[str]]:
        """The cells of the first table's body inside an element."""
        script = (
            "(s) => [...document.querySelectorAll(`${s} tbody tr`)].map((row) => [...row.cells].map((cell) => cell.textContent))"
        )
        return list(self.page.evaluate(script, selector))

    def models(self) -> list[str]:
        return list(self.page.evaluate("[...document.querySelectorAll('#board tbody button.open')].map((b) => b.title)"))

    def frontier(self) -> list[str]:
        return list(self.page.evaluate("[...document.querySelectorAll('#frontier-list button.open')].map((b) => b.title)"))


class Pages:
    """Files of reports in a folder, each written once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: list[tuple[Report, Path]] = []

    def path(self, report: Report) -> Path:
        for known, path in self._written:
            if known is report:
                return path
        path = self._folder / f"page{len(self._written)}.html"
        write(report, path)
        self._written.append((report, path))
        return path


@contextmanager
def visiting(browser: Browser, pages: Pages, usual: Report) -> Iterator[Callable[..., Visit]]:
    """Gives a function that opens a report's page, the usual one unless told; in the end no visit may have had a problem."""
    visits: list[Visit] = []

    def visit(address: str = "", report: Report = usual, **how: Any) -> Visit:
        visits.append(Visit(browser, pages.path(report), address, **how))
        return visits[-1]

    yield visit
    for each in visits:
        each.close()
        assert each.problems == []
