"""Renders trends as one self-contained HTML page, in the style of the leaderboard."""

from __future__ import annotations

from datetime import datetime
from importlib.resources import files
from pathlib import Path

import jinja2

from reports.exports.files import replacing
from reports.html.inlining import safe_script, safe_style, security_policy
from reports.html.trends.sections import MOST_RUNS, changed_versions, count_moves, figure_texts, summary_lines, task_sections
from reports.trends.trends import Trends

_SHARED_STYLES = ("tokens", "base", "controls", "explore")
_READY = """document.getElementById('theme').addEventListener('click', () => document.documentElement.dispatchEvent(new Event('themetoggle')));
document.documentElement.dataset.ready = 'yes';
"""


def render_trends(trends: Trends, *, title: str, created_at: datetime, leaderboard: str = "") -> str:
    """The page as text. Opening it makes no request.

    Args:
        trends: what to show.
        title: of the report that it belongs to.
        created_at: when it was made.
        leaderboard: file of the leaderboard beside it; empty for none.
    """
    page, own = files("reports.html") / "page", files("reports.html") / "trends"
    theme, ready = safe_script((page / "script" / "theme.js").read_text("utf-8")), safe_script(_READY)
    sheets = [(page / "style" / f"{name}.css").read_text("utf-8") for name in _SHARED_STYLES]
    style = safe_style("\n".join([*sheets, (own / "trends.css").read_text("utf-8")]))
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    moves_by_run = {step.run.run: count_moves(step.changes) for step in trends.steps}
    befores = ["", *(run.versions or "" for run in trends.runs)]
    runs = [
        (run, changed_versions(before, run.versions or ""), moves_by_run.get(run.run, ""))
        for before, run in zip(befores, trends.runs, strict=False)
    ]
    return environment.from_string((own / "template.html.j2").read_text("utf-8")).render(
        trends=trends,
        title=title,
        created_at=created_at,
        leaderboard=leaderboard,
        summary=summary_lines(trends),
        sections=task_sections(trends),
        runs=runs[::-1][:MOST_RUNS],
        older_runs=max(0, len(runs) - MOST_RUNS),
        figure_texts=figure_texts,
        policy=security_policy([theme, ready], [style]),
        style=style,
        theme=theme,
        ready=ready,
    )


def write_trends(trends: Trends, path: Path, *, title: str, created_at: datetime, leaderboard: str = "") -> None:
    """Write the page to `path`, all of it or nothing.

    Raises:
        OutputError: if the folder or the file cannot be written.
    """
    text = render_trends(trends, title=title, created_at=created_at, leaderboard=leaderboard)
    with replacing(path) as temporary:
        temporary.write_text(text, "utf-8", errors="replace", newline="\n")
