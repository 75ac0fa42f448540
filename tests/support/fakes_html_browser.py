"""Opening pages in Chromium for the tests and the benchmark, and noticing everything a page must not do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Dialog, sync_playwright

from reports.html import write
from reports.leaderboard.report import Report

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
        self.found_problems()
        self._context.close()

    def found_problems(self) -> list[str]:
        """Everything noticed so far; what the page's policy refused included."""
        if not self.page.is_closed():
            self.problems += self.page.evaluate("window.violations.splice(0)")
        return self.problems

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


# What a test may have left behind on a page that the next one takes over; the address resets the rest.
_TIDY = """(address) => {
    for (const dialog of document.querySelectorAll('dialog[open]')) dialog.close();
    for (const details of document.querySelectorAll('details.menu[open], details.group[open], details.fold:not(.left-out)[open], details.more[open]')) details.open = false;
    document.getElementById('compare-different').checked = false;
    document.getElementById('notice').textContent = '';
    document.getElementById('zoom-reset').click();
    document.activeElement.blur();
    window.scrollTo(0, 0);
    history.replaceState(null, '', location.pathname + address);
    window.dispatchEvent(new Event('hashchange'));
}"""


class Visitor:
    """Chromium with the pages it has opened. Loading a page is most of a test's time, so tests take over each other's."""

    def __init__(self, browser: Browser, folder: Path) -> None:
        self.browser = browser
        self._folder = folder
        self._written: list[tuple[Report, Path]] = []
        self._open: dict[tuple[Any, ...], Visit] = {}

    def path(self, report: Report) -> Path:
        """The report's file, written once."""
        for known, path in self._written:
            if known is report:
                return path
        path = self._folder / f"page{len(self._written)}.html"
        write(report, path)
        self._written.append((report, path))
        return path

    @contextmanager
    def visiting(self, usual: Report) -> Iterator[Callable[..., Visit]]:
        """Gives a function that opens a report's page, the usual one unless told; in the end no visit may have had a problem."""
        taken: list[tuple[Any, ...]] = []
        visits: list[Visit] = []

        def visit(address: str = "", report: Report = usual, *, fresh: bool = False, **how: Any) -> Visit:
            path = self.path(report)
            kind = (path, *sorted(how.items()))
            if fresh or kind in taken:
                visits.append(Visit(self.browser, path, address, **how))
                return visits[-1]
            taken.append(kind)
            if kind in self._open:
                self._open[kind].page.mouse.move(0, 0)
                self._open[kind].page.evaluate(_TIDY, address)
            else:
                self._open[kind] = Visit(self.browser, path, address, **how)
            return self._open[kind]

        yield visit
        for each in visits:
            each.close()
        for at in (*visits, *(self._open[kind] for kind in taken)):
            assert at.found_problems() == []
