"""Renders trends as one self-contained HTML page, in the style of the leaderboard."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from pathlib import Path

from reports.html.document import render_document, write_document
from reports.html.trends.sections import MOST_RUNS, changed_versions, count_moves, figure_texts, summary_lines, task_sections
from reports.trends.trends import Trends

_SHARED_STYLES = ("tokens", "base", "controls", "explore")


def render_trends(trends: Trends, *, title: str, created_at: datetime, leaderboard: str = "") -> str:
    """The page as text. Opening it makes no request.

    Args:
        trends: what to show.
        title: of the report that it belongs to.
        created_at: when it was made.
        leaderboard: file of the leaderboard beside it; empty for none.
    """
    moves_by_run = {step.run.run: count_moves(step.changes) for step in trends.steps}
    versions = ["", *(run.versions or "" for run in trends.runs)]
    runs = [
        (run, changed_versions(*before_and_after), moves_by_run.get(run.run, ""))
        for run, before_and_after in zip(trends.runs, pairwise(versions), strict=True)
    ]
    return render_document(
        "trends/template.html.j2",
        styles=(*(f"page/style/{name}.css" for name in _SHARED_STYLES), "trends/trends.css"),
        title=f"Trends: {title}",
        trends=trends,
        created_at=created_at,
        leaderboard=leaderboard,
        summary=summary_lines(trends),
        sections=task_sections(trends),
        runs=runs[::-1][:MOST_RUNS],
        older_runs=max(0, len(runs) - MOST_RUNS),
        figure_texts=figure_texts,
    )


def write_trends(trends: Trends, path: Path, *, title: str, created_at: datetime, leaderboard: str = "") -> None:
    """Write the page to `path`, all of it or nothing.

    Raises:
        OutputError: if the folder or the file cannot be written.
    """
    write_document(render_trends(trends, title=title, created_at=created_at, leaderboard=leaderboard), path)
