"""The page rounds speeds as the command line does."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes_html_browser import Visitor
from fakes_web import Site

from reports.columns.budget_columns import LATENCY, THROUGHPUT
from reports.columns.format import figure_text

SPEEDS = (0.0, 0.004, 0.0345, 0.09996, 0.4, 0.691, 0.9996, 3.0, 9.994, 9.996, 34.8, 99.96, 348.0, 999.6, 1447.2)
_FORMAT = """async ([columns, speeds]) => {
  const { formatFigure } = await import('/base/format.js');
  return columns.map((column) => speeds.map((speed) => formatFigure(column, speed)));
}"""


@pytest.mark.browser
def test_speeds_are_rounded_as_on_the_command_line(visitor: Visitor, repository: Path) -> None:
    columns = (LATENCY, THROUGHPUT)
    described = [{"unit": column.unit, "scale": column.scale, "digits": column.digits} for column in columns]
    with Site(repository / "reports" / "html" / "page" / "script") as site:
        tab = visitor.browser.new_page()
        tab.goto(f"{site.address}/base/format.js")
        shown = tab.evaluate(_FORMAT, [described, SPEEDS])
        tab.close()
    assert shown == [[figure_text(column, speed) for speed in SPEEDS] for column in columns]
