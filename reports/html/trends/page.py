"""Renders trends as one self-contained HTML page, in the style of the leaderboard."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise, starmap
from pathlib import Path
from typing import Any

from reports.columns.format import figure_text, value_text
from reports.html.document import render_document, write_document
from reports.html.trends import sections
from reports.html.trends.chart import swatch
from reports.trends.trends import Trends

_TEMPLATE_FUNCTIONS: tuple[Any, ...] = (
    swatch, figure_text, value_text,
    sections.accuracy_change, sections.best_since, sections.changed_versions, sections.count_moves, sections.dash_of,
)  # fmt: skip
_SHARED_STYLES = ("tokens", "base", "controls", "explore")


def render_trends(trends: Trends, *, title: str, created_at: datetime, leaderboard: str = "") -> str:
    """The page as text. Opening it makes no request.

    Args:
        trends: what to show.
        title: of the report that it belongs to.
        created_at: when it was made.
        leaderboard: file of the leaderboard beside it; empty for none.
    """
    moves_by_run = {step.run.run: sections.count_moves(step.changes) for step in trends.steps}
    new_versions = starmap(sections.changed_versions, pairwise([None, *(run.versions for run in trends.runs)]))
    runs = [(run, new, moves_by_run.get(run.run, "")) for run, new in zip(trends.runs, new_versions, strict=True)]
    return render_document(
        "trends/template.html.j2",
        styles=(*(f"page/style/{name}.css" for name in _SHARED_STYLES), "trends/trends.css"),
        title=f"Trends: {title}",
        trends=trends,
        created_at=created_at,
        leaderboard=leaderboard,
        summary=sections.summary_lines(trends),
        sections=sections.task_sections(trends),
        runs=runs[::-1][: sections.MOST_RUNS],
        older_runs=max(0, len(runs) - sections.MOST_RUNS),
        **{function.__name__: function for function in _TEMPLATE_FUNCTIONS},
    )


def write_trends(trends: Trends, path: Path, *, title: str, created_at: datetime, leaderboard: str = "") -> None:
    """Write the page to `path`, all of it or nothing.

    Raises:
        OutputError: if the folder or the file cannot be written.
    """
    write_document(render_trends(trends, title=title, created_at=created_at, leaderboard=leaderboard), path)
