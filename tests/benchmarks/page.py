"""Size and speed of the page in Chromium: `python tests/benchmarks/page.py 2400 8000 20000`.

*Render* is the time to make the file once the chart library is in the user's cache, *usable* from opening the file to table and
chart drawn, *filter* from a typed limit or word to table, frontier, counts and chart updated, *sort* from a click on a header to
the rows in their new order. Each is the median of several runs in milliseconds, but for the rendering, in seconds. Rows are
synthetic (`tests/fakes_html.py`); making them is not measured.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1])]

from fakes_html import zoo_like  # noqa: E402 the folders of a script's neighbours are not searched by themselves
from fakes_html_browser import CHROMIUM_NAMES, Visit, started_browser  # noqa: E402
from playwright.sync_api import Browser  # noqa: E402

from reports.html import write  # noqa: E402

_SPANS = "performance.getEntriesByName('zoometer:refresh').map((span) => span.duration)"
_SORT = """(key) => new Promise((done) => {
    const started = performance.now();
    const watch = new MutationObserver(() => { watch.disconnect(); done(performance.now() - started); });
    watch.observe(document.querySelector('#board tbody'), { childList: true });
    document.querySelector(`#board th[data-key=${key}]`).click();
})"""


class Measured(NamedTuple):
    """One size of page."""

    megabytes: float
    render_s: float
    usable_ms: float
    limit_ms: float
    search_ms: float
    sort_ms: float


def measure(browser: Browser, rows: int, *, runs: int) -> Measured:
    """Write a page of this many rows and use it."""
    report = zoo_like(rows)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.html"
        write(report, path)  # fills the library cache
        started = time.perf_counter()
        write(report, path)
        render_s = time.perf_counter() - started
        usable = [_usable(browser, path) for _ in range(runs)]
        at = Visit(browser, path)
        limit = _refreshes(at, "#max-params", ["30", "3", "300", ""] * runs)
        search = _refreshes(at, "#search", ["v", "vi", "vit", "resnet", "resnet -224", ""] * runs)
        sort = [at.page.evaluate(_SORT, key) for key in ["params", "macs", "family"] * runs]
        size = path.stat().st_size / 1e6
        at.close()
    return Measured(size, render_s, statistics.median(usable), limit, search, statistics.median(sort))


def _usable(browser: Browser, path: Path) -> float:
    at = Visit(browser, path)
    ready = at.page.evaluate("performance.getEntriesByName('zoometer:ready')[0].startTime")
    at.close()
    return float(ready)


def _refreshes(at: Visit, selector: str, texts: list[str]) -> float:
    """Median time of a refresh after typing each text."""
    at.page.evaluate("performance.clearMeasures()")
    for text in texts:
        at.page.locator(selector).fill(text)
        at.page.wait_for_timeout(120)
    return float(statistics.median(at.page.evaluate(_SPANS)))


def main() -> None:
    """Measure each size and print a line for it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int, nargs="*", default=[2400, 8000, 20_000])
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    program = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if program is None:
        sys.exit("This benchmark needs Chromium: apt-get install chromium")
    write_line = sys.stdout.write
    write_line("    rows  file MB  render s  usable ms  filter by limit ms  by words ms  sort ms\n")
    with started_browser(program) as browser:
        for rows in arguments.rows:
            m = measure(browser, rows, runs=arguments.runs)
            write_line(
                f"{rows:8,}  {m.megabytes:7.2f}  {m.render_s:8.2f}  {m.usable_ms:9.0f}  {m.limit_ms:18.0f}  {m.search_ms:11.0f}  {m.sort_ms:7.0f}\n"
            )


if __name__ == "__main__":
    main()
