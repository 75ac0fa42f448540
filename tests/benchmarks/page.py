"""Size and speed of the page in Chromium, and its picture.

    python tests/benchmarks/page.py 2400 20000
    python tests/benchmarks/page.py --page out/leaderboard.html
    python tests/benchmarks/page.py --page out/leaderboard.html --picture page.webp
    python tests/benchmarks/page.py --page out/jetson.html --picture configs/jetson.png --part '#chart-area' --address '#least=80'

*Render* is the time to make the file, *usable* from opening it to the frame that shows table and chart, *filter* from a typed
limit or word to table, frontier, counts and chart updated, *painted* the same to the end of the frame that shows it, *sort* from
a click on a header to the rows in their new order. Each is the median of several runs in milliseconds, but for the rendering, in
seconds. *CPU* is what the page's main thread worked meanwhile: it hardly changes where other programs keep the machine busy.
Without `--page` rows are synthetic (`tests/support/fakes_html.py`); making them is not measured.
"""

from __future__ import annotations

import argparse
import base64
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "support")]

from fakes_html import zoo_like  # noqa: E402 the folders of a script's neighbours are not searched by themselves
from fakes_html_browser import CHROMIUM_NAMES, Visit, started_browser  # noqa: E402
from playwright.sync_api import Browser  # noqa: E402

from reports.html import write  # noqa: E402

_TYPE = """async ([selector, text]) => {
    const field = document.querySelector(selector);
    field.value = text;
    performance.clearMeasures();
    const started = performance.now();
    field.dispatchEvent(new Event('input', { bubbles: true }));
    const [{ duration }] = performance.getEntriesByName('zoometer:refresh');
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    return [duration, performance.now() - started];
}"""
_SORT = """(key) => new Promise((done) => {
    const started = performance.now();
    const watch = new MutationObserver(() => { watch.disconnect(); done(performance.now() - started); });
    watch.observe(document.querySelector('#board tbody'), { childList: true });
    document.querySelector(`#board th[data-key=${key}]`).click();
})"""
LIMITS = ("30", "3", "300", "")
_MARGIN = 12  # pixels around the part that a picture is of
WORDS = ("v", "vi", "vit", "resnet", "resnet -224", "")
SORTS = ("params", "macs", "family")


class Opened(NamedTuple):
    """How long a page took to open."""

    usable_ms: float
    cpu_ms: float


class Measured(NamedTuple):
    """One page."""

    megabytes: float
    opened: Opened
    limit_ms: float
    search_ms: float
    painted_ms: float
    sort_ms: float


def measure(browser: Browser, path: Path, *, runs: int) -> Measured:
    """Open the page some times, then use it."""
    openings = [_open(browser, path) for _ in range(runs)]
    opened = Opened(*(statistics.median(values) for values in zip(*openings, strict=True)))
    at = Visit(browser, path)
    limits = [at.page.evaluate(_TYPE, ["#max-params", text]) for text in LIMITS * runs]
    words = [at.page.evaluate(_TYPE, ["#search", text]) for text in WORDS * runs]
    sorts = [at.page.evaluate(_SORT, key) for key in SORTS * runs]
    at.close()
    (limit, _), (search, _) = map(_medians, (limits, words))
    return Measured(path.stat().st_size / 1e6, opened, limit, search, _medians(limits + words)[1], statistics.median(sorts))


def _medians(pairs: list[list[float]]) -> tuple[float, float]:
    first, second = (statistics.median(values) for values in zip(*pairs, strict=True))
    return first, second


def _open(browser: Browser, path: Path) -> Opened:
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    protocol = context.new_cdp_session(page)
    protocol.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.goto(path.as_uri())
    while not page.evaluate("document.documentElement.dataset.ready === 'yes'"):
        time.sleep(0.02)
    usable_ms = page.evaluate("performance.getEntriesByName('zoometer:ready')[0].startTime")
    metrics = {metric["name"]: metric["value"] for metric in protocol.send("Performance.getMetrics")["metrics"]}
    context.close()
    return Opened(usable_ms, metrics["TaskDuration"] * 1000)


def take_picture(browser: Browser, path: Path, picture: Path, address: str, selector: str | None) -> None:
    """The page's first screen with a budget typed in, or a part of it, as WebP or PNG: small enough to stand beside the source."""
    at = Visit(browser, path, address, width=1280, height=1140)
    at.settle()
    protocol = at.page.context.new_cdp_session(at.page)
    how: dict[str, object] = {"format": "webp", "quality": 82} if picture.suffix == ".webp" else {"format": "png"}
    if selector:
        box = at.page.locator(selector).bounding_box()
        assert box, f"{selector} is not on the page"
        around = {"x": box["x"] - _MARGIN, "y": box["y"] - _MARGIN}
        size = {"width": box["width"] + 2 * _MARGIN, "height": box["height"] + 2 * _MARGIN}
        how |= {"captureBeyondViewport": True, "clip": {**around, **size, "scale": 1}}
    shot = protocol.send("Page.captureScreenshot", how)
    picture.write_bytes(base64.b64decode(shot["data"]))
    at.close()


@contextmanager
def _pages(rows: list[int], page: Path | None) -> Iterator[list[tuple[str, Path, float]]]:
    """Name, file and rendering time of the pages to measure."""
    if page:
        yield [(page.name, page.resolve(), float("nan"))]
        return
    with tempfile.TemporaryDirectory() as folder:
        made = []
        for count in rows:
            report, path = zoo_like(count), Path(folder) / f"{count}.html"
            started = time.perf_counter()
            write(report, path)
            made.append((f"{count:,}", path, time.perf_counter() - started))
        yield made


def main() -> None:
    """Measure each page and print a line for it, or take its picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=int, nargs="*", default=[2400, 8000, 20_000])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--page", type=Path, help="a page that zoometer has made, instead of synthetic rows")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="write a picture of the first page, and measure nothing")
    parser.add_argument("--address", default="#max.params=30&max.macs=5", metavar="TEXT", help="what the picture's page shows")
    parser.add_argument("--part", metavar="SELECTOR", help="the part of the page that the picture is of")
    arguments = parser.parse_args()
    program = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if program is None:
        sys.exit("This benchmark needs Chromium: apt-get install chromium")
    with started_browser(program) as browser, _pages(arguments.rows, arguments.page) as pages:
        if arguments.picture:
            take_picture(browser, pages[0][1], arguments.picture, arguments.address, arguments.part)
            return
        head = (
            "page                  file MB  render s  usable ms  CPU ms  filter by limit ms  by words ms  painted ms  sort ms\n"
        )
        sys.stdout.write(head)
        for name, path, render_s in pages:
            m = measure(browser, path, runs=arguments.runs)
            sys.stdout.write(
                f"{name:20s}  {m.megabytes:7.2f}  {render_s:8.2f}  {m.opened.usable_ms:9.0f}  {m.opened.cpu_ms:6.0f}  {m.limit_ms:18.0f}"
                f"  {m.search_ms:11.0f}  {m.painted_ms:10.0f}  {m.sort_ms:7.0f}\n"
            )


if __name__ == "__main__":
    main()
