"""Markdown: a short table that a README can hold, with its provenance as a footnote."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from reports.columns import ACCURACY_COLUMNS, LEADERBOARD, Column, Kind
from reports.exports.files import replacing
from reports.exports.safe_text import is_web_address, printable
from reports.leaderboard import Report

KEYS: tuple[str, ...] = ("model", "input", ACCURACY_COLUMNS[0].column.key, "params", "macs", "peak_activation_bytes")
"""Columns that fit a README."""
TOP = 20
_BY_KEY = {column.key: column for column in LEADERBOARD}
_CARD = next(c for c in LEADERBOARD if c.kind is Kind.LINK)
_ON_FRONTIER = next(c for c in LEADERBOARD if c.kind is Kind.FLAG)
_QUALITY = ACCURACY_COLUMNS[0].column
_COST = _BY_KEY["macs"]
_SPECIAL = re.compile(r"([\\`*\[\]<>|~&]|(?<!\w)_|_(?!\w))")  # an underscore inside a word does nothing


def write_markdown(report: Report, path: Path) -> None:
    """Write the table of `render_markdown`.

    Raises:
        OutputError: if the file cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(render_markdown(report), encoding="utf-8")


def render_markdown(report: Report, *, top: int = TOP, keys: Sequence[str] = KEYS) -> str:
    """The frontier's most accurate models, or where there is no accuracy the models with fewest MACs.

    Args:
        report: what to render.
        top: most rows.
        keys: columns of the leaderboard, in the order wanted.
    """
    columns = [_BY_KEY[key] for key in keys]
    table, what = _choose(report.leaderboard, top)
    lines = [f"**{_escape(report.title)}**: {what}[^zoometer]", ""]
    lines.append(_line([_escape(column.header) for column in columns]))
    lines.append(_line(["---:" if column.is_figure else "---" for column in columns]))
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    lines += [_line([_cell(column, row) for column in columns]) for row in rows]
    return "\n".join([*lines, "", f"[^zoometer]: {_footnote(report)}", ""])


def _choose(leaderboard: pd.DataFrame, top: int) -> tuple[pd.DataFrame, str]:
    if not leaderboard[_QUALITY.key].notna().any():
        return leaderboard.sort_values(_COST.key, na_position="last", kind="stable").head(
            top
        ), "fewest MACs first; accuracy is not available."
    best = leaderboard[leaderboard[_ON_FRONTIER.key].fillna(False).astype(bool)]
    table = best if len(best) else leaderboard
    what = "models that no other beats in both accuracy and MACs" if len(best) else "models"
    return table.sort_values(_QUALITY.key, ascending=False, na_position="last", kind="stable").head(
        top
    ), f"{what}, most accurate first."


def _cell(column: Column, row: Mapping[Hashable, object]) -> str:
    value = row[column.key]
    if value is None:
        return ""
    if column.is_figure:
        return f"{float(str(value)) / column.scale:,.{column.digits}f}"
    text = _escape(str(value))
    card = row.get(_CARD.key)
    if column.key == KEYS[0] and isinstance(card, str) and is_web_address(card):
        return f"[{text}]({card.replace('(', '%28').replace(')', '%29')})"
    return text


def _escape(text: str) -> str:
    """The text so that Markdown shows it and does nothing else with it."""
    return _SPECIAL.sub(r"\\\1", " ".join(printable(text).split()))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _footnote(report: Report) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    sources = "; ".join(f"{s.name} ({s.address}, {s.retrieved_at})" for s in report.sources) or "none"
    made = (
        f"Made {report.created_at:%Y-%m-%d} by `{report.command.replace('`', ' ')}`"
        if report.command
        else f"Made {report.created_at:%Y-%m-%d}"
    )
    facts = f"with {_escape(versions)}. MACs: convention {_escape(report.convention)}; costs are counted, accuracy is published. Sources: {_escape(sources)}."
    return f"{' '.join(printable(made).split())} {facts}"
