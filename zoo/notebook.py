"""Displays results in notebooks: compact tables in the notebook's own colours, light or dark, and figures."""

from __future__ import annotations

import html
import io
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_RULE = "border-bottom:1px solid rgba(128,128,128,.35)"
_CELL = "padding:2px 10px 2px 0;background:none"
_COLOURS = ("#2f6fc1", "#d0651a", "#23895a")  # distinguishable on light and dark backgrounds
_INK = "#808890"  # readable on both
_DPI = 100
_INCHES_A_BAR = 0.28


def html_table(headers: Sequence[str], rows: Iterable[Sequence[object]], *, right: Iterable[str] = ()) -> str:
    """A table as HTML, every text escaped.

    Args:
        headers: of the columns; all empty: none are shown.
        rows: of cells.
        right: headers of the columns with numbers.
    """
    sides = ["right" if header in set(right) else "left" for header in headers]
    head = "".join(_cell("th", header, side, _RULE) for header, side in zip(headers, sides, strict=True))
    lines = ["".join(_cell("td", cell, side) for cell, side in zip(row, sides, strict=True)) for row in rows]
    body = "".join(f"<tr style='background:none'>{line}</tr>" for line in lines)
    return f"<table style='border-collapse:collapse;margin:4px 0'>{f'<tr>{head}</tr>' if any(headers) else ''}{body}</table>"


def html_text(text: str, *, bold: bool = False) -> str:
    """A paragraph as HTML, escaped."""
    return f"<p style='margin:4px 0{';font-weight:600' if bold else ''}'>{html.escape(text)}</p>"


def html_totals(totals: Mapping[str, str]) -> str:
    """Names and values below each other, as HTML."""
    return html_table(("", ""), totals.items())


def innermost(paths: Iterable[str]) -> list[bool]:
    """For each path of a module, whether no other path is inside it."""
    known = list(paths)
    outer = {path.rpartition(".")[0] for path in known if path}
    return [path not in outer for path in known]


def new_figure(*, width: float, height: float, **settings: Any) -> Figure:
    """An empty figure of matplotlib, in inches, that a notebook shows without pyplot."""
    return _figure_class()(figsize=(width, height), **settings)  # type: ignore[no-any-return]


def draw_bars(title: str, names: Sequence[str], series: Mapping[str, Sequence[float]], unit: str) -> Figure:
    """Stacked horizontal bars, the first name on top, with a transparent background."""
    from matplotlib.ticker import EngFormatter

    figure = new_figure(width=8, height=0.9 + _INCHES_A_BAR * len(names), dpi=_DPI, layout="constrained", facecolor="none")
    axes = figure.add_subplot(facecolor="none")
    ends = [0.0] * len(names)
    for colour, (label, values) in zip(_COLOURS, series.items(), strict=False):
        axes.barh(range(len(names)), values, left=ends, color=colour, label=label)
        ends = [end + value for end, value in zip(ends, values, strict=True)]
    axes.set_yticks(range(len(names)), [name or "(model)" for name in names], parse_math=False)
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(EngFormatter(unit=unit))
    axes.set_title(title, loc="left", color=_INK, fontsize=10, parse_math=False)
    axes.tick_params(colors=_INK, labelsize=8)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_INK)
    if len(series) > 1:
        axes.legend(frameon=False, labelcolor=_INK, fontsize=8)
    return figure


def _cell(tag: str, value: object, side: str, more: str = "") -> str:
    return f"<{tag} style='{_CELL};text-align:{side};{more}'>{html.escape(str(value))}</{tag}>"


@cache
def _figure_class() -> Any:
    from matplotlib.figure import Figure  # slow to import

    class NotebookFigure(Figure):
        def _repr_png_(self) -> bytes:
            """The picture that a notebook shows."""
            buffer = io.BytesIO()
            self.savefig(buffer, format="png", facecolor=self.get_facecolor())
            return buffer.getvalue()

    return NotebookFigure
