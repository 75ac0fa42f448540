"""Renders a report as one self-contained HTML page."""

from __future__ import annotations

from pathlib import Path

from reports.columns.leaderboard_columns import columns_for
from reports.html.document import read_resource, render_document, write_document
from reports.html.inlining import safe_json
from reports.html.modules import join_modules
from reports.html.payload import build_payload
from reports.html.side_tables import coverage_groups, group_notes, parts_of, unmatched_groups
from reports.leaderboard.report import Report
from zoo.units import FLOPS_PER_MAC

STYLES = ("tokens", "base", "controls", "explore", "table", "dialogs", "print")


def render(report: Report) -> str:
    """The page as text. It holds every script, style and figure; opening it makes no request."""
    return render_document(
        "page/template.html.j2",
        styles=tuple(f"page/style/{name}.css" for name in STYLES),
        script=join_modules("main.js", lambda path: read_resource(f"page/script/{path}")),
        title=report.title,
        report=report,
        columns=columns_for(report.leaderboard, report.latencies),
        parts=parts_of(report),
        coverage=coverage_groups(report.coverage),
        unmatched=unmatched_groups(report.unmatched),
        notes=group_notes(report.notes),
        created=report.created_at.strftime("%Y-%m-%d %H:%M %Z").strip(),
        flops_per_mac=FLOPS_PER_MAC,
        data=safe_json(build_payload(report)),
    )


def write(report: Report, path: Path) -> None:
    """Write the page to `path`, all of it or nothing.

    Raises:
        OutputError: if the folder or the file cannot be written.
    """
    write_document(render(report), path)
