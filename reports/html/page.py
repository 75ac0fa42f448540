"""Renders a report as one self-contained HTML page."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import jinja2

from reports.columns.leaderboard_columns import columns_for
from reports.exports.files import replacing
from reports.html.inlining import safe_json, safe_script, safe_style, security_policy
from reports.html.modules import join_modules
from reports.html.payload import build_payload
from reports.html.side_tables import group_notes, parts_of
from reports.leaderboard.report import Report
from zoo.units import FLOPS_PER_MAC

# Style sheets in the order they are joined: a later one builds on an earlier one.
STYLES = ("tokens", "base", "controls", "explore", "table", "dialogs", "print")


def render(report: Report) -> str:
    """The page as text. It holds every script, style and figure; opening it makes no request."""
    resources = files("reports.html") / "page"
    theme = safe_script(_read(resources, "script", "theme.js"))
    script = safe_script(join_modules("main.js", lambda path: _read(resources, "script", *path.split("/"))))
    style = safe_style("\n".join(_read(resources, "style", f"{name}.css") for name in STYLES))
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: _read(resources, name)),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("template.html.j2")
    return template.render(
        report=report,
        columns=columns_for(report.leaderboard, report.latencies),
        parts=parts_of(report),
        notes=group_notes(report.notes),
        created=report.created_at.strftime("%Y-%m-%d %H:%M %Z").strip(),
        flops_per_mac=FLOPS_PER_MAC,
        policy=security_policy([theme, script], [style]),
        style=style,
        theme=theme,
        script=script,
        data=safe_json(build_payload(report)),
    )


def write(report: Report, path: Path) -> None:
    """Write the page to `path`, all of it or nothing: a reader never sees half a file.

    Raises:
        OutputError: if the folder or the file cannot be written.
    """
    text = render(report)
    with replacing(path) as temporary:
        # A name may hold what UTF-8 cannot; it must not cost the report.
        temporary.write_text(text, "utf-8", errors="replace", newline="\n")


def _read(resources: Traversable, *parts: str) -> str:
    return resources.joinpath(*parts).read_text("utf-8")
