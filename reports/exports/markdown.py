"""Markdown: a short table for a README, with its provenance as a footnote."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from reports.columns.accuracy_columns import ranking_accuracy
from reports.columns.column import Better, Column
from reports.columns.format import figure_text
from reports.columns.leaderboard_columns import LEADERBOARD_BY_KEY
from reports.columns.table_rows import records
from reports.exports.files import replacing
from reports.exports.safe_text import is_web_address, printable
from reports.leaderboard.report import Report

KEYS: tuple[str, ...] = ("model", "input", "params", "macs", "peak_activation_bytes")
"""Columns that fit a README; the metric of the task stands before `params`."""
TOP = 20
_SPECIAL = re.compile(r"([\\`*\[\]<>|~&]|(?<!\w)_|_(?!\w))")  # an underscore inside a word does nothing


def write_markdown(report: Report, path: Path) -> None:
    """Write the table of `render_markdown`.

    Raises:
        OutputError: if the file cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(render_markdown(report), encoding="utf-8")


def render_markdown(report: Report, *, top: int = TOP, keys: Sequence[str] = ()) -> str:
    """For each task the frontier's best models, or where no accuracy is known the models with fewest MACs.

    Args:
        report: what to render.
        top: most rows of a task.
        keys: columns of the leaderboard, in order; none for `KEYS` with the metric of each task.
    """
    tasks = [rows for _, rows in report.leaderboard.groupby("task", sort=False, dropna=False)] or [report.leaderboard]
    tables = [_render_task(report, rows, top, keys, is_only=len(tasks) == 1) for rows in tasks]
    return "\n".join([*(line for table in tables for line in (*table, "")), f"[^zoometer]: {_footnote(report)}", ""])


def _render_task(report: Report, rows: pd.DataFrame, top: int, keys: Sequence[str], *, is_only: bool) -> list[str]:
    quality = ranking_accuracy(rows)
    columns = [LEADERBOARD_BY_KEY[key] for key in keys or _default_keys(quality)]
    chosen, what = _choose_rows(rows, quality, top)
    title = report.title if is_only else f"{report.title}, {rows['task'].iloc[0]}"
    cells = [[_markdown_cell(column, record) for column in columns] for record in records(chosen)]
    headers = [_escape(column.header) for column in columns]
    table = _table_lines(headers, cells, [column.is_figure for column in columns])
    return [f"**{_escape(title)}**: {what}[^zoometer]", "", *table]


def table_lines(headers: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[str] = ()) -> list[str]:
    """A table of plain text; headers named in `right` hold numbers."""
    cells = [[_escape(cell) for cell in row] for row in rows]
    return _table_lines([_escape(header) for header in headers], cells, [header in right for header in headers])


def _table_lines(headers: Sequence[str], rows: Iterable[Sequence[str]], is_right: Sequence[bool]) -> list[str]:
    dashes = ["---:" if right else "---" for right in is_right]
    return [f"| {' | '.join(cells)} |" for cells in (headers, dashes, *rows)]


def _default_keys(quality: Column | None) -> tuple[str, ...]:
    place = KEYS.index("params")
    return (*KEYS[:place], *([quality.key] if quality else []), *KEYS[place:])


def _choose_rows(rows: pd.DataFrame, quality: Column | None, top: int) -> tuple[pd.DataFrame, str]:
    if quality is None:
        fewest = rows.sort_values("macs", na_position="last", kind="stable")
        return fewest.head(top), "fewest MACs first; accuracy is not available."
    best = rows[rows["on_frontier"].fillna(False).astype(bool)]
    table = best if len(best) else rows
    what = f"models that no other beats in both {quality.title} and MACs" if len(best) else "models"
    ranked = table.sort_values(quality.key, ascending=quality.better is Better.LOW, na_position="last", kind="stable")
    return ranked.head(top), f"{what}, the best first."


def _markdown_cell(column: Column, row: Mapping[str, object]) -> str:
    value = row[column.key]
    if value is None:
        return ""
    if column.is_figure:
        return figure_text(column, value)
    text = _escape(str(value))
    card = row.get("source")
    if column.key == KEYS[0] and isinstance(card, str) and is_web_address(card):
        return f"[{text}]({card.replace('(', '%28').replace(')', '%29')})"
    return text


def _escape(text: str) -> str:
    """The text, escaped so that Markdown shows it as it is."""
    return _SPECIAL.sub(r"\\\1", " ".join(printable(text).split()))


def _footnote(report: Report) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    sources = "; ".join(f"{s.name} ({s.address}, {s.retrieved_at})" for s in report.sources) or "none"
    command = f" by `{report.command.replace('`', ' ')}`" if report.command else ""
    made = f"Made {report.created_at:%Y-%m-%d}{command}"
    facts = f"with {_escape(versions)}. MACs: convention {_escape(report.convention)}; costs are counted, accuracy is published. Sources: {_escape(sources)}."
    return f"{' '.join(printable(made).split())} {facts}"
